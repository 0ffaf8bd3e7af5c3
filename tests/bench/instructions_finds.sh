#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Checks that scripts/bench --instructions fails for a path that has grown, and for no other reason.
# instructions_finds.sh SOURCE_TREE PROGRAM
set -euo pipefail
command -v valgrind >/dev/null || {
    echo 'NOT TESTED: valgrind is not installed'
    exit 77
}
tree=$1 program=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# expect STATUS WORDS ARGUMENT...: of one path, compared with what was accepted before.
expect() {
    local status=0 output
    output=$("$tree/scripts/bench" --instructions --program "$program" --committed "$work/figures" "${@:3}") ||
        status=$?
    if [ $status -ne "$1" ] || ! grep -qF -- "$2" <<<"$output"; then
        printf 'exit status %s, not %s with "%s":\n%s\n' $status "$1" "$2" "$output" >&2
        exit 1
    fi
}
# scale PERCENT: changes what was accepted.
scale() {
    python3 -c 'import json, sys
figures = json.load(open(sys.argv[1]))
path = figures["paths"]["wire64"]
for name in path:
    path[name] *= int(sys.argv[2]) / 100
json.dump(figures, open(sys.argv[1], "w"))' "$work/figures" "$1"
}

echo '{"made_with": {"compiler": "", "flags": "", "libc": "", "machine": ""}, "paths": {}}' >"$work/figures"
expect 77 'NOT TESTED: the committed figures are of another build: compiler' wire64
expect 0 'written to' --accept wire64
expect 0 'wire64' wire64
expect 1 'no committed figures of wire64_bare' wire64_bare
scale 96
expect 0 'wire64' wire64
scale 96
expect 1 'wire64 has grown by more than 5%' wire64
expect 0 'written to' --accept wire64
expect 0 'wire64' wire64
expect 2 'no path wire63; there are' wire63
