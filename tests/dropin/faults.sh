#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# faults.sh RUN PROGRAM: a program that knows nothing of --faults gets the requested faults, and ends by its own error
# path, never by a signal.
set -euo pipefail
# shellcheck source=tests/dropin/namespace.sh
source "${BASH_SOURCE[0]%/*}/namespace.sh"

run=$1 program=$2 patience=60

# expect STATUS WORDS FAULTS [OPTION...]
expect() {
    local said status=0
    said=$(timeout $patience "$run" --device in=wire:test --device out=wire:test --faults "$3" "${@:4}" -- \
        "$program" in out 2>&1) || status=$?
    printf '%s: exit status %s: %s\n' "$3" $status "$said"
    [ $status -eq "$1" ] || fail "not $1"
    [[ $said == *"$2"* ]] || fail "nothing of '$2'"
}

expect 0 "two times" "seed=1"
expect 0 "two times" "create_srq=ENOMEM"

for verb in open_device query_device query_port alloc_pd reg_mr create_cq create_qp modify_qp create_flow post_recv \
    post_send; do
    expect 1 "Cannot allocate memory" "$verb=ENOMEM@1"
done
for verb in destroy_flow destroy_qp destroy_cq dereg_mr dealloc_pd close_device; do
    expect 1 "Device or resource busy" "$verb=EBUSY@1"
done
expect 1 "Invalid argument" "modify_qp=EINVAL@3"
expect 1 "Cannot allocate memory" "create_qp=ENOMEM@2" --preload
expect 1 "No buffer space available" "post_recv=ENOBUFS@70"
expect 1 "Input/output error" "poll_cq=EIO@10+"

expect 1 "or other bytes" "corrupt=1"
expect 1 "frame_bytes is" "duplicate=1"
patience=3 # it would wait for a minute
expect 124 "" "loss=1"
patience=60
expect 1 "frame_bytes is" "loss=0.01,seed=7"

# Whoever looks for faults must not take their absence for a success.
expect 1 "PKTVERBS_FAULTS" "create_qp=ENOSUCH"
expect 1 "Invalid argument" "loss=2"
