#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Checks that every text that offers wire:NAME also says that a wire belongs to one process: two programs with the same
# wire don't hear each other. check_wire.sh SOURCE_TREE PROGRAM...
set -u
cd "$1" || exit 1
shift
bad=0
offered=0
# judge WHAT: the text on standard input, by paragraphs, or rows of a table.
judge() {
    sed 's/^|.*/&\n/' | awk -v what="$1" -v RS= '/wire:NAME/ { ++offers; if (!/process/) { print what ": " $0; bad = 1 } }
        END { exit bad ? 1 : offers ? 0 : 2 }'
    case $? in
        0) offered=$((offered + 1)) ;;
        1) bad=1 ;;
    esac
}
for document in README.md docs/*.md docs/tools/*.md include/pktverbs/device.hpp; do judge "$document" <"$document"; done
for program in "$@"; do
    help=$("$program" --help 2>&1) || help=
    judge "$program --help" <<END
$help
END
done
[ "$offered" -gt 3 ] || {
    echo "only $offered offer wire:NAME: is that still how it is called?"
    bad=1
}
exit "$bad"
