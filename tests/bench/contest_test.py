#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""contest_test.py SOURCE_TREE: samples that were disturbed are repeated, by the rule and as often as it says, and the
report tells so. Nothing is measured."""
import contextlib
import os
import sys
import tempfile
import types
import unittest

sys.dont_write_bytecode = True
TREE = sys.argv.pop(1)
sys.path.insert(0, os.path.join(TREE, "bench/rows"))

import callgrind  # noqa: E402
import plot  # noqa: E402
import report  # noqa: E402
from contest import Contest  # noqa: E402
from disturbance import MOST_REPEATS, Judge  # noqa: E402
from figure import Figure, Growth, NotMeasured, Row  # noqa: E402


class World:
    """Nothing runs in it."""

    @contextlib.contextmanager
    def fresh(self):
        yield types.SimpleNamespace(running=[types.SimpleNamespace(text="a command")])


def contest_of(ours, theirs=lambda world: Figure(10, 1.0), samples=2, cache_lines=lambda: 100, **more):
    contest = Contest(Row("row", "work", "peer", "frames/s", ours, theirs, **more))
    judge = Judge(cache_lines, pause=lambda seconds: None)
    with open(os.devnull, "w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
        contest.run(World(), judge, samples)
    return contest, judge


class ContestTest(unittest.TestCase):
    def test_takes_turns(self):
        order = []
        contest, _ = contest_of(lambda world: order.append("a") or Figure(20, 1.0),
                                lambda world: order.append("b") or Figure(10, 1.0))
        self.assertEqual(order, ["a", "b", "a", "b"])
        self.assertEqual((contest.ratio(), contest.disturbed(), contest.repeated), (2, 0, 0))

    def test_repeats_a_sample_without_its_core(self):
        shares = [1.0, 0.5, 0.89, 0.9]
        contest, _ = contest_of(lambda world: Figure(len(shares), shares.pop(0)))
        self.assertEqual([figure.share for figure in contest.samples["ours"]], [1.0, 0.9])
        self.assertEqual((contest.disturbed(), contest.repeated), (0, 2))

    def test_waits_for_the_usual_cache_line(self):
        times = [100] * 5 + [201, 49, 199, 51, 100, 100]
        contest, _ = contest_of(lambda world: Figure(1, 1.0), samples=1, cache_lines=lambda: times.pop(0))
        self.assertEqual((contest.disturbed(), contest.repeated, times), (0, 0, []))

    def test_repeats_a_sample_with_another_cache_line_behind_it(self):
        times = [100] * 6 + [201] + [100] * 4
        contest, _ = contest_of(lambda world: Figure(1, 1.0), samples=1, cache_lines=lambda: times.pop(0))
        self.assertEqual((contest.disturbed(), contest.repeated, times), (0, 1, []))

    def test_does_not_wait_for_ever(self):
        times = [100] * 5 + [300] * 100
        contest, judge = contest_of(lambda world: Figure(1, 1.0), None, 1, lambda: times.pop(0))
        self.assertEqual((contest.disturbed(), contest.repeated), (1, MOST_REPEATS))
        self.assertEqual(judge.cache_line_ns, [100] * 5 + [300] * 4)

    def test_gives_up_and_says_so(self):
        calls = []
        contest, judge = contest_of(lambda world: calls.append(1) or Figure(1, 0.1), samples=1)
        self.assertEqual(len(calls), 1 + MOST_REPEATS)
        self.assertEqual((contest.disturbed(), contest.repeated), (1, MOST_REPEATS))
        with tempfile.TemporaryDirectory() as folder:
            with open(report.write(folder, "run", [], judge, [contest], []), encoding="utf-8") as file:
                text = file.read()
            self.assertIn("| 0.10 | - | - | - | 1 of 2, 3 repeated |", text)
            self.assertIn("- `row`, ours: `a command`", text)

    def test_repeats_no_more_than_a_row_has_samples(self):
        calls = []
        contest, _ = contest_of(lambda world: calls.append(1) or Figure(1, 0.1), samples=5)
        self.assertEqual((len(calls), contest.disturbed(), contest.repeated), (10, 5, 5))

    def test_does_not_ask_who_sleeps(self):
        contest, _ = contest_of(lambda world: Figure(1, None))
        self.assertEqual((contest.disturbed(), contest.repeated), (0, 0))

    def test_keeps_the_reason_of_a_failure(self):
        def fails(world):
            raise RuntimeError("frames were lost | all of them\nmore")
        contest, judge = contest_of(fails)
        with tempfile.TemporaryDirectory() as folder:
            with open(report.write(folder, "run", [], judge, [contest], []), encoding="utf-8") as file:
                self.assertIn("| 0 of 0; failed: frames were lost / all of them |", file.read())


    def test_takes_both_sides_at_once(self):
        contest, judge = contest_of(None, None, 3, together=lambda world, samples: {
            "ours": [Figure(20 + i) for i in range(samples)], "theirs": [Figure(10)] * samples})
        self.assertEqual((contest.ratio(), contest.failure), (2.1, None))
        with tempfile.TemporaryDirectory() as folder:
            with open(report.write(folder, "run", [], judge, [contest], []), encoding="utf-8") as file:
                self.assertIn("| 21 [20 to 22] | 10 [10 to 10] | 2.10 |", file.read())

    def test_says_what_is_missing(self):
        def is_missing(world, samples):
            raise NotMeasured("no machine")
        contest, judge = contest_of(None, None, floor=1, goal=2, together=is_missing)
        self.assertEqual((contest.failure, contest.missing), (None, "no machine"))
        with tempfile.TemporaryDirectory() as folder:
            with open(report.write(folder, "run", [], judge, [contest], []), encoding="utf-8") as file:
                text = file.read()
            self.assertIn("\nrow not measured: no machine.\n", text)
            self.assertIn("| - | - | - | 1 | 2 | - | 0 of 0; not measured: no machine |", text)


class ReportTest(unittest.TestCase):
    def test_compares_with_floor_and_goal(self):
        for ours, reached in ((20, "goal"), (15, "floor"), (14.9, "neither")):
            self.assertEqual(report.reached(contest_of(lambda world: Figure(ours, 1.0), floor=1.5, goal=2)[0]), reached)
        for ours, reached in ((10, "goal"), (11, "floor"), (11.1, "neither")):
            contest, _ = contest_of(lambda world: Figure(ours, 1.0), less_is_better=True, floor=1.1, goal=1.0)
            self.assertEqual(report.reached(contest), reached)
        alone, _ = contest_of(lambda world: Figure(2e5, 1.0), None, floor=200_000, goal=1_000_000)
        self.assertEqual(report.reached(alone), "floor")
        self.assertIn("| - | 200,000 | 1,000,000 | floor |", report.row_line(alone))

    def test_sums_up(self):
        rows = [contest_of(lambda world, ours=ours: Figure(ours, 1.0), floor=1.5, goal=2)[0] for ours in (14, 15, 20)]
        figures = [Figure(20, 1.0)]
        rows.append(contest_of(lambda world: figures.pop(), floor=1.5, goal=2)[0])
        self.assertEqual(list(report.summary(rows)), ["Rows that reach their floor: 2 of 4; their goal: 1.",
                                                      "Short of the floor: row (1.40 of 1.5).",
                                                      "row failed: IndexError: pop from empty list."])

    def test_plots_below_zero(self):
        self.assertEqual(plot.ticks(-0.7, 18), [-5, 0, 5, 10, 15, 20])
        self.assertEqual(plot.ticks(1, 18), [0, 5, 10, 15, 20])

    def test_plots_growth(self):
        growth = Growth("batch", "work", "frames", (1, 2, 256), "frames/s", {})
        with tempfile.TemporaryDirectory() as folder:
            report.write(folder, "run", [], Judge(lambda: 100), [], [(growth, {"line": [1e6, None, 2e6]})])
            with open(os.path.join(folder, "run-batch.svg"), encoding="utf-8") as file:
                self.assertEqual(file.read().count("<circle"), 2)


class CallgrindTest(unittest.TestCase):
    def test_counts_what_is_in_a_function_itself(self):
        lines = ["fn=(1) pktverbs::soft::Nic::take(int)", "10 5", "+1 6", "cfn=(2) f()", "calls=1 7", "* 100",
                 "fn=(2)", "7 90", "-2 10", "fn=(1)", "11 1"]
        self.assertEqual(callgrind.parse(lines), {"soft::Nic::take": 12, "f": 100})

    def test_shortens_names(self):
        for long, short in (("pktverbs::(anonymous namespace)::X::y(char const*) const", "X::y"),
                            ("unsigned long pktverbs::soft::Nic::take<false>(int)", "soft::Nic::take<false>"),
                            ("pthread_mutex_lock@@GLIBC_2.2.5", "pthread_mutex_lock")):
            self.assertEqual(callgrind.short(long), short)


unittest.main()
