# SPDX-License-Identifier: Apache-2.0
"""Rows of set-up: from the start of a program to its first frame."""
import time

from figure import Figure, Row


def first_packet(world):
    begin = time.monotonic_ns()
    end = int(world.start("first_packet", "wire,batch=1").finish())
    return Figure((end - begin) * 1e-6)


def testpmd(world):
    """Until it says that it forwards; with as few buffers as it takes."""
    begin = time.monotonic_ns()
    program = world.processes.start(
        ["dpdk-testpmd", "-l", f"{world.first},{world.second}", "--no-huge", "-m", "64", "--no-pci", "--no-telemetry",
         "--no-shconf", "--file-prefix=start", "--vdev=net_null0", "--vdev=net_null1", "--", "--nb-cores=1",
         "--total-num-mbufs=2048"], terminal=True)
    program.read_until("Press enter to exit")
    return Figure((time.monotonic_ns() - begin) * 1e-6)


ROWS = [
    Row("first_packet", "start of a program with two `Context`s on `wire:` to its first frame",
        "start of testpmd with two net_null ports until it forwards", "ms", first_packet, testpmd, less_is_better=True,
        floor=0.02, goal=0.005, packages=("dpdk-dev",)),
]
