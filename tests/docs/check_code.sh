#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Checks that the C++ in a document is, word for word, in files that are compiled:
#   check_code.sh SOURCE_TREE DOCUMENT [FILE]...
# Each C++ block is preceded by <!-- FILE --> or <!-- FILE#REGION -->. A region lies between the lines "// [REGION]" and
# "// [/REGION]", and is shown without their indentation. The document must show all of each FILE given here, or every
# region of it.
set -u
cd "$1" || exit 1
document=$2
shift 2
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

fail() {
    printf '%s: %s\n' "$document" "$1" >&2
    exit 1
}

# Each block to a file of its own; "NUMBER SOURCE" for each to $work/blocks.
awk -v work="$work" '
    /^<!-- [^ ]+ -->$/ { source = $2; next }
    /^```cpp$/ { if (source == "") source = "-"; print ++count, source; out = work "/" count; printf "" >out; next }
    /^```$/ && out { close(out); out = ""; source = ""; next }
    out { print >out; next }
    !/^$/ { source = "" }' "$document" >"$work/blocks" || exit 1

while read -r number source; do
    [ "$source" != - ] || fail "C++ block $number has no <!-- FILE --> or <!-- FILE#REGION --> before it"
    file=${source%%#*}
    [ -f "$file" ] || fail "no such file: $file"
    if [ "$file" = "$source" ]; then
        cp "$file" "$work/wanted"
    else
        awk -v region="${source#*#}" '
            { text = $0; sub(/^ +/, "", text) }
            text == "// [/" region "]" { inside = 0 }
            inside { print substr($0, /^ *$/ ? length($0) + 1 : indent + 1) }
            text == "// [" region "]" { inside = 1; indent = length($0) - length(text) }' "$file" >"$work/wanted"
        [ -s "$work/wanted" ] || fail "no such region: $source"
    fi
    diff -u --label "$source" --label "$document, block $number" "$work/wanted" "$work/$number" || exit 1
done <"$work/blocks"

for file in "$@"; do
    regions=$(sed -n 's|^ *// \[\([^/]*\)\]$|#\1|p' "$file")
    [ -n "$regions" ] || grep -qx "[0-9]* $file" "$work/blocks" || fail "$file is not shown"
    for region in $regions; do
        grep -qx "[0-9]* $file$region" "$work/blocks" || fail "$file$region is not shown"
    done
done
