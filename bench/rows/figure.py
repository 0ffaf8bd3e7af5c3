# SPDX-License-Identifier: Apache-2.0
"""Figure: what one sample gave."""
import dataclasses


@dataclasses.dataclass
class Figure:
    value: float
    share: float | None = None  # the least share of its core that a process had; None: they sleep
    lost: float | None = None  # share of the frames, where some may get lost
    disturbed: bool = False


@dataclasses.dataclass
class Row:
    """Ours beside theirs: functions that take a World and return a Figure; theirs is None where there is no peer."""
    name: str
    work: str
    peer: str
    unit: str
    ours: object
    theirs: object = None
    less_is_better: bool = False
    packages: tuple = ()


@dataclasses.dataclass
class Growth:
    """A figure beside what it may depend on: `lines` maps a line's name to a function of World and x."""
    name: str
    work: str
    x: str
    xs: tuple
    unit: str
    lines: dict
