# SPDX-License-Identifier: Apache-2.0
"""Rows of memory shared between two processes: pipes and memif."""
import json
import os
import time

import testpmd
from figure import Figure, Row

RING = 10  # of 1024 slots, the default of all


def socket():
    return f"pktverbs-bench-{os.getpid()}"


def port(role, size, zero_copy=False):
    buffers = 2048 if size <= 2048 else 9216
    return (f"net_memif0,role={role},id=0,socket={socket()},socket-abstract=yes,rsize={RING},bsize={buffers}"
            f"{',zero-copy=yes' if zero_copy else ''}")


def mbufs(size):
    return [] if size <= 2048 else ["--mbuf-size=9344"]


def sink(world, size):
    """The server."""
    program = world.testpmd(world.second, [port("server", size)], more=mbufs(size))
    program.command("set fwd rxonly")
    program.command("start")
    return program


def source(world, size, zero_copy):
    """The client, which sends what a net_null port gives: frames that nobody has to write."""
    program = world.testpmd(world.first, [f"net_null0,size={size}", port("client", size, zero_copy)], more=mbufs(size))
    program.command("set fwd io")
    return program


def between_testpmds(size, zero_copy=True):
    def measure(world):
        receiver = sink(world, size)
        sender = source(world, size, zero_copy)
        sender.command("start")
        rates, share = testpmd.window(world, receiver, sender)
        sender.command("stop")
        time.sleep(0.1)
        sent, received = sender.counts()[1], receiver.counts()[0]
        if received["RX-packets"] != sent["TX-packets"] or received["RX-bytes"] != received["RX-packets"] * size:
            raise RuntimeError(f"testpmd sent {sent} and received {received}")
        return Figure(rates[0]["RX-packets"], share)
    return measure


def pipe(size, ring=RING):
    def measure(world):
        return world.transfer(f"pipe:{socket()}", f"pipe:{socket()}?size={2048 if size <= 2048 else 9216}&ring={ring}",
                              size)
    return measure


def ours_to_testpmd(size):
    def measure(world):
        receiver = sink(world, size)
        # It stays connected until testpmd has been asked, which counts per connection.
        sending = world.start("transfer", "send", f"memif:@{socket()}", "--bytes", size, "--seconds", world.seconds,
                              "--stay", 1, cpu=world.first)
        rates, share = testpmd.window(world, receiver)
        sent = json.loads(sending.read_until("\n"))
        received = receiver.counts()[0]
        if received["RX-packets"] != sent["frames"] or received["RX-bytes"] != sent["frames"] * size:
            raise RuntimeError(f"sent {sent}, testpmd received {received}")
        return Figure(rates[0]["RX-packets"], min(share, sent["cpu_share"]))
    return measure


def testpmd_to_ours(size):
    def measure(world):
        receiving = world.receive(f"memif:@{socket()}?role=server", "--bytes", size, "--seconds", world.seconds,
                                  "--any")
        sender = source(world, size, zero_copy=False)
        sender.command("start")
        _, share = testpmd.window(world, sender)
        time.sleep(0.3)  # it began to look later
        sender.command("stop")
        sent, received = sender.counts()[1]["TX-packets"], json.loads(receiving.finish())
        if received["frames"] != sent or received["wrong"]:
            raise RuntimeError(f"testpmd sent {sent}, received {received}")
        return Figure(received["per_second"], min(share, received["cpu_share"]))
    return measure


def pipe_round_trip(world):
    said = world.round_trip(f"pipe:{socket()}", f"pipe:{socket()}")
    return Figure(said["median_us"], said["cpu_share"])


def cache_line(world):
    return Figure(world.measure_cache_line() * 1e-3)


PEER = "memif between two testpmds, zero-copy"
COPYING = "memif between two testpmds, copying"
ROWS = [
    Row("pipe64", "`pipe:`, two processes, 64 B", PEER, "frames/s", pipe(64), between_testpmds(64),
        floor=1.4, goal=2.5, packages=("dpdk-dev",)),
    Row("pipe8192", "`pipe:`, two processes, 8 KiB", PEER, "frames/s", pipe(8192), between_testpmds(8192),
        floor=1.05, goal=1.2, packages=("dpdk-dev",)),
    Row("pipe_round_trip", "round trip over `pipe:`, 64 B, both spin", "a cache line's round trip between the cores",
        "us", pipe_round_trip, cache_line, less_is_better=True, floor=2.2, goal=1.5),
    Row("memif_send", "`memif:` to testpmd, 64 B", COPYING, "frames/s", ours_to_testpmd(64),
        between_testpmds(64, zero_copy=False), floor=1.0, goal=1.3, packages=("dpdk-dev",)),
    Row("memif_receive", "testpmd to `memif:`, 64 B", COPYING, "frames/s", testpmd_to_ours(64),
        between_testpmds(64, zero_copy=False), floor=1.0, goal=1.3, packages=("dpdk-dev",)),
]
