# test a full name
tests=$(sed '/seen off/a\
is "a full name is greeted in full" "Hello, Ada Lovelace!" "$(greet "Ada Lovelace")"
' tests/run.sh)
printf '%s\n' "$tests" > tests/run.sh
