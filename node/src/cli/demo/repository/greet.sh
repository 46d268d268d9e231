# Greetings, to be sourced.

# greet [NAME]: greets somebody, or the world.
greet() {
    printf 'Hello, %s!\n' "$1"
}

# part NAME: sees somebody off.
part() {
    printf 'Goodbye, %s!\n' "$1"
}
