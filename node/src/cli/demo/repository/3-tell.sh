# tell it in the README
printf '\n- `greet` without a name greets the world.\n' >> README.md
