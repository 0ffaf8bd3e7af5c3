#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads a raw file of the capture example, as docs/capture.md describes it.

read_raw.py FILE: a line for each packet, in the order of its slots: time in seconds, UDP payload in hexadecimal.
"""
import mmap
import struct
import sys

FILE_HEADER = struct.Struct("=8sII5Q6I")
BLOCK_HEADER = struct.Struct("=QQIIII")
SLOT = struct.Struct("=IIQ")
ETHERNET_IPV4_UDP = 14 + 20 + 8


def packets(file):
    """(block's base + slot, time in nanoseconds, frame) of each packet."""
    (magic, version, first_block, stride, bitmap_at, slots_at, headers_at, payloads_at, slots, header_bytes,
     payload_bytes, header_stride, payload_stride, _) = FILE_HEADER.unpack_from(file)
    if magic != b"PTVCAPT1" or version != 1:
        sys.exit("this is no raw capture of version 1")
    if (len(file) - first_block) % stride != 0:
        sys.exit("the file doesn't end at the end of a block")
    for block in range(first_block, len(file), stride):
        _, base, first, end, valid, _ = BLOCK_HEADER.unpack_from(file, block)
        if not first <= end <= slots:
            sys.exit(f"the block at {block} has slots {first} to {end} of {slots}")
        found = 0
        for slot in range(first, end):
            word, = struct.unpack_from("=Q", file, block + bitmap_at + slot // 64 * 8)
            if not word >> slot % 64 & 1:
                continue
            found += 1
            length, status, time = SLOT.unpack_from(file, block + slots_at + SLOT.size * slot)
            if status != 0 or length > header_bytes + payload_bytes:
                sys.exit(f"the block at {block}, slot {slot}, has status {status} and length {length}")
            header = block + headers_at + header_stride * slot
            payload = block + payloads_at + payload_stride * slot
            in_header = min(length, header_bytes)
            yield base + slot, time, file[header:header + in_header] + file[payload:payload + length - in_header]
        if found != valid:
            sys.exit(f"the block at {block} says {valid} packets and has {found}")


with open(sys.argv[1], "rb") as stream:
    data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
for _, nanoseconds, frame in packets(data):
    datagram_bytes, = struct.unpack_from(">H", frame, ETHERNET_IPV4_UDP - 4)
    udp_payload = frame[ETHERNET_IPV4_UDP:ETHERNET_IPV4_UDP - 8 + datagram_bytes]
    print(f"{nanoseconds // 10**9}.{nanoseconds % 10**9:09}", udp_payload.hex())
