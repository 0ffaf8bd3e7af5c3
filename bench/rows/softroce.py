# SPDX-License-Identifier: Apache-2.0
"""Rows of the SoftRoCE machine (scripts/softroce): ours and perftest's take turns inside, in one boot."""
import os

import workspace
from figure import Figure, NotMeasured, Row

MISSING = 77  # exit status of scripts/softroce and bench/compare
SECONDS = 300


def compared(what, size):
    """By bench/compare: {"ours": [Figure], "theirs": [Figure]}."""
    def measure(world, samples):
        workspace.build("bench", ["messages_bench", "verbs_bench"])
        machine = world.processes.start([
            os.path.join(workspace.ROOT, "scripts/softroce"), "--timeout", str(SECONDS), "--",
            os.path.join(workspace.ROOT, "bench/compare"), "--samples", str(samples), "messages", what, str(size)])
        output = machine.read_until(None, SECONDS + 10)
        if (status := machine.child.wait()) == MISSING:
            raise NotMeasured(output.splitlines()[-1])
        lines = [line.split() for line in output.splitlines()]
        figures = {side: [Figure(float(line[1])) for line in lines if line[:1] == [side] and len(line) == 2]
                   for side in ("ours", "theirs")}
        if status != 0 or any(len(side) != samples for side in figures.values()):
            raise RuntimeError(f"{machine.text}: exit status {status}:\n{output[-2000:]}")
        return figures
    return measure


def row(name, work, what, size, **more):
    tool = "ib_send_lat" if what == "latency" else "ib_send_bw"
    return Row(name, f"{work} over SoftRoCE, both ends sleep", f"perftest, {tool} -e --rdma_cm",
               together=compared(what, size), packages=("perftest",), only_if_named=True, **more)


ROWS = [
    row("messages", "messages of 64 B", "rate", 64, unit="messages/s", floor=0.95, goal=1.0),
    row("messages65536", "messages of 64 KiB", "rate", 65536, unit="messages/s", floor=0.95, goal=1.0),
    row("messages_round_trip", "half a round trip of messages of 64 B", "latency", 64, unit="us", less_is_better=True,
        floor=1.05, goal=1.0),
]
