# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Functions that these tests share: sourced, not run. Networks are namespaces of the one process and end with it.

skip() {
    printf 'NOT TESTED: %s\n' "$*" >&2
    exit 77
}
fail() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

# needs COMMAND DEBIAN_PACKAGE
needs() { command -v "$1" >/dev/null || skip "no $1 here; its Debian package is $2"; }

# enter_namespace ARGUMENT...: from here on the script runs in a network namespace of its own, as root of a user
# namespace if it has to.
enter_namespace() {
    [ -z "${DROPIN_IN_NAMESPACE:-}" ] || return 0
    needs ip iproute2
    local flags=(--net --mount)
    if [ "$EUID" -ne 0 ] || ! unshare "${flags[@]}" true 2>/dev/null; then flags+=(--user --map-root-user); fi
    local why_not
    why_not=$(unshare "${flags[@]}" ip link add probe0 type veth peer name probe1 2>&1) ||
        skip "needs root or an unprivileged user namespace, and veth: $why_not"
    DROPIN_IN_NAMESPACE=1 exec unshare "${flags[@]}" "$BASH" "$0" "$@"
}

# make_veth [NAMESPACE]: dropin0 here and dropin1 here or there, up, with addresses, without any traffic of their own.
# shellcheck disable=SC2034 # used by name
mac0=02:00:00:00:77:01 mac1=02:00:00:00:77:02
# shellcheck disable=SC2034
ip0=10.77.0.1 ip1=10.77.0.2
make_veth() {
    mount -t sysfs sysfs /sys 2>/dev/null || true # not everywhere allowed, nor needed
    at_peer=()
    local peer_options=()
    if [ $# -gt 0 ]; then
        at_peer=(nsenter --net="$1")
        peer_options=(netns "$1")
    fi
    ip link add dropin0 address $mac0 type veth peer name dropin1 address $mac1 "${peer_options[@]}"
    local index side=() address
    for index in 0 1; do
        [ $index -eq 0 ] || side=("${at_peer[@]}")
        address=ip$index
        "${side[@]}" ip link set lo up
        "${side[@]}" ip link set dropin$index addrgenmode none
        "${side[@]}" ip address add "${!address}/24" dev dropin$index
        "${side[@]}" ip link set dropin$index up
    done
    local tries
    for ((tries = 0; tries < 1000; ++tries)); do
        [[ $(ip link show dropin0) == *"state UP"* ]] || continue
        [[ $("${at_peer[@]}" ip link show dropin1) != *"state UP"* ]] || return 0
    done
    fail "the veth pair did not come up"
}
