#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# perftest.sh RUN MODE: the raw Ethernet programs of Debian's perftest, one end in each of two network namespaces. Their
# reports must agree with the kernel's counters at both ends of the veth pair between them: as many frames as
# iterations, in one direction or both, each four bytes (the FCS) shorter than the requested size.
set -euo pipefail
# shellcheck source=tests/dropin/namespace.sh
source "${BASH_SOURCE[0]%/*}/namespace.sh"
needs raw_ethernet_bw perftest
needs tcpdump tcpdump

# perftest fits the processor's clock to the time of day, and prints no report if other processes had the processor
# meanwhile (sample_get_cpu_mhz() in its src/get_clock.c): then run it again.
unmeasured=75
if [ -z "${DROPIN_IN_NAMESPACE:-}" ]; then
    for ((tries = 0; tries < 5; ++tries)); do
        status=0
        (enter_namespace "$@") || status=$?
        [ $status -eq $unmeasured ] || exit $status
    done
    fail "perftest could not measure the processor's clock, five times"
fi
run=$1 mode=$2
work=$(mktemp -d)
trap 'kill "$peer" 2>/dev/null; rm -rf "$work"' EXIT
unshare --net sleep infinity &
peer=$!
until [ "$(readlink /proc/$peer/ns/net)" != "$(readlink /proc/$$/ns/net)" ]; do kill -0 $peer; done
make_veth /proc/$peer/ns/net

# Frames that the kernel looks at are nobody's: no answers of its own to count.
ips=(--dest_ip 10.88.0.2 --source_ip 10.88.0.1) ports=(--dest_port 7000 --source_port 7001)
program=raw_ethernet_bw size=1000 iterations=1000 queues=1 back=0 capture=
options=()
case $mode in
    default) ;;
    small) size=64 ;;
    mtu) size=1518 ;;
    udp) options=("${ips[@]}" "${ports[@]}") capture='udp src port 7001 and dst port 7000' ;;
    tcp) options=("${ips[@]}" "${ports[@]}" --tcp) capture='tcp src port 7001 and dst port 7000' ;;
    ipv6)
        options=(--raw_ipv6 --dest_ip fd88::2 --source_ip fd88::1 "${ports[@]}")
        capture='ip6 and udp src port 7001 and dst port 7000'
        ;;
    flows) options=("${ips[@]}" "${ports[@]}" --flows 4 --flows_burst 2) capture='udp dst portrange 7000-7003' ;;
    ethertype) options=(--ethertype 0x88b5) capture='ether proto 0x88b5' ;;
    vlan) options=(--vlan_en --vlan_pcp 3) capture='vlan 1' ;;
    queues) queues=4 options=(--qp 4) ;;
    lists) options=(--post_list 10) ;;
    inline) size=100 options=(--inline_size 128) ;;
    promiscuous) options=(--promiscuous) ;;
    sniffer) options=(--sniffer) ;;
    bidirectional) back=1 options=(--bidirectional) ;;
    duration) iterations=0 options=(--duration 2) ;;
    latency) program=raw_ethernet_lat size=100 iterations=300 back=1 ;;
    latency_udp) program=raw_ethernet_lat size=100 iterations=300 back=1 options=("${ips[@]}" "${ports[@]}") ;;
    flow_rate) program=raw_ethernet_fs_rate ;;
    *) fail "no mode $mode" ;;
esac
options+=(--size "$size")
# All receives are posted in the beginning, so that no frame finds none on a busy machine.
[ $iterations -eq 0 ] || options+=(--iters "$iterations")
[ $program != raw_ethernet_bw ] || options+=(--rx-depth 4096)

tell() {
    for file in server client; do
        printf '== %s\n' $file
        cat "$work/$file" 2>/dev/null || true
    done
    if grep -q 'Correlation coefficient' "$work/server" "$work/client" 2>/dev/null; then exit $unmeasured; fi
    fail "$*"
}
statistics() { # 0|1 rx|tx packets|bytes
    local at=()
    [ "$1" -eq 0 ] || at=(nsenter "--net=/proc/$peer/ns/net")
    "${at[@]}" ip -s link show "dropin$1" | grep -A 1 "${2^^}:" | tail -n 1 |
        awk -v column="$([ "$3" = bytes ] && echo 1 || echo 2)" '{ print $column }'
}
start_server() {
    # It says nothing when it is ready, but then it polls: it has used time.
    # shellcheck disable=SC2016
    timeout 90 bash -c 'echo $$ >"$0"; exec "$@"' "$work/pid" nsenter --net=/proc/$peer/ns/net \
        "$run" --device packet:dropin1 -- "$program" --server --source_mac "$mac1" --dest_mac "$mac0" "${options[@]}" \
        >"$work/server" 2>&1 &
    server=$!
    until [ -s "$work/pid" ]; do kill -0 $server; done
    local pid ticks=0
    pid=$(<"$work/pid")
    while [ "$ticks" -lt 30 ]; do
        kill -0 $server 2>/dev/null || tell "the server has ended"
        ticks=$(awk '{ print $14 + $15 }' "/proc/$pid/stat" 2>/dev/null) || tell "the server has ended"
    done
}

if [ "$mode" = flow_rate ]; then
    timeout 90 "$run" --device packet:dropin0 -- $program --server --source_mac "$mac0" --dest_mac "$mac1" \
        "${ips[@]}" "${ports[@]}" --iters $iterations >"$work/server" 2>&1 || tell "exit status $?"
    tail -n 4 "$work/server"
    grep -Eq "^$iterations\s" "$work/server" || tell "no rate of $iterations flows"
    exit
fi

tcpdump=
if [ -n "$capture" ]; then
    nsenter "--net=/proc/$peer/ns/net" timeout 90 tcpdump -c $iterations -nei dropin1 "$capture" \
        >"$work/captured" 2>"$work/tcpdump" &
    tcpdump=$!
    until grep -q '^listening' "$work/tcpdump"; do kill -0 $tcpdump; done
fi
start_server
timeout 90 "$run" --device packet:dropin0 -- \
    "$program" --client --source_mac "$mac0" --dest_mac "$mac1" "${options[@]}" >"$work/client" 2>&1 ||
    tell "exit status $? of the client"
wait $server || tell "exit status $? of the server"
[ -z "$tcpdump" ] || wait $tcpdump || tell "not $iterations frames of '$capture': $(<"$work/tcpdump")"
[ "$mode" != vlan ] || [ "$(grep -c 'vlan 1, p 3,' "$work/captured")" -eq $iterations ] || tell "not all of priority 3"

# The line of results begins with the size and the iterations of all queue pairs together.
for side in client server; do
    said=$(awk -v size=$size '$1 == size && $2 ~ /^[0-9]+$/ { print $2 }' "$work/$side")
    [ -n "$said" ] || tell "the $side says no result"
    printf '%s: %s iterations\n' $side "$said"
    if [ $iterations -eq 0 ]; then
        # It counts the middle of its time only.
        frames=$(statistics 1 rx packets)
        if [ "$said" -eq 0 ] || [ "$said" -gt "$frames" ]; then tell "$said iterations of $frames frames"; fi
    elif [ "$said" -ne $((iterations * queues)) ]; then
        tell "$said iterations"
    fi
done
for end in "0 tx" "1 rx" "1 tx" "0 rx"; do
    # shellcheck disable=SC2086
    packets=$(statistics $end packets) bytes=$(statistics $end bytes)
    printf 'dropin%s: %s frames, %s bytes\n' "$end" "$packets" "$bytes"
    expected=$((iterations * queues))
    case $end in "1 tx" | "0 rx") expected=$((expected * back)) ;; esac
    [ $iterations -eq 0 ] || [ "$packets" -eq $expected ] || tell "not $expected frames"
    [ "$bytes" -eq $((packets * (size - 4))) ] || tell "not $((size - 4)) bytes a frame"
done
