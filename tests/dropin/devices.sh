#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# devices.sh RUN: ibv_devices and ibv_devinfo, of Debian's ibverbs-utils, show the soft devices.
set -euo pipefail
# shellcheck source=tests/dropin/namespace.sh
source "${BASH_SOURCE[0]%/*}/namespace.sh"
needs ibv_devinfo ibverbs-utils

enter_namespace "$@"
run=$1
make_veth

said=
# see COMMAND...: what it says, which is also kept in `said`.
see() {
    printf '== %s\n' "$*"
    said=$(timeout 30 "$@" 2>&1) || fail "exit status $?: $said"
    printf '%s\n' "$said"
}
# expect EXTENDED_REGULAR_EXPRESSION...: a line of each.
expect() {
    local line
    for line in "$@"; do grep -Eq -e "$line" <<<"$said" || fail "no line of: $line"; done
}

for mode in "" --preload; do
    under=("$run" --device packet:dropin0 --device wire:a --device 'wire:a?mac=02:00:00:00:77:07&mtu=1500'
        --device nic=packet:dropin1 ${mode:+"$mode"} --)
    see "${under[@]}" ibv_devices
    # The node GUID is the modified EUI-64 of the MAC address.
    expect '^ +packet_dropin0\s+000000fffe007701$' '^ +wire_a\s+[0-9a-f]{16}$' '^ +wire_a_2\s+000000fffe007707$' \
        '^ +nic\s+000000fffe007702$'

    see "${under[@]}" ibv_devinfo -l
    expect '^4 HCAs found:$' '^\spacket_dropin0$' '^\swire_a$' '^\swire_a_2$' '^\snic$'

    see "${under[@]}" ibv_devinfo -v
    [ "$(grep -c '^hca_id:' <<<"$said")" -eq 4 ] || fail "not four devices"
    see "${under[@]}" ibv_devinfo -v -d packet_dropin0
    expect '^hca_id:\spacket_dropin0$' 'transport:\s+InfiniBand \(0\)' 'fw_ver:' 'node_guid:\s+0000:00ff:fe00:7701' \
        'sys_image_guid:\s+0000:00ff:fe00:7701' 'phys_port_cnt:\s+1$' 'max_qp:\s+[1-9]' 'max_raw_ethy_qp:\s+[1-9]' \
        'hca_core_clock:\s+1000000(kHZ)?$' 'port:\s1$' 'state:\s+PORT_ACTIVE \(4\)' 'active_mtu:\s+1024 \(3\)' \
        'link_layer:\s+Ethernet$' 'GID\[ +0\]:\s+fe80:0000:0000:0000:0000:00ff:fe00:7701, RoCE v1$' \
        'GID\[ +1\]:\s+fe80::ff:fe00:7701, RoCE v2$' 'GID\[ +2\]:\s+0000:0000:0000:0000:0000:ffff:0a4d:0001, RoCE v1$' \
        'GID\[ +3\]:\s+::ffff:10.77.0.1, RoCE v2$'
    see "${under[@]}" ibv_devinfo -v -d wire_a_2
    expect 'node_guid:\s+0000:00ff:fe00:7707$' 'state:\s+PORT_ACTIVE' 'GID\[ +1\]:\s+fe80::ff:fe00:7707, RoCE v2$'
done

ip link set dropin0 down
see "$run" --device packet:dropin0 -- ibv_devinfo
expect 'state:\s+PORT_DOWN \(1\)'

# Without the right to it, the program says only that it could not: the library says why, and what to do.
if setpriv --bounding-set -net_raw --inh-caps -net_raw true 2>/dev/null; then
    printf '== without CAP_NET_RAW\n'
    said=$(setpriv --bounding-set -net_raw --inh-caps -net_raw "$run" --device packet:dropin0 -- \
        ibv_devinfo -d packet_dropin0 2>&1) && fail "it opened: $said"
    printf '%s\n' "$said"
    expect '^pktverbs: cannot open packet_dropin0: CAP_NET_RAW is missing: '
fi
