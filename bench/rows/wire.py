# SPDX-License-Identifier: Apache-2.0
"""Rows of the wire: one core, both ends in one thread."""
import memif
import testpmd
from figure import Figure, Row


def one_path(path):
    def measure(world):
        said, = world.one_core(path)
        return Figure(said["per_second"], said["cpu_share"])
    return measure


def null_ports(world):
    """Frames out of nothing into nothing, each way between two ports: the rate of one port."""
    program = world.testpmd(world.second, ["net_null0", "net_null1"])
    program.command("set fwd io")
    program.command("start")
    rates, share = testpmd.window(world, program)
    program.command("stop")
    if any(port["TX-errors"] for port in rates.values()):
        raise RuntimeError(f"testpmd lost frames: {rates}")
    return Figure(rates[0]["RX-packets"], share)


def median_ns(*paths):
    """The first path's time of a packet; the others have their turns in the same process."""
    def measure(world):
        said = world.one_core(*paths)
        return Figure(said[0]["median_ns"], said[0]["cpu_share"])
    return measure


IN_TURNS = "`Context` on `wire:`, in turns in one process"
RING, WIRE = "ring,packets=4096", "wire,packets=4096"
ROWS = [
    Row("wire64", "`wire:`, one core, 64 B, whole cycle", "testpmd, two net_null ports, io, one core: per port",
        "frames/s", one_path("wire"), null_ports, floor=1.7, goal=2.8, packages=("dpdk-dev",)),
    Row("context64", "`Context` on `wire:`, 64 B", "verbs by hand on `wire:`, in turns in one process", "ns/frame",
        median_ns("wire", "bare"), median_ns("bare", "wire"), less_is_better=True, floor=1.08, goal=1.03),
    Row("wire8192", "`wire:`, one core, 8 KiB, whole cycle", "memif between two testpmds, zero-copy, two cores",
        "frames/s", one_path("wire,bytes=8192"), memif.between_testpmds(8192), floor=1.3, goal=2,
        packages=("dpdk-dev",)),
    Row("ring64", "`RingReceiver` on `wire:`, 64 B, blocks of 256 read", IN_TURNS, "ns/frame",
        median_ns(RING, WIRE), median_ns(WIRE, RING), less_is_better=True, floor=1.1, goal=1.05),
    Row("ring64_small", "the same, blocks of 16", IN_TURNS, "ns/frame", median_ns("ring", "wire"),
        median_ns("wire", "ring"), less_is_better=True),
    Row("ring8192", "the same, 8 KiB, blocks of 256", IN_TURNS, "ns/frame",
        median_ns(f"{RING},bytes=8192", f"{WIRE},bytes=8192"), median_ns(f"{WIRE},bytes=8192", f"{RING},bytes=8192"),
        less_is_better=True),
]
