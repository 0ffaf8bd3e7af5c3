#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# check_layers_finds.sh SOURCE_TREE WORK_FOLDER: plants the faults that check_layers.py must find into a copy, one by
# one.
set -euo pipefail
source=$1 work=$2
check="$source/tests/package/check_layers.py"
rm -rf "$work"
mkdir -p "$work/include"
cp -r "$source/src" "$work/src"
cp -r "$source/include/pktverbs" "$work/include/pktverbs"
"$check" "$work"

refuses() { # WORDS FILE LINE
    local before=''
    [ ! -e "$work/$2" ] || before=$(<"$work/$2")
    mkdir -p "$work/${2%/*}"
    printf '%s\n' "$3" >>"$work/$2"
    if said=$("$check" "$work"); then
        echo "FAILED: '$3' in $2 was not found" && exit 1
    fi
    grep -qF "$1" <<<"$said" || { echo "FAILED: no '$1' in: $said" && exit 1; }
    [ -n "$before" ] && printf '%s\n' "$before" >"$work/$2" || rm "$work/$2"
}
refuses "verbs may not include context" src/verbs/gid.cpp '#include "context/queue_state.hpp"'
refuses "verbs may not include memory" include/pktverbs/verbs/device.hpp '#include <pktverbs/memory/region.hpp>'
refuses "memory may not include context" src/memory/region_table.cpp '#  include "context/core.hpp"'
refuses "packet may not include context" include/pktverbs/recv_pkt.hpp '#include <pktverbs/context.hpp>'
refuses "soft/steering may not include soft/nic" src/soft/steering/flow_table.hpp '#include "soft/nic/nic.hpp"'
refuses "messages may not include context" src/messages/pool.cpp '#include <pktverbs/context.hpp>'
refuses "ring may not include time" src/ring/landing.hpp '#include <pktverbs/time/pacer.hpp>'
refuses "context may not include dropin" src/context/core.cpp '#include "dropin/process.hpp"'
refuses "in no room" src/flat.cpp '// nothing'
refuses "in no room" src/cellar/thing.cpp '// nothing'
refuses "in no room" include/pktverbs/attic/thing.hpp '// nothing'
refuses "in no room" include/pktverbs/flat.hpp '// nothing'
refuses "no such public header" src/verbs/gid.cpp '#include <pktverbs/nothing.hpp>'
refuses "not there" src/verbs/gid.cpp '#include "gid.hpp"'
refuses "only <pktverbs/...>" include/pktverbs/flow.hpp '#include "base/join.hpp"'
echo "all found"
