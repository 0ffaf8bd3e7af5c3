#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# pktgen to capture, between two network namespaces; tshark reads the file.
#   capture.sh CAPTURE PKTGEN CASE
set -euo pipefail
# shellcheck source=tests/dropin/namespace.sh
source "${BASH_SOURCE[0]%/*}/../dropin/namespace.sh"
needs tshark tshark
needs python3 python3
enter_namespace "$@"
capture=$1 pktgen=$2 case=$3

work=$(mktemp -d)
trap 'kill "${peer:-}" 2>/dev/null; rm -rf "$work"' EXIT
unshare --net sleep infinity &
peer=$!
until [ "$(readlink /proc/$peer/ns/net)" != "$(readlink /proc/$$/ns/net)" ]; do kill -0 $peer; done
make_veth /proc/$peer/ns/net
group=239.2.1.150
file=$work/file

# start_capture ARGUMENT...: on dropin1, until it is ready. Its descriptor 3 is what it prints.
start_capture() {
    printf '== capture %s\n' "$*"
    mkfifo "$work/said"
    "${at_peer[@]}" "$capture" packet:dropin1 "$@" >"$work/said" 2>"$work/errors" &
    capturing=$!
    exec 3<"$work/said"
    rm "$work/said"
    local line
    read -r line <&3 || fail "capture says nothing: $(cat "$work/errors")"
    [[ $line == "capturing on packet:dropin1"* ]] || fail "not ready: $line"
}
# end_capture STATUS[|STATUS]: waits for its end; what it said is in `said`, its summary is checked.
end_capture() {
    said=$(cat <&3)
    local status=0
    wait "$capturing" || status=$?
    printf '%s\n' "$said"
    cat "$work/errors"
    [[ "|$1|" == *"|$status|"* ]] || fail "capture's exit status is $status instead of $1"
    check_summary
}
send() {
    printf '== pktgen %s\n' "$*"
    local sent=0
    timeout 60 "$pktgen" packet:dropin0 "$@" || sent=$?
    [ $sent -eq 0 ] || [ $sent -eq 5 ] || fail "pktgen's exit status is $sent" # a busy machine may miss the rate
}
# number PATTERN: the number behind it in what capture said.
number() {
    [[ $said =~ $1\ ?([0-9]+) ]] || fail "nothing like '$1 NUMBER' in: $said"
    printf '%s' "${BASH_REMATCH[1]}"
}
check() { # WHAT IS EXPECTED
    [ "$2" = "$3" ] || fail "$1: $2 instead of $3"
}

# received = written + dropped, in the sum and where the numbers stand by themselves; bytes on disk are the file's.
check_summary() {
    local received written dropped
    received=$(number 'received:') written=$(number 'written:') dropped=$(number $'\ndrops')
    [[ $said == *$'\n'"sum: $received received = $written written + $dropped dropped"* ]] || fail "no such sum"
    check "written + dropped" $((written + dropped)) "$received"
    [[ $said =~ ([0-9]+)\ bytes\ on\ disk ]] || fail "no bytes on disk"
    check "bytes on disk" "${BASH_REMATCH[1]}" "$(stat -c %s "$file")"
}

# read_file PORT: time and payload of the packets to that port, as tshark says, or of all in a raw file.
read_file() {
    if [ "${format:-pcapng}" = raw ]; then
        "${BASH_SOURCE[0]%/*}/../examples/capture/read_raw.py" "$file" || fail "the raw file is wrong"
        return
    fi
    tshark -r "$file" -o udp.check_checksum:FALSE -Y "udp.dstport == $1" -T fields -e frame.time_epoch \
        -e udp.payload 2>"$work/tshark" || fail "tshark: $(cat "$work/tshark")"
    ! grep -q "cut short\|damaged" "$work/tshark" || fail "tshark: $(cat "$work/tshark")"
}
# check_sequence PORT COUNT: the numbers 0 to COUNT - 1 in this order, at times that don't decrease.
check_sequence() {
    local problem
    problem=$(read_file "$1" | awk -v count="$2" '
        substr($2, 1, 16) != sprintf("%016x", NR - 1) { print "line", NR, "has number", substr($2, 1, 16); exit }
        $1 < last { print "line", NR, "is from", $1, "after", last; exit }
        { last = $1 }
        END { if (NR != count) print NR, "packets instead of", count }')
    [ -z "$problem" ] || fail "port $1: $problem"
}
has_joined() { [[ $("${at_peer[@]}" ip maddress show dev dropin1) == *"inet  $group"* ]]; }

case $case in
    one_flow)
        start_capture --flow $ip1:7148 --sequence 0:8 --count 5000 --output "$file"
        send $ip1 --count 5000 --pps 10000 --size 200
        end_capture 0
        check written "$(number 'written:')" 5000
        check missing "$(number "$ip1:7148: 5000 packets, missing")" 0
        check_sequence 7148 5000
        ;;
    raw_blocks)
        format=raw
        start_capture --flow $ip1:7148 --sequence 0:8 --format raw --payload 200 --blocks 8 --block-slots 100 \
            --count 5000 --output "$file"
        send $ip1 --count 5000 --pps 10000 --size 200
        end_capture 0
        check written "$(number 'written:')" 5000
        check_sequence 7148 5000
        ;;
    large_packets)
        ip link set dropin0 mtu 9000
        "${at_peer[@]}" ip link set dropin1 mtu 9000
        start_capture --flow any:7148 --sequence 0:8 --count 500 --output "$file"
        send $ip1 --count 500 --pps 2000 --size 8192
        end_capture 0
        check_sequence 7148 500
        ;;
    two_flows)
        ! has_joined || fail "the group is joined already"
        start_capture --flow $ip1:7148 --flow $group:7149 --sequence 0:8:big --count 4000 --output "$file"
        has_joined || fail "the group isn't joined: $("${at_peer[@]}" ip maddress show dev dropin1)"
        send $ip1 --count 2000 --pps 10000 --size 100 &
        local_sender=$!
        send $group --port 7149 --count 2000 --pps 10000 --size 101
        wait $local_sender || fail "pktgen's exit status is $?"
        end_capture 0
        ! has_joined || fail "the group is still joined"
        check missing "$(number "$ip1:7148: 2000 packets, missing")" 0
        check missing "$(number "$group:7149: 2000 packets, missing")" 0
        check_sequence 7148 2000
        check_sequence 7149 2000
        ;;
    interrupted)
        start_capture --flow any:7148 --sequence 0:8 --output "$file"
        send $ip1 --count 1000 --pps 10000 --size 100
        # The kernel hands over the last packets within milliseconds; the line of the second says that they are there.
        count=0
        while [ $count -lt 1000 ]; do
            read -r line <&3 || fail "no line a second"
            printf '%s\n' "$line"
            [[ $line =~ s:\ ([0-9]+)\ packets ]] || fail "not a line of the second: $line"
            count=$((count + BASH_REMATCH[1]))
        done
        kill -INT "$capturing"
        end_capture 0
        check_sequence 7148 1000
        ;;
    flood)
        # Some may be lost, wherever; but not without being counted.
        for policy in drop wait overwrite; do
            start_capture --flow any:7148 --sequence 0:8 --policy $policy --blocks 4 --block-slots 16 --no-direct \
                --seconds 3 --output "$file"
            send $ip1 --count 30000 --size 500
            end_capture "0|4"
            check "received + lost before" $(($(number 'received:') + $(number $'\nlost before'))) 30000
            [[ $said =~ written:\ ([0-9]+).*7148:\ ([0-9]+)\ packets,\ missing\ ([0-9]+) ]] || fail "no flow"
            check "packets of the flow" "${BASH_REMATCH[2]}" "${BASH_REMATCH[1]}"
        done
        ;;
    fifo)
        mkfifo "$work/fifo"
        # Nobody reads it: an interrupt ends it all the same, and the sum is told.
        start_capture --flow any:7148 --sequence 0:8 --output "$work/fifo"
        send $ip1 --count 100 --pps 10000 --size 100
        kill -INT "$capturing"
        said=$(cat <&3)
        status=0
        wait "$capturing" || status=$?
        check "exit status" $status 1
        check written "$(number 'written:')" 0
        grep -q "^capture: cannot write $work/fifo, which has no reader" "$work/errors" || fail "no reason is given"
        # Somebody comes later.
        start_capture --flow any:7148 --sequence 0:8 --count 1000 --output "$work/fifo"
        send $ip1 --count 1000 --pps 10000 --size 100
        cat "$work/fifo" >"$file" &
        reader=$!
        said=$(cat <&3)
        wait "$capturing" || fail "capture's exit status is $?"
        wait $reader
        check written "$(number 'written:')" 1000
        check_sequence 7148 1000
        # Somebody who reads nothing.
        sleep infinity <"$work/fifo" &
        reader=$!
        start_capture --flow any:7148 --sequence 0:8 --output "$work/fifo"
        send $ip1 --count 3000 --pps 10000 --size 1000
        kill -TERM "$capturing"
        said=$(cat <&3)
        status=0
        wait "$capturing" || status=$?
        kill $reader
        check "exit status" $status 1
        check "the sum" $(($(number 'written:') + $(number $'\ndrops'))) "$(number 'received:')"
        grep -q "whose reader reads nothing" "$work/errors" || fail "no reason is given: $(cat "$work/errors")"
        ;;
    standard_output)
        "${at_peer[@]}" "$capture" packet:dropin1 --flow any:7148 --sequence 0:8 --count 1000 -o - 2>"$work/errors" |
            cat >"$file" &
        capturing=$!
        until grep -q '^capturing on' "$work/errors"; do kill -0 $capturing; done
        send $ip1 --count 1000 --pps 10000 --size 100
        wait $capturing
        cat "$work/errors"
        said=$(cat "$work/errors")
        check written "$(number 'written:')" 1000
        [[ $said == *"into standard output: in order"* ]] || fail "it says otherwise where it wrote"
        check_sequence 7148 1000
        ;;
    document)
        # What docs/capture.md tells to type, on interfaces of that name with the usual MTU; for a second instead of ten.
        document=${BASH_SOURCE[0]%/*}/../../docs/capture.md
        mapfile -t typed < <(sed -n 's/^    \(\(pktgen\|capture\) .*\)$/\1/p' "$document" | sed 's/--seconds 10 /--seconds 1 /')
        check "commands in the document" ${#typed[@]} 2
        ip link set dropin0 down
        ip link set dropin0 name eth0
        ip link set eth0 up
        "${at_peer[@]}" ip link set dropin1 down
        "${at_peer[@]}" ip link set dropin1 name eth0
        "${at_peer[@]}" ip link set eth0 up
        check MTU "$(cat /sys/class/net/eth0/mtu 2>/dev/null || echo 1500)" 1500
        cd "$work"
        printf '== %s\n' "${typed[@]}"
        PATH=${pktgen%/*}:$PATH bash -c "exec ${typed[0]}" >"$work/sent" 2>&1 &
        sending=$!
        status=0
        PATH=${capture%/*}:$PATH "${at_peer[@]}" bash -c "${typed[1]}" >"$work/said" || status=$?
        kill -INT $sending 2>/dev/null || fail "pktgen has ended: $(cat "$work/sent")"
        wait $sending || sent=$?
        cat "$work/sent" "$work/said"
        # In a busy machine packets may be lost and rates be missed; but not all.
        [[ "|0|5|" == *"|${sent:-0}|"* ]] || fail "pktgen's exit status is $sent"
        [[ "|0|4|" == *"|$status|"* ]] || fail "capture's exit status is $status"
        said=$(cat "$work/said")
        (($(number 'written:') > 100)) || fail "next to nothing was recorded"
        check packets "$(tshark -r file.pcapng 2>/dev/null | wc -l)" "$(number 'written:')"
        ;;
    full_disk)
        mkdir "$work/disk"
        mount -t tmpfs -o size=2m capture "$work/disk"
        trap 'kill "$peer" 2>/dev/null; umount "$work/disk"; rm -rf "$work"' EXIT
        file=$work/disk/file
        start_capture --flow any:7148 --sequence 0:8 --count 3000 --output "$file"
        send $ip1 --count 3000 --pps 10000 --size 1000
        end_capture 1
        grep -q "^capture: cannot write $file: No space left on device" "$work/errors" || fail "no reason is given"
        written=$(number 'written:')
        ((written > 0 && written < 3000)) || fail "the disk did not fill up"
        check drops "$(number '\(disk')" $(($(number 'received:') - written))
        check_sequence 7148 "$written"
        ;;
    *) fail "no such case: $case" ;;
esac
