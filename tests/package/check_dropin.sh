#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Checks that a drop-in library exports the functions of the library behind it, each with its version there, and leaves
# out only those that work without a device's objects. check_dropin.sh LIBRARY SYSTEM_LIBRARY [LEFT_OUT_REGEX]
set -euo pipefail
library=$1 system=$2 left_out=${3:-}
bad=0
complain() {
    echo "$*"
    bad=1
}

# functions LIBRARY: "NAME@@VERSION" of all that it exports.
functions() { readelf --wide --dyn-syms "$1" | awk '$4 == "FUNC" && $7 != "UND" && $8 ~ /@@/ {print $8}' | sort -u; }
# versions LIBRARY: the version nodes that it defines.
versions() { readelf --wide --version-info "$1" | grep -oE 'Name: (IBVERBS|RDMACM)_[A-Z0-9_.]+$' | sort -u; }

ours=$(functions "$library")
theirs=$(functions "$system")
[ -n "$ours" ] && [ -n "$theirs" ] || complain "nothing is exported"
while read -r symbol; do
    case $symbol in *@@PKTVERBS_PRIVATE) continue ;; esac
    grep -qxF "$symbol" <<<"$theirs" || complain "the system's library has no $symbol"
done <<<"$ours"
while read -r symbol; do
    name=${symbol%%@*}
    grep -qE "^$name@@" <<<"$ours" || [[ $name =~ ^($left_out)$ ]] ||
        complain "not exported, and not known to be without objects: $symbol"
done <<<"$theirs"
while read -r version; do
    grep -qxF "$version" <<<"$(versions "$library")" || complain "no program that wants this can start: $version"
done < <(versions "$system")

[ "$bad" -ne 0 ] || echo "$(wc -l <<<"$ours") functions"
exit "$bad"
