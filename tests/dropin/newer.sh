#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# newer.sh RUN NEWER_VERSION NEWER_FUNCTION: a program linked with a newer libibverbs than the installed one ends with
# the loader's message, as without this library, and never by a signal.
set -euo pipefail
# shellcheck source=tests/dropin/namespace.sh
source "${BASH_SOURCE[0]%/*}/namespace.sh"

run=$1 newer_version=$2 newer_function=$3

# expect STATUS WORD COMMAND...
expect() {
    local said status=0
    said=$("${@:3}" 2>&1) || status=$?
    printf '%s\n' "$said"
    [ $status -eq "$1" ] || fail "exit status $status, not $1"
    [[ $said == *"$2"* ]] || fail "nothing of $2"
}

for mode in "" --preload; do
    under=("$run" --device wire:newer ${mode:+"$mode"} --)
    printf '== %s\n' "${mode:-by library path}"
    expect 1 IBVERBS_1.99 "${under[@]}" "$newer_version"
    expect 0 "" "${under[@]}" "$newer_function"
    expect 127 ibv_new_call "${under[@]}" "$newer_function" call
    expect 127 ibv_new_call env LD_BIND_NOW=1 "${under[@]}" "$newer_function"
done
