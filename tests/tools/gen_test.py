#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""gen: what it sends is what a receiver gets, and it says what it did."""
import re
import unittest

import pktverbs


def exchange(sink_words, gen_words, device=None):
    """Runs sink and gen on the two ends of a pipe; returns both results."""
    device = device or "pipe:" + pktverbs.unique()
    with pktverbs.Running(["sink", device, "--json", "-t", "50s", *sink_words]) as sink:
        gen = pktverbs.run("gen", device, "--json", *gen_words)
        return sink.wait(), gen


class Gen(pktverbs.TestCase):
    def test_sends_what_it_says(self):
        sink, gen = exchange(["-c", 20000], ["-c", 20000, "--size", 200])
        self.expect(gen)
        self.expect(sink)
        self.assertEqual(gen.total["packets"], 20000)
        self.assertEqual(gen.total["bytes"], 20000 * 200)
        for key in "packets", "bytes":
            self.assertEqual(sink.total[key], gen.total[key])
        self.assertEqual(gen.total["flows"], [
            {"flow": "udp:239.2.1.150:7148", "packets": 20000, "bytes": 20000 * 200}])
        self.assertIs(gen.total["missed"], False)

    def test_sends_flows_in_turn_with_sizes_in_turn(self):
        flows = ["--flow", "udp:239.1.1.1:1000", "--flow", "udp:[ff15::42]:1000,vlan=100,pcp=3",
                 "--flow", "tcp:[ff15::42]:80,tos=8", "--flow", "eth,type=0x88b5,mac=01:02:03:04:05:06",
                 "--flow", "ip:239.1.1.1,proto=99"]
        sink, gen = exchange(["-c", 6000, "--flow", "all"], ["-c", 6000, "--size", "100x2,1000", *flows])
        self.expect(gen)
        self.expect(sink)
        self.assertEqual([flow["packets"] for flow in gen.total["flows"]], [1200] * 5)
        self.assertEqual({flow["bytes"] for flow in gen.total["flows"]}, {1200 * 400})
        received = sink.total["flows"]
        self.assertEqual(sorted(re.sub(r".* > ", "", flow["flow"]) for flow in received), [
            "01:02:03:04:05:06 type 0x88b5", "239.1.1.1 protocol 99", "239.1.1.1:1000 udp",
            "[ff15::42]:1000 udp vlan 100", "[ff15::42]:80 tcp"])
        for flow in received:
            self.assertEqual((flow["packets"], flow["bytes"], flow["lost_packets"]), (1200, 480000, 0), flow)
            self.assertEqual((flow["first_number"], flow["highest_number"]), (0, 1199), flow)

    def test_queues_share_flows_and_count(self):
        flows = [word for port in range(5) for word in ("--flow", f"udp:239.1.1.1:{1000 + port}")]
        name = "pipe:" + pktverbs.unique() + "?queues=2"
        sink, gen = exchange(["-c", 1003, "--flow", "udp:239.1.1.1"], ["-c", 1003, "-q", 2, *flows], name)
        self.expect(gen)
        self.expect(sink)
        counts = {flow["flow"][-4:]: flow["packets"] for flow in gen.total["flows"]}
        self.assertEqual(counts, {"1000": 201, "1001": 201, "1002": 201, "1003": 200, "1004": 200})
        self.assertEqual(sink.total["packets"], 1003)
        self.assertEqual(sink.total["lost_packets"], 0)

    def capture(self, *words):
        """The frames of a run, from the file that a pcap: device writes."""
        path = self.folder / "sent.pcapng"
        self.expect(pktverbs.run("gen", f"pcap:out={path}", *words))
        data, frames = path.read_bytes(), []
        while data:
            kind, length = int.from_bytes(data[:4], "little"), int.from_bytes(data[4:8], "little")
            if kind == 6:
                frames.append(data[28:28 + int.from_bytes(data[20:24], "little")])
            data = data[length:]
        return frames

    def test_fills_the_payload(self):
        for pattern, expected in ("zeros", b"\0" * 10), ("count", bytes(range(10))), ("hex:c0ffee", bytes.fromhex(
                "c0ffeec0ffeec0ffeec0")):
            frames = self.capture("-c", 3, "--size", 60, "--payload", pattern, "--flow", "udp:239.1.1.1:9")
            self.assertEqual([frame[42:50] for frame in frames], [n.to_bytes(8, "big") for n in range(3)])
            self.assertEqual({frame[50:] for frame in frames}, {expected})
        text = self.folder / "text"
        text.write_bytes(b"abc")
        frames = self.capture("-c", 2, "--size", "60,90", "--payload", text)
        self.assertEqual([len(frame) for frame in frames], [60, 90])
        self.assertEqual(frames[1][50:], b"abc" * 13 + b"a")

    def test_checksums_are_right(self):
        def folded(data):
            total = sum(int.from_bytes(data[i:i + 2].ljust(2, b"\0"), "big") for i in range(0, len(data), 2))
            while total >> 16:
                total = (total & 0xffff) + (total >> 16)
            return total
        frames = self.capture("-c", 40, "--size", "99,100", "--payload", "random", "--flow", "udp:[ff15::42]:7148",
                              "--flow", "tcp:239.1.1.1:80")
        self.assertEqual(len(frames), 40)
        for frame in frames:
            if frame[12:14] == b"\x86\xdd":
                pseudo = frame[22:54] + frame[18:20] + b"\0\x11"
                self.assertEqual(folded(pseudo + frame[54:]), 0xffff)
            else:
                self.assertEqual(folded(frame[14:34]), 0xffff)
                pseudo = frame[26:34] + b"\0\x06" + (len(frame) - 34).to_bytes(2, "big")
                self.assertEqual(folded(pseudo + frame[34:]), 0xffff)

    def test_keeps_a_rate_and_a_ramp(self):
        frames = ["--size", 1000]
        result = pktverbs.run("gen", f"pcap:out={self.folder / 'r'}", "--json", "--rate", "2kpps", "-c", 200, *frames)
        self.assertEqual(result.total["asked_pps"], 2000)
        self.assertLess(result.total["reached_pps"], 2040)
        if result.status == 0:  # a machine that is busy may miss it
            self.assertGreater(result.total["reached_pps"], 1900)
        result = pktverbs.run("gen", f"pcap:out={self.folder / 'r'}", "--json", "--ramp", "1kpps..3kpps", "-t", "0.5s")
        self.assertEqual(result.total["asked_pps"], 2000)
        self.assertIn(result.status, (0, 3))
        self.assertLess(result.total["reached_pps"], 2040)

    def test_takes_a_part_of_the_links_speed(self):
        cable = self.cable()
        name = cable.interfaces[0]
        command = ["gen", f"packet:{name}", "--json", "-t", "0.2s", "--size", 1000]
        # A veth says that it has 10 Gb/s.
        total = pktverbs.run(*command, "--rate", "0.1%", netns=cable.names[0]).total
        self.assertEqual(total["asked_bps"], 10e6)
        # With preamble, FCS and gap, it is not more than asked; the frames' own rate is less.
        self.assertLess(total["reached_bps"], 10.2e6)
        self.assertLess(total["rate_bps"], total["reached_bps"])
        total = pktverbs.run(*command, "--ramp", "0.1%..0.3%", netns=cable.names[0]).total
        self.assertEqual(total["asked_bps"], 20e6)
        self.assertLess(total["rate_bps"], total["reached_bps"])

    def test_says_why_it_was_slower(self):
        result = pktverbs.run("gen", f"pcap:out={self.folder / 'r'}", "--rate", "9T", "-t", "0.2s")
        self.assertRegex(self.expect(result, 3).out, r"why not   (CPU|back-pressure): ")

    def test_ends_with_totals_while_it_waits(self):
        with pktverbs.Running(["gen", "pipe:" + pktverbs.unique()]) as running:
            self.assertIn("waiting", running.read_line())
            running.interrupt()
            result = self.expect(running.wait(), 3)
        self.assertIn("sent      0 packets", result.out)

    def test_ends_with_totals_on_an_interrupt(self):
        with pktverbs.Running(["gen", f"pcap:out={self.folder / 'r'}", "--rate", "100pps"]) as running:
            self.assertIn("sending udp:239.2.1.150:7148", running.read_line())
            running.read_line()
            running.interrupt()
            result = running.wait()
        self.assertIn(result.status, (0, 3), result)
        self.assertRegex(result.out, r"sent      [1-9]\d* packets")
        self.assertLessEqual(max(map(len, result.out.splitlines())), 80)

    def test_counts_what_had_no_receiver(self):
        # A receiver that takes nothing more: what it did not take is told.
        device = "pipe:" + pktverbs.unique()
        with pktverbs.Running(["sink", device, "-c", 100]) as sink:
            gen = pktverbs.run("gen", device, "--json", "--size", 100, "-t", "0.5s")
            sink.wait()
        self.expect(gen, 3)
        self.assertGreater(gen.total["unsent_packets"] + gen.total["waiting_packets"], 0)

    def test_refuses(self):
        for words, reason in (
                (["--size", "20"], "not a size from 22"),
                (["--size", "100,"], "not a size"),
                (["--size", "64x0"], "weight"),
                (["--size", "49"], "too short"),
                (["--size", "9100"], "longer than"),
                (["--flow", "all"], "nothing about the packets"),
                (["--flow", "udp:10.0.0.0/8:9"], "no single destination"),
                (["--flow", "eth"], "mac="),
                (["--flow", "udp:[fe80::1]:9"], "mac="),
                (["--flow", "udp:9.9.9.9:9,vlan=3"], "mac="),
                (["--flow", "udp:239.1.1.1:9", "--flow", "udp:239.1.1.1:9"], "given twice"),
                (["-q", 2], "flows"),
                (["--ramp", "1G..2G"], "--time"),
                (["--ramp", "1G..2kpps"], "two rates"),
                (["--rate", "fast"], "not a rate"),
                (["--rate", "101%"], "not a rate"),
                (["--rate", "50%"], "is not known"),
                (["--ramp", "1%..2G"], "two rates"),
                (["--payload", "hex:abc"], "hexadecimal"),
                (["--payload", self.folder / "none"], "cannot read")):
            with self.subTest(words=words):
                result = self.expect(pktverbs.run("gen", f"pcap:out={self.folder / 'r'}", "-c", 1, *words), 2)
                self.assertIn(reason, result.err)
                self.assertEqual(result.err.count("\n"), 1, result)


if __name__ == "__main__":
    pktverbs.main()
