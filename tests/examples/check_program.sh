#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs a program and checks its exit status and what it prints:
#   check_program.sh [-s STATUS[|STATUS]] [-o STDOUT_LINE]... [-e STDERR_LINE] -- PROGRAM [ARGUMENT]...
# The lines are extended regular expressions. Without -e, stderr must be empty; with it, one line.
set -u
output=$(mktemp -d) || exit 1
trap 'rm -rf "$output"' EXIT

status=0
: >"$output/wanted"
error_line=
while getopts s:o:e: option; do
    case $option in
        s) status=$OPTARG ;;
        o) printf '%s\n' "$OPTARG" >>"$output/wanted" ;;
        e) error_line=$OPTARG ;;
        *) exit 1 ;;
    esac
done
shift $((OPTIND - 1))

"$@" >"$output/stdout" 2>"$output/stderr" </dev/null
got=$?

fail() {
    printf '%s\n--- stdout (exit status %s)\n' "$1" "$got"
    cat "$output/stdout"
    printf -- '--- stderr\n'
    cat "$output/stderr"
    exit 1
}

case "|$status|" in
    *"|$got|"*) ;;
    *) fail "exit status $got instead of $status" ;;
esac
while IFS= read -r line; do
    grep -Eq -e "$line" "$output/stdout" || fail "no line on stdout matches: $line"
done <"$output/wanted"
if [ -z "$error_line" ]; then
    [ ! -s "$output/stderr" ] || fail "stderr is not empty"
else
    [ "$(wc -l <"$output/stderr")" -eq 1 ] || fail "stderr is not one line"
    grep -Eq -e "$error_line" "$output/stderr" || fail "stderr doesn't match: $error_line"
fi
