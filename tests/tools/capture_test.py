#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""capture: into a file, into a FIFO that tshark reads meanwhile, and where every packet went."""
import os
import pathlib
import shutil
import subprocess

import pktverbs

FLOW = "udp:239.2.1.150:7148"


class Capture(pktverbs.TestCase):
    def setUp(self):
        super().setUp()
        if not shutil.which("tshark"):
            self.skipTest("NOT TESTED: no tshark here; its Debian package is tshark")
        self.device = "pipe:" + pktverbs.unique()
        self.file = self.folder / "file.pcapng"

    def start(self, *words, options="", output=None, **others):
        running = pktverbs.Running(["capture", self.device + options, "-o", output or self.file, "--json", *words], **others)
        self.addCleanup(running.__exit__)
        return running

    def gen(self, *words):
        result = pktverbs.run("gen", self.device, "--json", "--size", 100, "--rate", "50kpps", *words)
        self.assertEqual(result.status, 3 if result.total["missed"] else 0, result)
        return result.total["packets"]

    def check_sums(self, total):
        self.assertEqual(total["received_packets"],
                         total["written_packets"] + total["filtered_packets"] + total["dropped_packets"], total)
        self.assertEqual(total["dropped_packets"], sum(
            total[key] for key in total if key.startswith("dropped_") and key != "dropped_packets"), total)
        self.assertEqual(total["lost_before_packets"], sum(
            total[f"lost_{reason}_packets"] for reason in ("out_of_buffer", "not_ready", "oversize", "link")), total)
        self.assertEqual(sum(flow["packets"] for flow in total["flows"]) + total["of_no_flow_packets"],
                         total["written_packets"] + total["filtered_packets"])

    def read(self, *fields, source=None):
        words = [word for field in fields for word in ("-e", field)]
        done = subprocess.run(["tshark", "-r", source or self.file, "-T", "fields", *words], capture_output=True, text=True, check=True)
        return [tuple(line.split("\t")) for line in done.stdout.splitlines()]

    def test_records_all_and_says_so(self):
        capture = self.start("--sequence", "0:8", "-c", 3000)
        self.gen("-c", 3000)
        total = self.expect(capture.wait()).total
        self.check_sums(total)
        self.assertEqual((total["written_packets"], total["missing_packets"]), (3000, 0))
        payloads = self.read("udp.payload")
        self.assertEqual([int(payload[:16], 16) for payload, in payloads], list(range(3000)))
        self.assertEqual(total["file_bytes"], self.file.stat().st_size)

    def test_counts_what_is_missing(self):
        capture = self.start("--sequence", "0:8", "-t", "1.5s", options="?loss=0.1&seed=5")
        sent = self.gen("-c", 3000)
        total = self.expect(capture.wait(), 3).total
        self.check_sums(total)
        self.assertEqual(sent, total["received_packets"] + total["lost_link_packets"], total)
        self.assertGreater(total["missing_packets"], 0)
        self.assertEqual(total["flows"][0]["missing_packets"], total["missing_packets"])

    def test_tells_flows_apart(self):
        flows = [FLOW, "udp:[ff15::42]:7149", "tcp:239.2.1.150:80", "udp:239.2.1.150:7148,vlan=100", "eth,type=0x88b5,mac=03:00:00:00:00:01"]
        # Where a flow without a VLAN would have its packets, too, the one with the VLAN comes first.
        order = [flows[3], *flows[:3], flows[4]]
        words = [word for flow in order for word in ("--flow", flow)]
        capture = self.start("-c", 500, *words)
        self.gen("-c", 500, *words)
        total = self.expect(capture.wait()).total
        self.check_sums(total)
        self.assertEqual([(flow["flow"], flow["packets"]) for flow in total["flows"]], [(flow, 100) for flow in order])

    def test_writes_what_a_filter_takes(self):
        flows = ["--flow", FLOW, "--flow", "tcp:239.2.1.150:80"]
        capture = self.start("-c", 200, *flows, "--filter", "tcp and len == 100")
        self.gen("-c", 200, *flows)
        total = self.expect(capture.wait()).total
        self.check_sums(total)
        self.assertEqual((total["written_packets"], total["filtered_packets"]), (100, 100))
        self.assertEqual(self.read("tcp.dstport"), 100 * [("80",)])
        for words, reason in (["--filter", "tcp and"], "--filter"), (["--filter", "tcp", "--format", "raw"], "raw"):
            result = self.expect(pktverbs.run("capture", self.device, "-o", self.file, *words), 2)
            self.assertIn(reason, result.err)

    def test_goes_on_in_other_files(self):
        self.file = self.folder / "a.b.pcapng"
        capture = self.start("-c", 3000, "--sequence", "0:8", "--rotate-size", "100000", "--block-slots", 64)
        self.gen("-c", 3000)
        total = self.expect(capture.wait()).total
        self.check_sums(total)
        files = sorted(self.folder.glob("*"))
        # A packet takes 132 bytes, a block of 64 of them 8448.
        self.assertEqual([file.name for file in files], [f"a.b-{n:05}.pcapng" for n in range(1, len(files) + 1)])
        self.assertEqual(len(files), 4)
        for file in files[:-1]:
            self.assertLess(abs(file.stat().st_size - 104000), 6000, file)
        self.assertEqual(total["file_bytes"], sum(file.stat().st_size for file in files))
        numbers = [int(payload[:16], 16) for file in files for payload, in self.read("udp.payload", source=file)]
        self.assertEqual(numbers, list(range(3000)))

    def test_goes_on_in_other_files_in_time(self):
        capture = self.start("-c", 200, "--rotate-time", "100ms", "--block-slots", 10)
        result = pktverbs.run("gen", self.device, "--size", 100, "--rate", "500pps", "-c", 200, "--json")
        self.assertEqual(result.total["packets"], 200)
        self.check_sums(self.expect(capture.wait()).total)
        files = sorted(self.folder.glob("file-*.pcapng"))
        self.assertGreaterEqual(len(files), 2)
        self.assertEqual(sum(len(self.read("frame.len", source=file)) for file in files), 200)

    def test_tshark_reads_a_fifo_meanwhile(self):
        fifo = self.folder / "fifo"
        os.mkfifo(fifo)
        capture = self.start("-t", "50s", output=fifo)
        with subprocess.Popen(["tshark", "-i", fifo, "-l", "-T", "fields", "-e", "udp.payload", "-c", "200"], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True) as tshark:
            self.gen("-c", 200)
            # A block is handed over when it is full or a second old.
            seen = [tshark.stdout.readline()[:16] for _ in range(200)]
            self.assertIsNone(capture.process.poll())
            tshark.stdout.close()
        self.assertEqual([int(number, 16) for number in seen], list(range(200)))
        capture.interrupt()
        capture.wait()

    def test_standard_output_has_nothing_but_the_recording(self):
        with open(self.file, "wb") as out:
            capture = pktverbs.Running(["capture", self.device, "-o", "-", "-c", 100, "--json"], stdout=out)
            self.gen("-c", 100)
            result = capture.wait()
        self.expect(result)
        self.assertEqual(len(self.read("frame.len")), 100)
        self.assertIn('"event": "total"', result.err)

    def test_ctrl_c_ends_it_while_it_waits_for_a_reader(self):
        fifo = self.folder / "fifo"
        os.mkfifo(fifo)
        with pktverbs.Running(["capture", self.device, "-o", fifo]) as capture:
            self.assertIn("capturing on", capture.read_line())
            capture.interrupt()
            result = capture.wait()
        self.assertIn(result.status, (1, 3), result)
        self.assertIn("sum       0 received = 0 written + 0 dropped", result.out)

    def test_text_adds_up(self):
        capture = pktverbs.Running(["capture", self.device, "-o", self.file, "-c", 100, "--sequence", "0:8"])
        capture.read_line()
        self.gen("-c", 100)
        result = self.expect(capture.wait())
        self.assertIn("sum       100 received = 100 written + 0 dropped", result.out)
        self.assertRegex(result.out, r"(?m)^flow      udp:239.2.1.150:7148 +100 packets,\n +missing 0, reordered 0, duplicated 0$")

    def test_answers_what_wireshark_asks(self):
        result = self.expect(pktverbs.run("capture", "--extcap-interfaces", "--extcap-version=4.0"))
        self.assertRegex(result.out, r"^extcap \{version=\d+\.\d+\.\d+\}")
        self.assertIn("interface {value=packet:lo}{display=pktverbs: packet:lo}\n", result.out)
        result = self.expect(pktverbs.run("capture", "--extcap-dlts", "--extcap-interface", "packet:lo"))
        self.assertEqual(result.out, "dlt {number=1}{name=EN10MB}{display=Ethernet}\n")
        result = self.expect(pktverbs.run("capture", "--extcap-config", "--extcap-interface", "packet:lo"))
        self.assertIn("{call=--flow}", result.out)
        for words in (["--capture"], ["--capture", "--fifo", "x"], ["--capture", "--extcap-interface", "pipe:a", "--fifo", "x",
                                                                  "--extcap-capture-filter", "no filter"]):
            self.expect(pktverbs.run("capture", *words), 2)

    def test_tshark_captures_by_it(self):
        """As a user sets it up: a link in the folder in which tshark looks for such programs."""
        cable = self.cable()
        folders = subprocess.run(["tshark", "-G", "folders"], capture_output=True, text=True, check=True).stdout
        folder = next((line.split(":", 1)[1].strip() for line in folders.splitlines() if line.startswith("Extcap path:")), None)
        if not folder or not os.path.isdir(folder):
            self.skipTest("NOT TESTED: tshark has no folder for such programs")
        extcap = self.folder / "extcap"
        extcap.mkdir()
        (extcap / "pktverbs-extcap").symlink_to(pathlib.Path(pktverbs.PROGRAM).with_name("pktverbs-extcap"))
        device = f"packet:{cable.interfaces[1]}"
        script = f'mount --bind {extcap} {folder} && exec tshark -i {device} -l -T fields -e udp.payload -c 100'
        with pktverbs.Running(["--mount", "sh", "-c", script], program="unshare", netns=cable.names[1]) as tshark:
            with pktverbs.Running(["gen", f"packet:{cable.interfaces[0]}", "--size", 100, "--rate", "1kpps", "-t", "50s"],
                                  netns=cable.names[0]) as gen:
                result = tshark.wait()
                gen.interrupt()
                gen.wait()
        self.expect(result)
        numbers = [int(line[:16], 16) for line in result.out.splitlines()]
        self.assertEqual(numbers, list(range(numbers[0], numbers[0] + 100)), result)

    def test_a_full_disk_ends_it(self):
        capture = self.start("-t", "50s", output="/dev/full")
        pktverbs.run("gen", self.device, "-t", "0.5s", "--quiet")
        result = self.expect(capture.wait(), 1)
        self.assertIn("No space left", result.err)
        self.check_sums({**result.total, "flows": [], "of_no_flow_packets": result.total["written_packets"]})
        self.assertGreater(result.total["dropped_disk_packets"], 0)

    def test_refuses(self):
        for words, reason in ((["capture", "pipe:a"], "--output"), (["capture", "-o", "x"], "DEVICE"),
                              (["capture", "pipe:a", "-o", ""], "no name"), (["capture", "pipe:a", "-o", "x", "--flow", "udq"], "--flow"),
                              (["capture", "pipe:a", "-o", "x", "--sequence", "0:9"], "--sequence"),
                              (["capture", "pipe:a", "-o", "x", "--flow", "eth,type=2048", "--sequence", "0:8"], "UDP"),
                              (["capture", "pipe:a", "-o", "-", "--rotate-time", "1s"], "standard output"),
                              (["capture", "pipe:a", "-o", "x", "--rotate-size", "0"], "--rotate-size"),
                              (["capture", "pipe:a", "-o", "x", "--policy", "hope"], "--policy")):
            self.assertIn(reason, self.expect(pktverbs.run(*words), 2).err)


if __name__ == "__main__":
    pktverbs.main()
