#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run.sh RUN: how pktverbs-run handles its arguments, under every shell that may be sh.
set -euo pipefail
# shellcheck source=tests/dropin/namespace.sh
source "${BASH_SOURCE[0]%/*}/namespace.sh"

run=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Prints its arguments and environment, between brackets.
cat >"$work/-c" <<'END'
#!/bin/sh
printf '[%s]' "$PKTVERBS_DEVICES" "$@"
END
chmod +x "$work/-c"
cp "$work/-c" "$work/-c=x"
cp "$work/-c" "$work/show"

# expect WORDS COMMAND...
expect() {
    local said
    said=$("${@:2}" 2>&1) || true
    [ "$said" = "$1" ] || fail "'$said' instead of '$1', of ${*:2}"
}

difficult="wire:it's a \"wire\" \$HOME \`x\` \\"$'\nof two lines\n'
shells=(sh)
for shell in dash "bash --posix" "busybox sh" ksh mksh; do
    if command -v "${shell%% *}" >/dev/null; then shells+=("$shell"); fi
done
for shell in "${shells[@]}"; do
    printf '== %s\n' "$shell"
    # shellcheck disable=SC2206
    under=(env "PATH=$work:$PATH" $shell "$run")
    expect "[wire:a][a b][-d]" "${under[@]}" --device wire:a -- show "a b" -d
    # A program's name is never taken for an option of the shell's.
    expect "[wire:a][x][-d]" "${under[@]}" --device wire:a -- -c x -d
    expect 'pktverbs-run: env(1) would take -c=x for a variable: name the program by its path, as ./-c=x' \
        "${under[@]}" --device wire:a -- -c=x
    expect 'pktverbs-run: --wait needs a value' "${under[@]}" --wait
    [[ $("${under[@]}" --wait=7 --print) == *"export PKTVERBS_WAIT='7'"* ]] || fail "--wait is not printed"
    expect "[wire:a]" "${under[@]}" --device wire:a "$work/-c=x"

    # What is printed is one command for each variable, whatever is in it.
    printed=$("${under[@]}" --device wire:a --device "$difficult" --faults 'loss=0.5;post_send=EIO' --preload --print)
    # shellcheck disable=SC2016
    said=$(env -u PKTVERBS_DEVICES $shell -c 'eval "$1"; env -0' sh "$printed" | tr '\0' '\1')
    [[ $said == *$'\1'"PKTVERBS_DEVICES=wire:a;$difficult"$'\1'* ]] || fail "$printed"
    [[ $said == *$'\1'"PKTVERBS_FAULTS=loss=0.5;post_send=EIO"$'\1'* ]] || fail "$printed"
    [[ $said == *$'\1'"LD_PRELOAD=/"*libpktverbs-verbs.so* ]] || fail "$printed"
done
