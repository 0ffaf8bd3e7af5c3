#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""replay: frames of a file, at their times, and with other addresses."""
import pathlib
import shutil
import signal
import struct
import subprocess
import unittest

import pktverbs

SECOND = 1_000_000_000


def pcap(frames, magic=0xa1b23c4d, order="<", linktype=1):
    """A file of (time in ns, bytes[, original length])."""
    text = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, linktype)
    unit = 1 if magic == 0xa1b23c4d else 1000
    for time, frame, *length in frames:
        text += struct.pack(order + "IIII", time // SECOND, time % SECOND // unit, len(frame), *(length or [len(frame)]))
        text += frame
    return text


def read_pcap(text):
    """The frames of a file with microseconds or nanoseconds: (time in ns, bytes)."""
    order = "<" if text[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    unit = 1 if struct.unpack(order + "I", text[:4])[0] == 0xa1b23c4d else 1000
    at, frames = 24, []
    while at < len(text):
        seconds, part, captured, _ = struct.unpack_from(order + "IIII", text, at)
        frames.append((seconds * SECOND + part * unit, text[at + 16:at + 16 + captured]))
        at += 16 + captured
    return frames


def folded(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


def udp_frame(number, payload=b"", source=7):
    """IPv4 and UDP with right checksums."""
    data = struct.pack(">Q", number) + payload
    udp = struct.pack(">HHHH", 1000 + source, 7148, 8 + len(data), 0) + data
    addresses = bytes([10, 0, 0, source, 239, 2, 1, 150])
    checksum = 0xffff - folded(addresses + struct.pack(">HH", 17, len(udp)) + udp)
    udp = udp[:6] + struct.pack(">H", checksum or 0xffff) + udp[8:]
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 1, 17, 0) + addresses
    ip = ip[:10] + struct.pack(">H", 0xffff - folded(ip)) + ip[12:]
    return bytes.fromhex("01005e020196020000000001") + b"\x08\x00" + ip + udp


FRAMES = [(SECOND * 1_700_000_000 + 2_000_000 * n, udp_frame(n, bytes(10 + n), 1 + n % 4)) for n in range(40)]


class Replay(pktverbs.TestCase):
    def replayed(self, text, *words, status=0, name="in.pcap"):
        """What replay sends into a capture file, and what it says."""
        path = self.folder / name
        path.write_bytes(text)
        out = self.folder / "out"
        result = self.expect(pktverbs.run("replay", f"pcap:out={out}", path, "--json", *words), status)
        frames = self.sent(out)
        self.assertEqual(result.total["packets"], len(frames), result)
        return frames, result.total

    def sent(self, path):
        files = [file for file in self.folder.glob(path.name + "*")]
        self.assertEqual(len(files), 1, files)
        text = subprocess.run(["tshark", "-r", files[0], "-F", "nsecpcap", "-w", "-"], capture_output=True, check=True).stdout
        files[0].unlink()
        return read_pcap(text)

    def setUp(self):
        super().setUp()
        if not shutil.which("tshark"):
            self.skipTest("NOT TESTED: no tshark here; its Debian package is tshark")

    def test_sends_each_frame_in_order_at_its_time(self):
        for magic, order in ((0xa1b23c4d, "<"), (0xa1b2c3d4, ">")):
            frames, total = self.replayed(pcap(FRAMES, magic, order))
            self.assertEqual([frame for _, frame in frames], [frame for _, frame in FRAMES])
            # As late as a busy machine makes it, but never early.
            for (time, _), (recorded, _) in zip(frames, FRAMES):
                self.assertGreaterEqual(time - frames[0][0], recorded - FRAMES[0][0] - total["late_max_ns"] - 100_000)
            self.assertGreaterEqual(total["sending_s"], 0.078)
            self.assertEqual(total["late_p50_ns"] > 0, True)

    def test_reads_pcapng(self):
        path = self.folder / "a.pcap"
        path.write_bytes(pcap(FRAMES))
        text = subprocess.run(["tshark", "-r", path, "-F", "pcapng", "-w", "-"], capture_output=True, check=True).stdout
        frames, _ = self.replayed(text, "--speed", "x10", name="in.pcapng")
        self.assertEqual([frame for _, frame in frames], [frame for _, frame in FRAMES])

    def test_keeps_other_times(self):
        _, total = self.replayed(pcap(FRAMES), "--speed", "max")
        self.assertIsNone(total["late_p50_ns"])
        _, total = self.replayed(pcap(FRAMES), "--rate", "1kpps")
        self.assertGreaterEqual(total["sending_s"], 0.039)
        _, total = self.replayed(pcap(FRAMES), "--speed", "2")
        self.assertGreaterEqual(total["sending_s"], 0.039)

    def test_repeats_and_ends(self):
        frames, _ = self.replayed(pcap(FRAMES), "--speed", "max", "--loop", 3)
        self.assertEqual([frame for _, frame in frames], 3 * [frame for _, frame in FRAMES])
        frames, _ = self.replayed(pcap(FRAMES), "--speed", "max", "--loop", 3, "-c", 50)
        self.assertEqual(len(frames), 50)
        frames, _ = self.replayed(pcap(FRAMES), "-t", "21ms")
        self.assertLessEqual(len(frames), 11)
        frames, total = self.replayed(pcap(FRAMES), "--loop", 2, "--speed", "x4")
        self.assertGreaterEqual(total["sending_s"], 0.0395)  # 79 distances of 2 ms, four times as fast

    def test_queues_keep_each_flow_in_order(self):
        frames, _ = self.replayed(pcap(FRAMES), "--speed", "max", "-q", 3)
        by_source = lambda all_frames: {source: [frame for frame in all_frames if frame[29] == source] for source in range(1, 5)}
        self.assertEqual(by_source([frame for _, frame in frames]), by_source([frame for _, frame in FRAMES]))

    def test_rewrites_addresses_with_their_checksums(self):
        frames, _ = self.replayed(pcap(FRAMES), "--speed", "max", "--dst", "10.9.8.7", "--src", "192.168.255.254", "--dst-mac",
                                  "02:00:00:00:00:09", "--src-mac", "02:00:00:00:00:08")
        for (_, frame), (_, before) in zip(frames, FRAMES):
            self.assertEqual(frame[:12].hex(), "020000000009020000000008")
            self.assertEqual(frame[26:34], bytes([192, 168, 255, 254, 10, 9, 8, 7]))
            self.assertEqual(folded(frame[14:34]), 0xffff)
            self.assertEqual(folded(frame[26:34] + struct.pack(">HH", 17, len(frame) - 34) + frame[34:]), 0xffff)
            self.assertEqual(frame[42:], before[42:])

    def test_counts_what_it_leaves_out(self):
        odd = [(SECOND, udp_frame(1)), (SECOND, udp_frame(2)[:40], 50), (SECOND, bytes(12)), (SECOND, bytes(9500)),
               (SECOND - 5, udp_frame(3))]
        frames, total = self.replayed(pcap(odd), status=3)
        self.assertEqual(len(frames), 2)
        self.assertEqual((total["cut_packets"], total["too_short_packets"], total["too_long_packets"], total["backwards_packets"]),
                         (1, 1, 1, 1), total)

    def test_says_where_a_file_is_broken(self):
        path = self.folder / "broken"
        for text, reason in ((b"", "cannot read"), (b"no capture file at all, but long enough", "cannot read"),
                             (pcap(FRAMES[:3])[:-5], "behind frame 2"), (pcap([], linktype=101), "not Ethernet"),
                             (pcap([]), None)):
            path.write_bytes(text)
            result = pktverbs.run("replay", f"pcap:out={self.folder / 'o'}", path)
            self.expect(result, 1 if reason else 3)
            self.assertIn(reason or "sent      0", result.err + result.out)
        self.assertIn("/nonexistent", self.expect(pktverbs.run("replay", f"pcap:out={self.folder / 'o'}", "/nonexistent"), 1).err)

    def test_reads_standard_input(self):
        out = self.folder / "out"
        done = subprocess.run([pktverbs.PROGRAM, "replay", f"pcap:out={out}", "-", "--speed", "max"], input=pcap(FRAMES),
                              capture_output=True, check=False)
        self.assertEqual(done.returncode, 0, done)
        self.assertEqual(len(self.sent(out)), len(FRAMES))

    def test_ends_with_totals_on_an_interrupt(self):
        path = self.folder / "slow"
        path.write_bytes(pcap([(0, udp_frame(1)), (1000 * SECOND, udp_frame(2))]))
        with pktverbs.Running(["replay", f"pcap:out={self.folder / 'o'}", path]) as running:
            self.assertIn("replaying", running.read_line())
            running.read_line()
            running.interrupt()
            self.assertIn("sent      1 packets", self.expect(running.wait(), 3).out)

    def test_waits_for_times_that_never_come(self):
        path = self.folder / "far"
        # A day apart, a million times as slow; and as far apart as the file can say.
        for text, words in ((pcap([(0, udp_frame(1)), (86400 * SECOND, udp_frame(2))]), ["--speed", "0.000001"]),
                            (pcap([(0, udp_frame(1)), (2147483647 * SECOND, udp_frame(2))]), ["--loop", 3])):
            path.write_bytes(text)
            with pktverbs.Running(["replay", f"pcap:out={self.folder / 'o'}", path, *words]) as running:
                self.assertIn("replaying", running.read_line())
                running.read_line()
                running.interrupt()
                self.assertIn("sent      1 packets", self.expect(running.wait(), 3).out)

    def test_refuses_times_that_nobody_has(self):
        # pcapng: a section, an interface in microseconds, and a frame at 2^63 us.
        frame = udp_frame(1)
        padded = frame + bytes(-len(frame) % 4)
        block = lambda kind, body: struct.pack("<II", kind, 12 + len(body)) + body + struct.pack("<I", 12 + len(body))
        text = block(0x0a0d0d0a, struct.pack("<IHHq", 0x1a2b3c4d, 1, 0, -1)) + block(1, struct.pack("<HHI", 1, 0, 0)) + \
            block(6, struct.pack("<IIIII", 0, 1 << 31, 0, len(frame), len(frame)) + padded)
        path = self.folder / "late.pcapng"
        path.write_bytes(text)
        result = pktverbs.run("replay", f"pcap:out={self.folder / 'o'}", path, "--speed", "max")
        # libpcap may refuse it first.
        self.expect(result, 1)

    def test_refuses(self):
        for words, reason in (([], "DEVICE"), (["pipe:a"], "FILE"), (["pipe:a", "f", "--speed", "fast"], "not a factor"),
                              (["pipe:a", "f", "--speed", "0"], "not a factor"), (["pipe:a", "f", "--speed", "x"], "not a factor"),
                              (["pipe:a", "f", "--rate", "1G", "--speed", "2"], "xclude"),
                              (["pipe:a", "-", "--loop", "2"], "once"), (["pipe:a", "-", "-q", "2"], "once"),
                              (["pipe:a", "f", "--dst", "1.2.3"], "not an IP"), (["pipe:a", "f", "--dst-mac", "1"], "not a MAC")):
            self.assertIn(reason, self.expect(pktverbs.run("replay", *words), 2).err)

    @unittest.skipUnless(shutil.which("tcpdump"), "NOT TESTED: no tcpdump here; its Debian package is tcpdump")
    def test_gives_tcpdump_what_tcpdump_recorded(self):
        """The frames that a tcpdump records are, replayed, those that another one records, as far apart."""
        cable = self.cable()

        def dump(name):
            # -j adapter_unsynced is not to be had on veth; times are the kernel's.
            process = subprocess.Popen(["ip", "netns", "exec", cable.names[1], "tcpdump", "-i", cable.interfaces[1], "-w",
                                        str(self.folder / name), "-U", "--immediate-mode", "-Z", "root", "udp", "port", "7148"],
                                       stderr=subprocess.PIPE, text=True)
            while "listening" not in process.stderr.readline():
                pass
            return process

        def stop(process, count):
            path = pathlib.Path(process.args[process.args.index("-w") + 1])
            for _ in range(2000):
                if path.exists() and path.stat().st_size > 24 and len(read_pcap(path.read_bytes())) >= count:
                    break
                subprocess.run(["sleep", "0.005"], check=True)
            process.send_signal(signal.SIGINT)
            process.communicate()
            return read_pcap(path.read_bytes())

        tcpdump = dump("first")
        self.expect(pktverbs.run("gen", f"packet:{cable.interfaces[0]}", "-c", 300, "--size", 200, "--rate", "1kpps", "--batch",
                                 1, netns=cable.names[0]))
        first = stop(tcpdump, 300)
        self.assertEqual(len(first), 300)
        tcpdump = dump("second")
        result = self.expect(pktverbs.run("replay", f"packet:{cable.interfaces[0]}", self.folder / "first", "--json",
                                          netns=cable.names[0]))
        second = stop(tcpdump, 300)
        self.assertEqual([frame for _, frame in second], [frame for _, frame in first])
        distances = lambda frames: [frames[n][0] - frames[0][0] for n in range(len(frames))]
        errors = sorted(abs(a - b) for a, b in zip(distances(second), distances(first)))
        median = errors[len(errors) // 2]
        print(f"spacing: median error {median / 1000} us; replay says {result.total['late_p50_ns'] / 1000} us late")
        # 10 us and less on an idle machine; a busy one takes the processor away for milliseconds.
        self.assertLess(median, 5_000_000)


if __name__ == "__main__":
    pktverbs.main()
