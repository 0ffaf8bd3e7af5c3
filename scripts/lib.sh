# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Functions that the scripts share: sourced, not run.

root=$(realpath "${BASH_SOURCE[0]%/*}/..")

say() { printf '== %s\n' "$*"; }
fail() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# Without dpkg: looks for the command or header that a Debian package is needed for.
probe() {
    local header
    case $1 in
        ninja-build) command -v ninja ;;
        clang) command -v clang++ ;;
        llvm) command -v llvm-symbolizer ;;
        lld) command -v ld.lld ;;
        libclang-rt-dev) true ;;
        iproute2) command -v ip && command -v rdma ;;
        qemu-system-x86) command -v qemu-system-x86_64 ;;
        busybox-static) command -v busybox && ! ldd "$(command -v busybox)" ;;
        kmod) command -v modprobe ;;
        ibverbs-providers) [ -e /etc/libibverbs.d/rxe.driver ] ;;
        ibverbs-utils) command -v ibv_devinfo ;;
        perftest) command -v raw_ethernet_bw ;;
        python3-pyverbs) /usr/bin/python3 -c 'import pyverbs.device' ;;
        python3-prometheus-client) /usr/bin/python3 -c 'import prometheus_client.openmetrics.parser' ;;
        libibverbs-dev) header=infiniband/verbs.h ;;
        librdmacm-dev) header=rdma/rdma_cma.h ;;
        libnl-route-3-dev) header=libnl3/netlink/route/route.h ;;
        libxdp-dev) header=xdp/xsk.h ;;
        libbpf-dev) header=bpf/bpf.h ;;
        libasio-dev) header=asio.hpp ;;
        libpcap-dev) header=pcap/pcap.h ;;
        liburing-dev) header=liburing.h ;;
        libfmt-dev) header=fmt/core.h ;;
        libcli11-dev) header=CLI/CLI.hpp ;;
        libgtest-dev) header=gtest/gtest.h ;;
        libbenchmark-dev) header=benchmark/benchmark.h ;;
        *) command -v "$1" ;;
    esac >/dev/null 2>&1 || return
    [ -z "${header:-}" ] || [ -e "/usr/include/$header" ] || [ -e "/usr/local/include/$header" ]
}

is_installed() {
    if command -v dpkg-query >/dev/null; then
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
    else
        probe "$1"
    fi
}

# Compiles through ccache, if it is installed. In depend mode ccache reads the compiler's list of includes instead of
# preprocessing every file first, which would slow down a first build. Precompiled headers need the sloppiness.
use_ccache() {
    command -v ccache >/dev/null || return 0
    export CMAKE_CXX_COMPILER_LAUNCHER=ccache
    export CCACHE_DEPEND=${CCACHE_DEPEND-1} CCACHE_SLOPPINESS=${CCACHE_SLOPPINESS-pch_defines,time_macros}
}

# apt_as_root ARGUMENT...: apt-get, without questions.
apt_as_root() {
    local as_root=()
    command -v apt-get >/dev/null || fail "there is no apt-get here: only Debian and its relatives have it"
    if [ "$EUID" -ne 0 ]; then
        # Without a terminal, no password can be typed.
        if [ -t 0 ]; then as_root=(sudo); else as_root=(sudo -n); fi
        "${as_root[@]}" true || fail "only root can do that: apt-get $*"
    fi
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y -o DPkg::Lock::Timeout=300 "$@" </dev/null
}

# need_packages DEBIAN_PACKAGE...: installs the missing ones, or fails and names them.
need_packages() {
    local missing=() package
    for package in "$@"; do
        is_installed "$package" || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0

    command -v apt-get >/dev/null || fail "missing (by their Debian names): ${missing[*]}"
    say "installing ${missing[*]}"
    # A new machine has no package lists, an old one lists packages that no longer exist.
    apt-get --simulate install "${missing[@]}" >/dev/null 2>&1 || apt_as_root update
    apt_as_root install --no-install-recommends "${missing[@]}" ||
        { apt_as_root update && apt_as_root install --no-install-recommends "${missing[@]}"; } ||
        fail "cannot install ${missing[*]}"
}
