#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""latency: one way, there and back, and what it says of delays and losses."""
import pktverbs


class Latency(pktverbs.TestCase):
    def test_finds_the_delay_of_a_link(self):
        # Long, so that what the machine does meanwhile is less than 1 % for the fastest of the probes.
        wire = f"wire:{pktverbs.unique()}"
        result = self.expect(pktverbs.run("latency", wire, f"{wire}?delay=100ms", "-c", 100, "--rate", "100pps",
                                          "--wait", "block", "--json"))
        total = result.total
        self.assertEqual((total["event"], total["due"], total["sent"], total["received"], total["lost"]),
                         ("total", 100, 100, 100, 0))
        self.assertAlmostEqual(total["from_sent_min_ns"], 100e6, delta=1e6)
        # The link counts the delay from when it looked at the frame, which is after it was sent.
        self.assertGreaterEqual(total["from_sent_min_ns"], 100e6)
        self.assertGreaterEqual(total["from_due_min_ns"], total["from_sent_min_ns"])
        quantiles = [total[f"from_due_{key}_ns"] for key in ("min", "p50", "p90", "p99", "p99_9", "p99_99", "max")]
        self.assertEqual(quantiles, sorted(quantiles))
        self.assertEqual((total["one_way"], total["clock"], total["frame_bytes"]), (True, "program", 64))

    def test_counts_from_when_a_probe_was_due(self):
        # Four times the rate of the line: probes wait in a queue, and the last ones longest.
        wire = f"wire:{pktverbs.unique()}"
        result = self.expect(pktverbs.run("latency", wire, f"{wire}?rate=512k", "-c", 200, "--rate", "4kpps",
                                          "--wait", "block", "--timeout", "20s", "--json"))
        # 200 frames of 512 bits take 200 ms, but are due within 50 ms.
        self.assertGreaterEqual(result.total["from_due_max_ns"], 150e6 * 0.98)
        self.assertEqual(result.total["lost"], 0)

    def test_writes_what_a_person_reads(self):
        wire = f"wire:{pktverbs.unique()}"
        raw, plot = self.folder / "raw", self.folder / "plot.svg"
        out = self.expect(pktverbs.run("latency", wire, f"{wire}?delay=2ms", "-c", 20, "--rate", "1kpps", "--wait",
                                       "block", "--raw", raw, "--plot", plot)).out
        self.assertIn("1.00 kpps probes of 64 bytes, by the program's clock", out)
        self.assertIn("20 probes were due, 20 sent, 20 received, 0 lost (0 %)", out)
        for row in "min", "50 %", "90 %", "99 %", "99.9 %", "99.99 %", "max", "mean":
            self.assertRegex(out, rf"(?m)^{row} +[0-9.]+ (us|ms|s) +[0-9.]+ (us|ms|s)$")
        self.assertIn("█", out)
        self.assertLessEqual(max(map(len, out.splitlines())), 80)
        values = [int(line) for line in raw.read_text().splitlines()]
        self.assertEqual(len(values), 20)
        self.assertGreaterEqual(min(values), 2_000_000)
        self.assertTrue(plot.read_text().startswith("<svg"))

    def test_tells_what_was_lost(self):
        wire = f"wire:{pktverbs.unique()}"
        result = self.expect(pktverbs.run("latency", wire, f"{wire}?loss=0.5", "-c", 100, "--rate", "10kpps", "--wait",
                                          "block", "--timeout", "50ms", "--json"), 3)
        total = result.total
        self.assertEqual(total["received"] + total["lost"], 100)
        self.assertTrue(20 < total["lost"] < 80, total)
        result = self.expect(pktverbs.run("latency", wire, f"wire:{pktverbs.unique()}", "-c", 3, "--rate", "1kpps",
                                          "--timeout", "10ms", "--json"), 3)
        self.assertEqual((result.total["received"], result.total["from_due_p50_ns"]), (0, None))
        result = self.expect(pktverbs.run("latency", wire, f"{wire}?duplicate=1", "-c", 10, "--rate", "1kpps",
                                          "--json"))
        self.assertGreaterEqual(result.total["duplicates"], 9)  # the last one's may come after the end

    def test_measures_beside_a_load(self):
        pipe = f"pipe:{pktverbs.unique()}"
        result = self.expect(pktverbs.run("latency", pipe, pipe, "-c", 200, "--rate", "1kpps", "--load", "10M", "--wait",
                                          "block", "--json"))
        self.assertGreater(result.total["load_received"], 0)
        self.assertLessEqual(result.total["load_received"], result.total["load_sent"])

    def test_goes_there_and_back(self):
        for flow in "udp:198.18.0.2:7148", "udp:[fd00::2]:99,src=fd00::1,vlan=7", "udp:10.0.0.2,src=10.0.0.1,sport=5":
            with self.subTest(flow):
                pipe = f"pipe:{pktverbs.unique()}"
                with pktverbs.Running(["latency", "--echo", pipe, "--flow", flow, "--wait", "block", "-c", 50]) as echo:
                    self.assertIn("answering probes", echo.read_line())
                    result = pktverbs.run("latency", pipe, "--flow", flow, "-c", 50, "--rate", "1kpps", "--wait",
                                          "block", "--timeout", "10s", "--json")
                    self.expect(result)
                    self.assertEqual((result.total["received"], result.total["one_way"]), (50, False))
                    out = self.expect(echo.wait()).out
                    self.assertIn("50 probes and 1 requests for the MAC address answered, 0 frames ignored", out)

    def test_goes_over_a_cable(self):
        cable = self.cable()
        far = f"packet:{cable.interfaces[1]}"
        with pktverbs.Running(["latency", "--echo", far, "--wait", "block"], netns=cable.names[1]) as echo:
            self.assertIn("answering probes", echo.read_line())
            result = pktverbs.run("latency", f"packet:{cable.interfaces[0]}", "-c", 50, "--rate", "1kpps", "--wait",
                                  "block", "--timeout", "10s", "--clock", "kernel", "--json", netns=cable.names[0])
            self.expect(result)
            self.assertEqual((result.total["received"], result.total["clock"]), (50, "kernel"))
            echo.interrupt()
            self.assertIn("50 probes and 1 requests", self.expect(echo.wait()).out)

    def test_ends_with_totals_on_a_signal(self):
        wire, pipe = f"wire:{pktverbs.unique()}", f"pipe:{pktverbs.unique()}"
        with pktverbs.Running(["latency", wire, wire, "--wait", "block", "-t", 1000]) as running:
            running.read_line()
            running.interrupt()
            self.assertIn("0 lost", running.wait().out)
        with pktverbs.Running(["latency", pipe]) as waiting:  # for whoever comes to the pipe's other end
            self.assertIn("waiting for the link", waiting.process.stderr.readline())
            waiting.interrupt()
            self.assertIn("0 probes were due", self.expect(waiting.wait(), 3).out)

    def test_refuses_what_it_cannot_do(self):
        for words, why in ((["wire:a", "wire:a", "--flow", "eth"], "probes are UDP"),
                           (["wire:a", "wire:a", "--flow", "udp:10.0.0.0/8"], "not to a prefix"),
                           (["wire:a", "wire:a", "--flow", "udp:239.1.1.1"], "multicast group"),
                           (["wire:a", "wire:a", "--size", "20"], "frames of 20 bytes: on wire:a they have 58 to 9014"),
                           (["wire:a", "wire:a", "--rate", "1000"], "1000pps is meant?"),
                           (["wire:a", "wire:a", "--clock", "device"], "of another kind: delivery"),
                           (["wire:a", "wire:a", "--echo"], "--echo"),
                           ([], "DEVICE")):
            with self.subTest(words):
                result = self.expect(pktverbs.run("latency", *words), 2)
                self.assertIn(why, result.err)
                self.assertEqual(result.out, "")


if __name__ == "__main__":
    pktverbs.main()
