#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Checks that scripts/bench lists its rows and refuses others, without measuring anything.
# rows.sh SOURCE_TREE
set -euo pipefail
listed=$("$1/scripts/bench" --list)
for row in wire64 context64 pipe8192 packet64 super_frames64 messages growth_batch; do
    grep -q "^$row .*[a-z]" <<<"$listed" || {
        printf 'no %s in:\n%s\n' "$row" "$listed" >&2
        exit 1
    }
done
grep -q '^Undisturbed, all take about [12][0-9] minutes, and with --quick [1-9]\.$' <<<"$listed" || {
    printf 'no estimate, or too long, in:\n%s\n' "$listed" >&2
    exit 1
}
status=0
output=$("$1/scripts/bench" --list 2>&1 >/dev/full) || status=$?
if [ $status -ne 1 ] || [ "$output" != 'scripts/bench: [Errno 28] No space left on device' ]; then
    printf 'exit status %s with a full disk:\n%s\n' $status "$output" >&2
    exit 1
fi
status=0
output=$("$1/scripts/bench" wire64 wire63 2>&1) || status=$?
if [ $status -ne 2 ] || ! grep -q 'no row wire63; there are: wire64 ' <<<"$output"; then
    printf 'exit status %s:\n%s\n' $status "$output" >&2
    exit 1
fi
