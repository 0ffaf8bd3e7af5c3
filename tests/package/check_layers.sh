#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Checks that no include points up: Context, then verbs, then the soft device; messages, routes and the drop-in library
# stand beside Context, headers of packets below all. See docs/architecture.md.
# check_layers.sh SOURCE_TREE
set -euo pipefail
cd "$1"
bad=0

# includes PATH...: "FILE:LINE:HEADER" for every include there.
includes() {
    grep -rnE '^[[:space:]]*#[[:space:]]*include' "$@" | sed -E 's/^([^:]*:[0-9]*):[^<"]*[<"]([^>"]*).*/\1:\2/'
}
# refuse RULE PATTERN PATH...: no include of a header that matches PATTERN, from anywhere in PATH.
refuse() {
    local rule=$1 pattern=$2
    shift 2
    if includes "$@" | grep -E ":[0-9]+:($pattern)\$"; then
        echo "^ $rule"
        bad=1
    fi
}

context_layer='(pktverbs/)?(check|counters|async/(recv|send)|asio/.*|ring/.*|context|core|device_clock|pacer|queue|rate_limit|(recv|send)_(list|pkt)|flow|flow_(rule|spec|registry)|multicast_groups|options|stats|pktverbs|find_device)\.hpp'
soft_device='(.*/)?soft/.*'

refuse "the soft device knows verbs, not Context" "$context_layer" src/soft include/pktverbs/soft
if includes src/soft include/pktverbs/soft | grep '\.hpp$' | grep -vE ':[0-9]+:(soft|base|pktverbs|.*/pktverbs)/' |
    grep -E ':[0-9]+:[a-z_/]+\.hpp$'; then
    echo "^ the soft device includes only soft/, base/ and public headers"
    bad=1
fi
refuse "the verbs layer knows nothing above it" "$context_layer" src/verbs include/pktverbs/verbs
mapfile -t above < <(find src include \( -path src/soft -o -path include/pktverbs/soft -o -path src/dropin \) -prune -o \
    -name '*.[ch]pp' ! -path src/find_device.cpp -print)
refuse "only the parser of device strings and the drop-in library know the soft device" "$soft_device" "${above[@]}"
if [ -d src/dropin ]; then
    refuse "the drop-in library knows verbs and the soft device, not Context" "$context_layer" src/dropin
fi
mapfile -t below < <(find src include -path src/dropin -prune -o -name '*.[ch]pp' -print)
refuse "nothing else knows the drop-in library" '(.*/)?dropin/.*' "${below[@]}"
if [ -d src/messages ]; then
    refuse "messages know verbs, not Context" "$context_layer" src/messages include/pktverbs/messages
fi
if [ -d src/route ]; then
    refuse "routes know verbs' errors, not Context" "$context_layer" src/route include/pktverbs/route
fi
refuse "headers of packets know addresses, and nothing else" "$context_layer|(pktverbs/)?verbs/.*" include/pktverbs/net
mapfile -t others < <(find src include \( -path src/messages -o -path include/pktverbs/messages \) -prune -o \
    -name '*.[ch]pp' -print)
refuse "nothing else knows messages" '(.*/)?messages/.*' "${others[@]}"
mapfile -t others < <(find src include \( -path src/route -o -path include/pktverbs/route \) -prune -o \
    -name '*.[ch]pp' -print)
refuse "nothing else knows routes" '(.*/)?route/.*' "${others[@]}"

# A public header includes public headers, by their full name, and other libraries'.
while IFS=: read -r file line header; do
    if [[ $header == pktverbs/* ]]; then
        [ -e "include/$header" ] && continue
    elif [ ! -e "src/$header" ] && [ ! -e "include/pktverbs/$header" ] && [ ! -e "${file%/*}/$header" ]; then
        continue
    fi
    echo "$file:$line:$header"
    echo "^ a public header includes only <pktverbs/...> headers that are installed"
    bad=1
done < <(includes include)

[ "$bad" -ne 0 ] || echo "no include points up"
exit "$bad"
