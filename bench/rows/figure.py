# SPDX-License-Identifier: Apache-2.0
"""Figure: what one sample gave."""
import dataclasses


@dataclasses.dataclass
class Figure:
    value: float
    share: float | None = None  # the least share of its core that a process had; None: they sleep
    lost: float | None = None  # share of the frames, where some may get lost
    disturbed: bool = False


class NotMeasured(RuntimeError):
    """What a row needs is not on this machine, and scripts/bench doesn't install it: no failure."""


@dataclasses.dataclass
class Row:
    """Ours beside theirs: functions that take a World and return a Figure; theirs is None where there is no peer. Or
    `together` takes a World and a number of samples, and returns {"ours": Figures, "theirs": Figures}. `floor` and
    `goal` are of the ratio of ours to theirs, or of ours where there is no peer."""
    name: str
    work: str
    peer: str
    unit: str
    ours: object = None
    theirs: object = None
    together: object = None
    less_is_better: bool = False
    floor: float | None = None
    goal: float | None = None
    packages: tuple = ()
    only_if_named: bool = False  # with --quick


@dataclasses.dataclass
class Growth:
    """A figure beside what it may depend on: `lines` maps a line's name to a function of World and x."""
    name: str
    work: str
    x: str
    xs: tuple
    unit: str
    lines: dict
