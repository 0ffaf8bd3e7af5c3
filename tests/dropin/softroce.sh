#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# softroce.sh RUN FIND_BY_NAME FIND_BY_ADDR: in the machine of scripts/softroce. The kernel's own RDMA devices work as before, beside
# soft ones.
set -euo pipefail
# shellcheck source=tests/dropin/namespace.sh
source "${BASH_SOURCE[0]%/*}/namespace.sh"
needs ibv_devinfo ibverbs-utils
needs rping rdmacm-utils

run=$1
count=100
[ -z "${PKTVERBS_TEST_LONG:-}" ] || count=500
for mode in "" --preload; do
    printf '== %s\n' "${mode:-by library path}"
    under=("$run" --device packet:veth0 --device wire:a ${mode:+"$mode"} --)
    said=$(timeout 30 "${under[@]}" ibv_devices)
    printf '%s\n' "$said"
    for device in rxe0 rxe1 packet_veth0 wire_a; do
        grep -Eq "^ +$device\s+[0-9a-f]{16}" <<<"$said" || fail "no $device"
    done
    said=$(timeout 30 "${under[@]}" ibv_devinfo -v)
    [ "$(grep -c '^hca_id:' <<<"$said")" -eq 4 ] || fail "not four devices: $said"
    [ "$(grep -c 'state:.*PORT_ACTIVE' <<<"$said")" -eq 4 ] || fail "not four active ports: $said"
    # What is said of a real device is the same as without us.
    diff <(ibv_devinfo -v -d rxe0) <("${under[@]}" ibv_devinfo -v -d rxe0) || fail "rxe0 looks different"

    for options in "" --events; do
        # Index 1 is the IPv4 address's: it needs no neighbour discovery.
        timeout 60 "${under[@]}" ibv_rc_pingpong -d rxe0 -g 1 -n "$count" $options >/dev/shm/server 2>&1 &
        server=$!
        for ((tries = 0; ; ++tries)); do
            ! timeout 60 "${under[@]}" ibv_rc_pingpong -d rxe1 -g 1 -n "$count" $options localhost \
                >/dev/shm/client 2>&1 || break
            if [ $tries -eq 20 ] || ! kill -0 $server; then
                fail "no conversation: $(cat /dev/shm/client /dev/shm/server)"
            fi
            sleep 0.3 # the server isn't there yet
        done
        wait $server || fail "exit status $? of the server: $(cat /dev/shm/server)"
        grep "^$count iters" /dev/shm/client /dev/shm/server
    done

    # The kernel's connection manager: real devices are still found and connected by it, soft ones by their addresses.
    timeout 60 "$run" --device packet:veth0 ${mode:+"$mode"} -- rping -s -a 10.198.52.2 -C 3 >/dev/shm/server 2>&1 &
    server=$!
    for ((tries = 0; ; ++tries)); do
        ! timeout 60 "$run" --device packet:veth0 ${mode:+"$mode"} -- rping -c -v -a 10.198.52.2 -C 3 \
            >/dev/shm/client 2>&1 || break
        if [ $tries -eq 20 ] || ! kill -0 $server; then
            fail "no rping: $(cat /dev/shm/client /dev/shm/server)"
        fi
        sleep 0.3
    done
    [ "$(grep -c '^ping data: rdma-ping-' /dev/shm/client)" -eq 3 ] || fail "not three pings: $(cat /dev/shm/client)"
    timeout 60 "$run" --device packet:veth0 --device packet:veth1 ${mode:+"$mode"} -- "$3" 10.198.52.1 10.198.52.2
done

# A raw conversation between a soft device and another one, while the kernel's device is on the same interface.
timeout 60 "$run" --device packet:veth0 --device packet:veth1 -- "$2" packet_veth0 packet_veth1
