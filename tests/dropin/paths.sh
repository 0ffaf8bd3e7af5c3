#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# paths.sh RUN pipe|memif [PROGRAM]: two programs of perftest, which know nothing of this library, one at each end of
# shared memory whose socket is a file, in a folder with a space; devices are found by their default names. With
# PROGRAM, that has both ends.
set -euo pipefail
# shellcheck source=tests/dropin/namespace.sh
source "${BASH_SOURCE[0]%/*}/namespace.sh"

run=$1 kind=$2
work=$(mktemp -d "${TMPDIR:-/tmp}/a folder.XXXXXX")
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
socket="$work/the socket"
ends=("$kind:$socket" "$kind:$socket")
[ "$kind" != memif ] || ends=("$kind:$socket?role=server" "$kind:$socket?reconnect=5ms")
name=${kind}_the_socket

if [ $# -gt 2 ]; then # both ends are in one process, of one name each
    timeout 100 "$run" --device "${ends[0]}" --device "${ends[1]}" -- "$3" "$name" "${name}_2" || fail "exit status $?"
    exit
fi

needs raw_ethernet_lat perftest
needs ibv_devices ibverbs-utils
# Different ones in different programs.
for end in 0 1; do
    address[end]=$(timeout 30 "$run" --device "${ends[end]}" -- ibv_devices |
        awk -v name="$name" '$1 == name { print $2 }')
    [[ ${address[end]} =~ ^[0-9a-f]{16}$ ]] || fail "no device $name: ${address[end]}"
done
[ "${address[0]}" != "${address[1]}" ] || fail "two programs have the same address ${address[0]}"

said=$(PKTVERBS_WAIT=soon timeout 30 "$run" --device "${ends[0]}" -- ibv_devices 2>&1 >/dev/null) || true
[[ $said == "pktverbs: PKTVERBS_WAIT: "*"whole number of seconds"* ]] || fail "no complaint: $said"

# with_mac DEVICE MAC
with_mac() { if [[ $1 == *\?* ]]; then echo "$1&mac=$2"; else echo "$1?mac=$2"; fi; }
iterations=300
lat=(raw_ethernet_lat --ib-dev "$name" --size 100 --iters "$iterations")
converse() {
    timeout 100 "$run" --device "$(with_mac "${ends[0]}" "$mac1")" --wait 60 -- \
        "${lat[@]}" --server --source_mac "$mac1" --dest_mac "$mac0" >"$work/server" 2>&1 &
    server=$!
    status=0
    timeout 100 "$run" --device "$(with_mac "${ends[1]}" "$mac0")" --wait 60 -- \
        "${lat[@]}" --client --source_mac "$mac0" --dest_mac "$mac1" >"$work/client" 2>&1 || status=$?
    wait $server || status=$?
    server=
}
# perftest prints no report if other processes had the processor while it measured its clock: then run it again.
for ((tries = 0; tries < 5; ++tries)); do
    converse
    grep -q 'Correlation coefficient' "$work/server" "$work/client" || break
done
cat "$work/server" "$work/client"
[ "$status" -eq 0 ] || fail "exit status $status"
for side in server client; do
    grep -Eq "^ *100 +$iterations " "$work/$side" || fail "no result of the $side"
done
