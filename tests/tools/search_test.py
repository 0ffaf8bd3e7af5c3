#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""search: the rate that a link key sets is found."""
import pktverbs


class Search(pktverbs.TestCase):
    def search(self, options, *words, status=0):
        device = "wire:" + pktverbs.unique()
        return self.expect(pktverbs.run("search", device, device + options, "--json", *words), status)

    def check_finds(self, method):
        # A line of 2 Mb/s: a frame of 1000 bytes takes 4 ms. Its room for 2 frames lets a trial of 0.8 s be 1 % faster, and
        # a sender that was held up send so much at once. A machine that holds it up for longer has another try.
        for last_try in 4 * [False] + [True]:
            result = self.search("?rate=2Mbps&limit=2", "--size", 1000, "--method", method, "--max-rate", "3Mbps", "-t", "0.8s",
                                 "--settle", "50ms", "--resolution", 1, "--plot", self.folder / "plot.svg")
            found = result.total["found"][0]
            self.assertTrue(found["finished"], result)
            trials = [record for record in result.records if record["event"] == "report"]
            self.assertEqual(len(trials), found["trials"])
            if last_try or abs(found["best_bps"] - 2e6) <= 0.02 * 2e6:
                break
        self.assertAlmostEqual(found["best_bps"], 2e6, delta=0.02 * 2e6, msg=result)
        self.assertIn("Offered and delivered", (self.folder / "plot.svg").read_text())

    def test_phases_find_a_rate_limit(self):
        self.check_finds("phases")

    def test_halving_finds_a_rate_limit(self):
        self.check_finds("rfc2544")

    def test_searches_for_each_size(self):
        result = self.search("", "--size", 64, "--size", "128,256", "--max-rate", "1kpps", "-t", "50ms", "--settle", "20ms")
        self.assertEqual([found["size"] for found in result.total["found"]], ["64", "128,256"])
        for found in result.total["found"]:
            self.assertTrue(found["sender_limited"])
            # A busy machine sends more slowly.
            self.assertLessEqual(found["best_pps"], 1010)
            self.assertGreater(found["best_pps"], 0)

    def test_says_that_there_is_none(self):
        result = self.search("?loss=1", "--size", 64, "--max-rate", "2kpps", "-t", "20ms", "--settle", "5ms", status=3)
        self.assertNotIn("best_pps", result.total["found"][0])

    def test_text_has_eighty_columns(self):
        device = "wire:" + pktverbs.unique()
        result = self.expect(pktverbs.run("search", device, device, "--size", 64, "--max-rate", "1kpps", "-t", "50ms"))
        for line in result.out.splitlines():
            self.assertLessEqual(len(line), 80, line)
        self.assertIn("the sender can send no faster", result.out)

    def test_ends_with_totals_on_an_interrupt(self):
        device = "wire:" + pktverbs.unique()
        with pktverbs.Running(["search", device, device, "--max-rate", "1kpps", "-t", "1h"]) as running:
            running.read_line()
            running.interrupt()
            result = self.expect(running.wait(), 3)
        self.assertIn("stopped", result.out)

    def test_refuses(self):
        for words, reason in ((["wire:a"], "OTHER"), (["wire:a", "wire:a", "--size", "x"], "--size"),
                              (["wire:a", "wire:a", "--method", "guess"], "--method"),
                              (["wire:a", "wire:a", "--resolution", "0"], "--resolution")):
            self.assertIn(reason, self.expect(pktverbs.run("search", *words), 2).err)


if __name__ == "__main__":
    pktverbs.main()
