#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# pktgen to ring_recv, between two network namespaces; ring_read, another process, reads the blocks and is killed while
# it holds some; the next one gets these again.
#   ring.sh RING_RECV RING_READ PKTGEN
set -euo pipefail
# shellcheck source=tests/dropin/namespace.sh
source "${BASH_SOURCE[0]%/*}/../dropin/namespace.sh"
enter_namespace "$@"
ring_recv=$1 ring_read=$2 pktgen=$3
ring=/pktverbs-test-ring-$$

work=$(mktemp -d)
trap 'kill "${peer:-}" "${receiving:-}" "${reading:-}" 2>/dev/null; "$ring_read" --ring $ring --remove >/dev/null; rm -rf "$work"' EXIT
unshare --net sleep infinity &
peer=$!
until [ "$(readlink /proc/$peer/ns/net)" != "$(readlink /proc/$$/ns/net)" ]; do kill -0 $peer; done
make_veth /proc/$peer/ns/net

# until_says WHAT FILE: waits until a program has said it.
until_says() {
    for _ in $(seq 300); do
        ! grep -q "$1" "$2" || return 0
        sleep 0.1
    done
    fail "nothing like '$1' in: $(cat "$2")"
}

"${at_peer[@]}" "$ring_recv" packet:dropin1 --ring $ring --slots 100 --blocks 32 --payload 1000 >"$work/recv" 2>&1 &
receiving=$!
until_says . "$work/recv"
cat "$work/recv"

# The first reader dies with what it may hold.
"$ring_read" --ring $ring >"$work/first" 2>&1 &
reading=$!
timeout 60 "$pktgen" packet:dropin0 10.77.0.2 --count 1000 --pps 20000 --size 1000 || [ $? -eq 5 ] # slower on a busy machine
until_says '^block 9:' "$work/first"
kill -KILL $reading
wait $reading || true
timeout 60 "$pktgen" packet:dropin0 10.77.0.2 --count 1000 --pps 20000 --size 1000 || [ $? -eq 5 ] # slower on a busy machine
"$ring_read" --ring $ring >"$work/second" 2>&1 &
reading=$!
until_says '^block 19:' "$work/second"
kill -INT $receiving
status=0
wait $receiving || status=$?
[ $status -eq 4 ] || fail "ring_recv's exit status is $status instead of 4: packets were late"
wait $reading || fail "ring_read's exit status is $?"
for file in recv first second; do printf '== %s\n' $file && cat "$work/$file"; done

# The generator begins anew with 0: by the 64th late number that is clear, and the ones before are late.
for block in {0..19}; do
    grep -q "^block $block: .* missing 0\$" "$work/first" "$work/second" || fail "nobody got block $block"
done
grep -q '^finished$' "$work/second" || fail "the end was not told"
grep -q ', 0 missing, 0 not in their slots$' "$work/second" || fail "packets are missing or misplaced"
grep -q ' placed 1937 .* missing 0 late 63 restarts 1 .* consumer_deaths 1$' "$work/recv" || fail "ring_recv counts otherwise"
