# SPDX-License-Identifier: Apache-2.0
"""Rows of several threads that receive."""
import json

from figure import Figure, Row

BYTES = 1500


def rss(which, queues=2):
    """One thread from one queue and several from as many have turns in one process."""
    def measure(world):
        both = f"{world.first},{world.second}"
        said = json.loads(world.start("rss", world.seconds, BYTES, queues, cpu=both).finish())
        return Figure(1e9 / said[which], said["cpu_share"])
    return measure


ROWS = [
    Row("rss", f"one rule's frames of {BYTES} B received and summed up: RSS, two queues on two threads",
        "one queue on one thread, in turns in one process", "frames/s", rss("several_ns"), rss("one_ns"),
        floor=1.8, goal=1.95),
]
