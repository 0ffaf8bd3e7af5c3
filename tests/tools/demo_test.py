#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""demo: gen, sink and latency over a pipe, in one process."""
import re

import pktverbs


class Demo(pktverbs.TestCase):
    def check_total(self, total):
        self.assertGreater(total["sent_packets"], 0)
        self.assertEqual(total["sent_packets"], total["received_packets"] + total["lost_packets"], total)

    def test_loses_nothing(self):
        result = self.expect(pktverbs.run("demo", "-t", "0.5s", "--json"))
        self.check_total(result.total)
        self.assertEqual(result.total["lost_packets"], 0, result)
        self.assertEqual(result.total["probes_sent"], result.total["probes_received"], result)
        self.assertEqual(result.total["probes_sent"], 200, result)
        self.assertGreater(result.total["latency_p50_ns"], 0)

    def test_text_has_eighty_columns_and_adds_up(self):
        result = self.expect(pktverbs.run("demo", "-t", "0.3s"))
        for line in result.out.splitlines():
            self.assertLessEqual(len(line), 80, line)
        sent, received = map(int, re.search(r"sent (\d+) packets, sink received (\d+)", result.out).groups())
        self.assertEqual(sent, received, result)

    def test_ctrl_c_ends_it_with_totals(self):
        with pktverbs.Running(["demo", "-t", "50s", "--json"]) as demo:
            demo.read_line()
            demo.interrupt()
            result = demo.wait()
        self.expect(result, 0)
        self.check_total(result.total)

    def test_wrong_arguments(self):
        for words in (["-t", "-1"], ["pipe:a"], ["--rate", "1G"]):
            self.expect(pktverbs.run("demo", *words), 2)


if __name__ == "__main__":
    pktverbs.main()
