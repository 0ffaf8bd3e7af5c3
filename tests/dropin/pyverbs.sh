#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# pyverbs.sh RUN wire|packet: a conversation through rdma-core's Python bindings.
set -euo pipefail
# shellcheck source=tests/dropin/namespace.sh
source "${BASH_SOURCE[0]%/*}/namespace.sh"
/usr/bin/python3 -c 'import pyverbs.device' 2>/dev/null || skip "no pyverbs here; its Debian package is python3-pyverbs"

run=$1
if [ "$2" = wire ]; then
    devices=(--device in=wire:py --device out=wire:py)
else
    enter_namespace "$@"
    make_veth
    devices=(--device in=packet:dropin0 --device out=packet:dropin1)
fi
for mode in "" --preload; do
    timeout 60 "$run" "${devices[@]}" ${mode:+"$mode"} -- \
        /usr/bin/python3 "${BASH_SOURCE[0]%/*}/pyverbs_conversation.py" in out ||
        fail "exit status $? with ${mode:-by library path}"
done
