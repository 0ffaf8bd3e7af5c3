# SPDX-License-Identifier: Apache-2.0
"""Contest: ours and theirs in turns, A B A B, with disturbed samples repeated."""
import statistics

import disturbance
from figure import NotMeasured


class Contest:
    """What a row gave: the samples of each side, the commands, and how many samples were disturbed."""

    def __init__(self, row):
        self.row = row
        self.samples = {"ours": [], "theirs": []}
        self.commands = {"ours": [], "theirs": []}
        self.repeated = 0
        self.most_repeats = 0
        self.failure = None
        self.missing = None  # why it was not measured

    def sides(self):
        return {"ours": self.row.ours} | ({"theirs": self.row.theirs} if self.row.theirs else {})

    def run(self, world, judge, samples):
        self.most_repeats = max(disturbance.MOST_REPEATS, samples)
        try:
            if self.row.together:
                self.run_together(world, samples)
                return
            for _ in range(samples):
                for side, measure in self.sides().items():
                    self.samples[side].append(self.sample(side, measure, world, judge))
        except NotMeasured as reason:
            self.missing = str(reason)
            print(f"  not measured: {reason}", flush=True)
        except Exception as error:  # whatever it is, the other rows' figures are kept
            self.failure = str(error) if isinstance(error, RuntimeError) else f"{type(error).__name__}: {error}"
            print(f"  failed: {self.failure}", flush=True)

    def run_together(self, world, samples):
        with world.fresh() as processes:
            self.samples = self.row.together(world, samples)
            self.commands["ours"] = [process.text for process in processes.running]
        for pair in zip(*self.samples.values()):
            for side, figure in zip(self.samples, pair):
                print(f"  {side:6} {figure.value:.6g} {self.row.unit}", flush=True)

    def sample(self, side, measure, world, judge):
        for left in range(disturbance.MOST_REPEATS, -1, -1):
            before = judge.wait()
            with world.fresh() as processes:
                figure = measure(world)
                self.commands[side] = [process.text for process in processes.running]
            after = judge.measure_cache_line()
            is_usual = judge.is_usual(before) and judge.is_usual(after)
            figure.disturbed = not is_usual or not disturbance.had_its_core(figure)
            share = "" if figure.share is None else f", {figure.share:.2f} of a core"
            lost = "" if figure.lost is None else f", {figure.lost:.1%} lost"
            print(f"  {side:6} {figure.value:.6g} {self.row.unit}{share}{lost}, cache line {before:.0f} and "
                  f"{after:.0f} ns{', disturbed' if figure.disturbed else ''}", flush=True)
            if not figure.disturbed or left == 0 or self.repeated == self.most_repeats:
                break
            self.repeated += 1
        return figure

    def median(self, side):
        values = [figure.value for figure in self.samples[side]]
        return statistics.median(values) if values else None

    def span(self, side):
        values = [figure.value for figure in self.samples[side]]
        return (min(values), max(values)) if values else None

    def ratio(self):
        """Ours to theirs, in the row's unit."""
        ours, theirs = self.median("ours"), self.median("theirs")
        return ours / theirs if ours is not None and theirs else None

    def times(self):
        """How many times as fast as theirs ours is."""
        return 1 / self.ratio() if self.row.less_is_better else self.ratio()

    def score(self):
        """What the row's floor and goal are of."""
        return self.ratio() if self.row.theirs or self.row.together else self.median("ours")

    def reaches(self, mark):
        score = self.score()
        return score is not None and not self.failure and (score <= mark if self.row.less_is_better else score >= mark)

    def disturbed(self):
        """How many samples count although they were disturbed."""
        return sum(figure.disturbed for samples in self.samples.values() for figure in samples)
