# SPDX-License-Identifier: Apache-2.0
"""The rule that tells which samples were disturbed by the rest of the machine; fixed before anything is measured."""
import statistics
import time

LEAST_SHARE = 0.9  # of its core, for a process that never sleeps
# The run's median of the cache line's round trip. It is shorter where two processors of a virtual machine have come
# together on one core, and longer where they have come apart.
MOST_TIMES = 2.0
MOST_REPEATS = 3
LOOKS = 10  # before a sample, until the cache line is as it should be
PAUSE = 0.5  # seconds between them

RULE = (f"A sample is disturbed if a process of it that never sleeps had less than {LEAST_SHARE:.0%} of its core, or "
        "if the cache line's round trip between the two cores, measured just before and just after, was more than "
        f"{MOST_TIMES:g} times as long or as short as the run's median. Before a sample, that is waited for, for up to "
        f"{LOOKS * PAUSE:g} s. A disturbed sample is repeated, at most {MOST_REPEATS} times, and in a row at "
        "most as often as it has samples of each side; the last one counts, whatever it is, and is reported as "
        "disturbed. Only shares and cache lines are looked at for that, never the figure itself.")


class Judge:
    """`measure_cache_line` returns nanoseconds; `pause` waits so many seconds."""

    def __init__(self, measure_cache_line, pause=time.sleep):
        self.measure_cache_line = measure_cache_line
        self.pause = pause
        # Of the run's median: those of waiting are not, or the longest disturbance would be the rule.
        self.cache_line_ns = [measure_cache_line() for _ in range(5)]

    def median_ns(self):
        return statistics.median(self.cache_line_ns)

    def is_usual(self, cache_line_ns):
        return self.median_ns() / MOST_TIMES <= cache_line_ns <= MOST_TIMES * self.median_ns()

    def wait(self):
        """Before a sample. Returns the cache line's round trip."""
        self.cache_line_ns.append(self.measure_cache_line())
        last = self.cache_line_ns[-1]
        for _ in range(LOOKS - 1):
            if self.is_usual(last):
                break
            self.pause(PAUSE)
            last = self.measure_cache_line()
        return last


def had_its_core(figure):
    return figure.share is None or figure.share >= LEAST_SHARE
