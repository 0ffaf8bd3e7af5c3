#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# programs.sh RUN wire|packet PROGRAM MODE... [-- COMMAND...]: a program that knows nothing of this library sends and
# receives through it, once with each mode of pktverbs-run (library-path, preload); under COMMAND, if there is one.
set -euo pipefail
# shellcheck source=tests/dropin/namespace.sh
source "${BASH_SOURCE[0]%/*}/namespace.sh"

run=$1 link=$2 program=$3
case $link in
    wire)
        mac0=02:00:00:00:77:01 mac1=02:00:00:00:77:02 ip0=10.77.0.1 ip1=10.77.0.2
        devices=(--device "in=wire:test?mac=$mac0&ip=$ip0" --device "out=wire:test?mac=$mac1&ip=$ip1")
        names=(in out) interfaces=("$mac0" "$mac1")
        ;;
    packet)
        enter_namespace "$@"
        make_veth
        devices=(--device packet:dropin0 --device packet:dropin1)
        names=(packet_dropin0 packet_dropin1) interfaces=(dropin0 dropin1)
        ;;
esac
case ${program##*/} in
    find_by_gid) arguments=("${interfaces[@]}") ;;
    find_by_addr | load_by_name) arguments=("$ip0" "$ip1") ;;
    other_release) arguments=("${names[0]}") ;;
    *) arguments=("${names[@]}") ;;
esac
modes=() under=()
shift 3
while [ $# -gt 0 ]; do
    if [ "$1" = -- ]; then
        under=("${@:2}")
        break
    fi
    modes+=("$1")
    shift
done
[ ${#under[@]} -eq 0 ] || needs "${under[0]}" "${under[0]}"

for mode in "${modes[@]}"; do
    options=()
    [ "$mode" != preload ] || options=(--preload)
    printf '== %s\n' "$mode"
    timeout 100 "$run" "${devices[@]}" "${options[@]}" -- "${under[@]}" "$program" "${arguments[@]}" ||
        fail "exit status $? of ${program##*/}, $mode"
done
