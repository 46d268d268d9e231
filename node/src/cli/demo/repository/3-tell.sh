printf '\n- `greet` without a name greets the world.\n' >> README.md
