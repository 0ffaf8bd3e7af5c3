#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""sink: what came, what did not, and who lost it."""
import pktverbs


class Sink(pktverbs.TestCase):
    def pair(self, sink_words, gen_words, options=""):
        """Runs sink and gen on the two ends of a pipe, of which sink's has impairments."""
        device = "pipe:" + pktverbs.unique()
        with pktverbs.Running(["sink", device + options, "--json", "-t", "50s", *sink_words]) as sink:
            gen = pktverbs.run("gen", device, "--json", *gen_words)
            self.check_all_was_sent(gen)
            return sink.wait(), gen

    def check_all_was_sent(self, gen):
        # On a busy machine, the rate may be missed.
        self.assertEqual(gen.status, 3 if gen.total["missed"] else 0, gen)

    def check_sums(self, sink, gen):
        """What was sent is what came and what was lost, by numbers and by the device's counters."""
        total, sent = sink.total, gen.total["packets"]
        distinct = total["packets"] - total["duplicated_packets"]
        self.assertEqual(sent, distinct + total["device_lost_packets"], total)
        self.assertEqual(total["lost_packets"], total["lost_here_packets"] + total["lost_on_the_way_packets"], total)
        self.assertEqual(total["lost_on_the_way_packets"], 0, total)
        self.assertEqual(total["device_lost_packets"],
                         total["lost_here_packets"] + total["device_lost_in_no_gap_packets"])
        self.assertEqual(total["device_lost_packets"], sum(
            total[f"device_{reason}_packets"] for reason in ("out_of_buffer", "not_ready", "oversize", "link")))

    def test_counts_what_the_network_loses(self):
        sink, gen = self.pair(["--idle", "0.5s", "--plot", self.folder / "gaps.svg"],
                              ["-c", 5000, "--size", 100, "--rate", "50kpps"], "?loss=0.1&seed=3")
        self.expect(sink, 3)
        self.check_sums(sink, gen)
        self.assertAlmostEqual(sink.total["lost_packets"], 500, delta=100)
        svg = (self.folder / "gaps.svg").read_text()
        self.assertTrue(svg.startswith("<svg") or svg.startswith("<?xml"), svg[:80])
        self.assertIn("Missing packets", svg)

    def test_queues_share_flows(self):
        flows = [word for port in range(7000, 7016) for word in ("--flow", f"udp:239.2.1.150:{port}")]
        sink, gen = self.pair(["-q", 3, "--cpus", 0, "-c", 1600, "--idle", "2s", "--flow", "udp:239.2.1.150"],
                              ["-c", 1600, "--size", 100, "--rate", "50kpps", *flows])
        self.expect(sink)
        self.check_sums(sink, gen)
        self.assertEqual(sink.total["packets"], 1600)
        self.assertEqual([flow["packets"] for flow in sink.total["flows"]], 16 * [100])

    def test_refuses_processors_that_it_may_not_use(self):
        for words, reason in ((["--cpus", "8191"], "processor 8191"), (["--cpus", "0,0"], "each once"),
                              (["--queues", 0], "--queues"), (["--queues", 257], "--queues")):
            self.assertIn(reason, self.expect(pktverbs.run("sink", "pipe:x", *words), 2).err)

    def test_counts_duplicates(self):
        sink, gen = self.pair(["--idle", "0.5s"], ["-c", 2000, "--size", 100, "--rate", "50kpps"], "?duplicate=0.1")
        self.expect(sink)
        self.check_sums(sink, gen)
        self.assertAlmostEqual(sink.total["duplicated_packets"], 200, delta=80)

    def test_counts_what_comes_late(self):
        # A tenth overtakes the rest by 2 ms, which is 20 packets: nine of ten are late.
        sink, gen = self.pair(["-c", 2000], ["-c", 2000, "--size", 100, "--rate", "10kpps"],
                              "?delay=2ms&reorder=0.1&limit=10000")
        self.expect(sink)
        self.check_sums(sink, gen)
        self.assertGreater(sink.total["reordered_packets"], 0)
        self.assertGreater(sink.total["late_packets"], 0)
        self.assertLessEqual(sink.total["late_packets"], sink.total["reordered_packets"])

    def test_text_adds_up(self):
        device = "pipe:" + pktverbs.unique()
        with pktverbs.Running(["sink", device + "?loss=0.5", "--idle", "0.3s", "-t", "50s"]) as sink:
            self.expect(pktverbs.run("gen", device, "-c", 1000, "--size", 100, "--flow", "udp:239.2.1.150:7148"))
            result = self.expect(sink.wait(), 3)
        self.assertRegex(result.out, r"lost      (\d+) packets .*: \1 by this device, 0 on the way to it")
        self.assertRegex(result.out, r"device    \d+ packets lost: link \d+")
        self.assertLessEqual(max(map(len, result.out.splitlines())), 80)

    def test_says_when_nothing_came(self):
        result = self.expect(pktverbs.run("sink", "wire:" + pktverbs.unique(), "-t", "50ms", "--json"), 3)
        self.assertEqual(result.total["packets"], 0)
        self.expect(pktverbs.run("sink", "wire:" + pktverbs.unique(), "-t", "50ms", "--plot", self.folder / "g.svg"), 3)

    def test_ends_with_totals_on_an_interrupt(self):
        with pktverbs.Running(["sink", "wire:" + pktverbs.unique()]) as running:
            self.assertIn("receiving udp:239.2.1.150:7148", running.read_line())
            running.interrupt()
            result = self.expect(running.wait(), 3)
        self.assertIn("received  nothing", result.out)

    def test_counts_frames_that_nobody_wants_and_those_without_number(self):
        sink, _ = self.pair(["--flow", "udp:239.1.1.1:1", "-c", 100], ["-c", 200, "--flow", "udp:239.1.1.1:1", "--flow",
                                                                       "udp:239.1.1.1:2"])
        self.expect(sink)
        self.assertGreater(sink.total["unwanted_frames"], 90)
        self.assertEqual(len(sink.total["flows"]), 1)

    def test_counts_all_over_a_cable(self):
        cable = self.cable()
        # A unicast flow, for whose MAC address the kernel asks; and one in a VLAN.
        for flow, sink_flow in (("udp:10.198.54.2:7148",) * 2, ("udp:239.2.1.150:7148,vlan=100",) * 2):
            with self.subTest(flow):
                totals = self.folder / "total.prom"
                with pktverbs.Running(["sink", f"packet:{cable.interfaces[1]}", "--flow", sink_flow, "--idle", "1s",
                                       "-t", "50s", "--metrics", totals], netns=cable.names[1]) as sink:
                    self.assertIn("receiving", sink.read_line())
                    gen = pktverbs.run("gen", f"packet:{cable.interfaces[0]}", "--json", "--flow", flow, "-c", 3000,
                                       "--rate", "20kpps", netns=cable.names[0])
                    self.check_all_was_sent(gen)
                    result = sink.wait()
                metrics = dict(line.split() for line in totals.read_text().splitlines() if "{" not in line and
                               not line.startswith("#"))
                total = {key.removeprefix("pktverbs_sink_"): float(value) for key, value in metrics.items()}
                self.assertEqual(gen.total["packets"], 3000)
                self.assertEqual(gen.total["bytes"], 3000 * (1518 if "vlan" in flow else 1514))
                self.assertEqual(total["packets"] + total["device_lost_packets"], 3000, result)
                self.assertEqual(total["lost_on_the_way_packets"], 0, result)


if __name__ == "__main__":
    pktverbs.main()
