#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# secure.sh RUN PROGRAM: a program with other privileges than its caller's gets no device and no fault from the caller,
# even if it is linked to our library. PROGRAM prints its devices, one a line.
set -euo pipefail
# shellcheck source=tests/dropin/namespace.sh
source "${BASH_SOURCE[0]%/*}/namespace.sh"
needs setpriv util-linux

program=$2
export PKTVERBS_DEVICES="wire:secret;smoke:unreadable" PKTVERBS_FAULTS="query_port=EIO;nonsense"
said=$("$program" 2>&1)
for words in AT_SECURE=0 wire_secret PKTVERBS_DEVICES PKTVERBS_FAULTS; do
    [[ $said == *"$words"* ]] || fail "not even an ordinary process says $words: $said"
done

# To run a program with a real user that is not the effective one is enough for the kernel (cap_bprm_creds_from_file() in
# security/commoncap.c), as it is for a setuid program.
{ [ "$EUID" -eq 0 ] && setpriv --ruid 65534 true 2>/dev/null; } || skip "needs root, and a second user id"
said=$(setpriv --ruid 65534 "$program" 2>&1)
[[ $said == *AT_SECURE=1* ]] || fail "the kernel gave it no other privileges: $said"
for words in wire_secret PKTVERBS_; do
    [[ $said != *"$words"* ]] || fail "its caller's environment counts, though it has other privileges: $said"
done
