#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# pipe_send, pipe_recv and bridge, each as a program of its own:
#   pipes.sh PIPE_SEND PIPE_RECV BRIDGE CASE
set -u
send=$1 recv=$2 bridge=$3 case=$4
folder=$(mktemp -d) || exit 1
children=
# shellcheck disable=SC2086 # several numbers
trap 'kill $children 2>/dev/null; rm -rf "$folder"' EXIT
near=pipe:pktverbs-test-$$-near far=pipe:pktverbs-test-$$-far

fail() {
    echo "$1"
    tail -n +1 "$folder"/*.err
    exit 1
}

# Another length than a multiple of a frame's.
dd if=/dev/urandom of="$folder/sent" bs=300001 count=10 2>/dev/null

case $case in
    TwoShells)
        "$recv" "$near" >"$folder/received" 2>"$folder/recv.err" & receiver=$!
        children=$receiver
        "$send" "$near" <"$folder/sent" 2>"$folder/send.err" || fail "pipe_send failed"
        wait "$receiver" || fail "pipe_recv failed"
        ;;
    ThroughABridge)
        "$recv" "$far" >"$folder/received" 2>"$folder/recv.err" & receiver=$!
        "$bridge" "$near" "$far" >"$folder/bridge.out" 2>"$folder/bridge.err" & joining=$!
        children="$receiver $joining"
        "$send" "$near" <"$folder/sent" 2>"$folder/send.err" || fail "pipe_send failed"
        wait "$receiver" || fail "pipe_recv failed"
        kill -INT "$joining"
        wait "$joining" || fail "bridge failed: $(cat "$folder/bridge.out")"
        grep -Eqx '[1-9][0-9]* frames there, 0 back, 0 lost' "$folder/bridge.out" || fail "$(cat "$folder/bridge.out")"
        grep -q 'without a copy' "$folder/bridge.err" || fail "bridge does not say how it forwards"
        ;;
    EndsBeforeItsEnd)
        mkfifo "$folder/fifo" || exit 1
        exec 3<>"$folder/fifo"  # so that it has no end
        "$recv" "$near" >"$folder/received" 2>"$folder/recv.err" & receiver=$!
        "$send" "$near" <"$folder/fifo" 2>"$folder/send.err" & sender=$!
        children="$receiver $sender"
        cat "$folder/sent" >&3
        while [ ! -s "$folder/received" ]; do sleep 0.1; done
        kill -KILL "$sender"
        wait "$receiver" && fail "pipe_recv does not notice that the sender was killed"
        grep -q 'the sender has left before the end' "$folder/recv.err" || fail "pipe_recv does not say why"
        exit 0
        ;;
    *)
        fail "no case $case"
        ;;
esac
cmp "$folder/sent" "$folder/received" || fail "the copy is another one"
