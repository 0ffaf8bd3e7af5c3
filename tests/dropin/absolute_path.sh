#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# absolute_path.sh RUN LOAD_BY_NAME: a program that loads libibverbs and librdmacm by the absolute path of our libraries
# finds soft devices with only PKTVERBS_DEVICES in its environment.
set -euo pipefail
# shellcheck source=tests/dropin/namespace.sh
source "${BASH_SOURCE[0]%/*}/namespace.sh"

run=$1 program=$2
unset LD_LIBRARY_PATH PKTVERBS_DEVICES
# shellcheck disable=SC2016 # for the shell under RUN
variables=$("$run" --device "wire:test?mac=$mac0&ip=$ip0" --device "wire:test?mac=$mac1&ip=$ip1" -- \
    "$BASH" -c 'printf "%s\n%s\n" "${LD_LIBRARY_PATH%%:*}" "$PKTVERBS_DEVICES"')
{ read -r folder && read -r devices; } <<<"$variables"
[ -e "$folder/libibverbs.so.1" ] || fail "no libibverbs.so.1 in $folder"
PKTVERBS_DEVICES=$devices timeout 30 "$program" "$ip0" "$ip1" "$folder" || fail "exit status $?"
