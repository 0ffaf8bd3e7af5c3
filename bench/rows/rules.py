# SPDX-License-Identifier: Apache-2.0
"""Rows of flow rules: installing, removing and matching many."""
import json
import os

from figure import Figure, Row
from namespace import Cable

MANY = 10000
SLOW = 300  # seconds to install that many where that is slow


def exchanges(device, rules):
    def measure(world):
        inside = Cable(world.processes).left if device == "packet:va" else None
        said = json.loads(world.start("rules", device, world.seconds, f"wire,rules={rules},steering=mixed",
                                      inside=inside).finish(SLOW))
        return Figure(said["per_second"], said["cpu_share"])
    return measure


def match_ns(rules, steering):
    """What frames of many flows in turn cost more with a rule for each than with one rule for all."""
    def measure(world):
        flows = f"wire,flows={rules},steering={steering}"
        many, one = world.one_core(f"{flows},rules={rules}", f"{flows},rules=1", patience=SLOW)
        return Figure(many["median_ns"] - one["median_ns"], many["cpu_share"])
    return measure


NOBODY = "none"
ROWS = [
    Row("rules_wire", "rules exchanged on `wire:`, with 1000 of several shapes in force", NOBODY, "rules/s",
        exchanges(f"wire:bench{os.getpid()}", 1000), floor=200_000, goal=1_000_000),
    Row("rules_packet", "the same on `packet:`, 100 of them", NOBODY, "rules/s", exchanges("packet:va", 100),
        floor=200_000, goal=1_000_000),
    Row("rules_match", f"match among {MANY} rules of several shapes, frames of each in turn: more than with one",
        NOBODY, "ns/frame", match_ns(MANY, "mixed"), less_is_better=True, floor=15, goal=8),
]
