# Runs every test and prints TAP. Ends with 1 where one fails.
cd "${0%/*}/.." || exit 1
. ./lib/greet.sh

count=0
failed=0

# is WHAT WANTED SEEN
is() {
    count=$((count + 1))
    if [ "$2" = "$3" ]; then
        echo "ok $count - $1"
    else
        echo "not ok $count - $1"
        echo "# wanted '$2', seen '$3'"
        failed=1
    fi
}

is "somebody is greeted" "Hello, Ada!" "$(greet Ada)"
is "the world is greeted where nobody is named" "Hello, world!" "$(greet)"
is "somebody is seen off" "Goodbye, Ada!" "$(part Ada)"

echo "1..$count"
exit "$failed"
