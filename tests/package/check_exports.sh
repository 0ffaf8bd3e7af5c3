#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Checks that a shared library exports exactly what the public headers declare. check_exports.sh LIBRARY INCLUDE_DIR
# SONAME
set -euo pipefail
library=$1 include=$2 soname=$3
bad=0
complain() {
    echo "$*"
    bad=1
}

dynamic=$(readelf -d "$library")
[[ $dynamic == *"Library soname: [$soname]"* ]] || complain "the soname is not $soname"

# A class counts as public if a public header defines it; naming it there is not enough.
headers=$(find "$include" -name '*.hpp' -exec cat {} +)
is_public_class() {
    grep -qE "^[^/]*\b(class|struct|enum class)( PKTVERBS_EXPORT)? $1\b[^;]*\{" <<<"$headers"
}
is_named() { grep -qwF -e "$1" <<<"$headers"; }
declare -A answers=()
once() { # QUESTION NAME: most names come many times
    [ -n "${answers[$1 $2]:-}" ] || { "$1" "$2" && answers[$1 $2]=yes || answers[$1 $2]=no; }
    [ "${answers[$1 $2]}" = yes ]
}

symbols=$(nm -D -C --defined-only "$library" | cut -d' ' -f3- | sort -u)
[ -n "$symbols" ] || complain "$library exports nothing"
while IFS= read -r symbol; do
    name=${symbol#typeinfo for }
    name=${name#typeinfo name for }
    name=${name#vtable for }
    name=${name%%[(<[]*}
    case $name in
        pktverbs::verbs::*) path=${name#pktverbs::verbs::} ;;
        pktverbs::async::*) path=${name#pktverbs::async::} ;;
        pktverbs::pcapng::*) path=${name#pktverbs::pcapng::} ;;
        pktverbs::soft::*) path=${name#pktverbs::soft::} ;;
        pktverbs::route::*) path=${name#pktverbs::route::} ;;
        pktverbs::messages::*) path=${name#pktverbs::messages::} ;;
        pktverbs::*) path=${name#pktverbs::} ;;
        *)
            complain "not pktverbs: $symbol"
            continue
            ;;
    esac
    while [[ $path == *::* ]]; do
        once is_public_class "${path%%::*}" || complain "a member of ${path%%::*}, which is not public: $symbol"
        path=${path#*::}
    done
    once is_named "${path#\~}" || complain "in no public header: $symbol"
done <<<"$symbols"
[ "$bad" -ne 0 ] || echo "$(wc -l <<<"$symbols") symbols, all public"
exit "$bad"
