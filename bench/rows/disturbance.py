# SPDX-License-Identifier: Apache-2.0
"""The rule that tells which samples were disturbed by the rest of the machine; fixed before anything is measured."""
import statistics

LEAST_SHARE = 0.9  # of its core, for a process that never sleeps
# The run's median of the cache line's round trip. It is shorter where two processors of a virtual machine have come
# together on one core, and longer where they have come apart.
MOST_TIMES = 2.0
MOST_REPEATS = 3

RULE = (f"A sample is disturbed if a process of it that never sleeps had less than {LEAST_SHARE:.0%} of its core, or if "
        "the cache line's round trip between the two cores, measured just before, was more than "
        f"{MOST_TIMES:g} times as long or as short as the run's median. It is repeated, at most {MOST_REPEATS} times; "
        "the last one counts, whatever it is, and is reported as disturbed. Only shares and cache lines are looked at "
        "for that, never the figure itself.")


class Judge:
    def __init__(self, measure_cache_line):
        self.measure_cache_line = measure_cache_line
        self.cache_line_ns = [measure_cache_line() for _ in range(5)]

    def median_ns(self):
        return statistics.median(self.cache_line_ns)

    def look(self):
        """Measures the cache line, before a sample. Returns whether it is as it should be."""
        self.cache_line_ns.append(self.measure_cache_line())
        return self.median_ns() / MOST_TIMES <= self.cache_line_ns[-1] <= MOST_TIMES * self.median_ns()


def had_its_core(figure):
    return figure.share is None or figure.share >= LEAST_SHARE
