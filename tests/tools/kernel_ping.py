#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kernel_ping ADDRESS COUNT [BYTES]: ping(8), which machines for tests need not have, by the kernel's own stack."""
import socket
import struct
import sys


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def main():
    address, count, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 56
    ipv6 = ":" in address
    family, protocol = (socket.AF_INET6, socket.IPPROTO_ICMPV6) if ipv6 else (socket.AF_INET, socket.IPPROTO_ICMP)
    request, reply = (128, 129) if ipv6 else (8, 0)
    with socket.socket(family, socket.SOCK_RAW, protocol) as sock:
        sock.settimeout(30)
        for sequence in range(count):
            rest = struct.pack("!HH", 0x5056, sequence) + bytes(size)
            sent = struct.pack("!BBH", request, 0, 0) + rest
            if not ipv6:  # the kernel does it for ICMPv6
                sent = struct.pack("!BBH", request, 0, checksum(sent)) + rest
            sock.sendto(sent, (address, 0))
            while True:
                got = sock.recv(65535)
                if not ipv6:
                    got = got[4 * (got[0] & 15):]
                if got[0] == reply and got[4:] == rest:
                    break


if __name__ == "__main__":
    main()
