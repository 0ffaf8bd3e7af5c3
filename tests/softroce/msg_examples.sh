#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The examples msg_send and msg_recv, from one RDMA device of the machine to the other, and from one network namespace to
# the other.
# msg_examples.sh FOLDER_OF_PROGRAMS
set -eu
cd "$1"
said=$(mktemp)
at_receiver=

# receive ARGUMENT...: in the background, once it listens.
receive() {
    : >"$said"
    $at_receiver ./msg_recv --once "$@" >"$said" &
    receiver=$!
    until grep -q '^listening' "$said"; do kill -0 $receiver && sleep 0.1; done
}
# expect PATTERN...: the receiver ends, and has said each of them.
expect() {
    wait $receiver
    cat "$said"
    for pattern in "$@"; do grep -Eq -e "$pattern" "$said" || { echo "it didn't say $pattern"; exit 1; }; done
}

receive
./msg_send 10.198.52.2 --count 3
expect '^listening at \[::\]:12345$' '^64 bytes: message 2$' '^received 3 messages$'

count=500
[ -z "${PKTVERBS_TEST_LONG:-}" ] || count=5000
receive fd52::2 --show 1 --max-size 9000
./msg_send '[fd52::2]:12345' --count "$count" --size 9000
expect '^9000 bytes: message 0$' "^received $count messages\$"

receive 10.198.52.2:777 --max-size 100
if ./msg_send 10.198.52.2:777 --size 101 2>"$said.error"; then exit 1; fi
cat "$said.error"
grep -q 'Message too long (the peer accepts at most 100 bytes)' "$said.error"
expect '^received 0 messages$'

at_receiver=$PKTVERBS_SOFTROCE_SIDE1
for peer in 10.198.53.2 '[fd53::2]:12345'; do
    receive
    $PKTVERBS_SOFTROCE_SIDE0 ./msg_send "$peer" --count 1000
    expect '^64 bytes: message 9$' '^received 1000 messages$'
done
