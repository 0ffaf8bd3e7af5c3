#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""top: programs that publish, and rings."""
import os
import pathlib
import signal
import subprocess

import pktverbs

RING_RECV = os.environ.get("RING_RECV")


class Top(pktverbs.TestCase):
    def start(self, *words, **options):
        running = pktverbs.Running(words, **options)
        self.addCleanup(running.__exit__)
        return running

    @staticmethod
    def file_of(process):
        return pathlib.Path(f"/dev/shm/pktverbs.{process}")

    def publisher(self, *words):
        """A sink on a pipe that publishes."""
        self.device = "pipe:" + pktverbs.unique()
        sink = self.start("sink", self.device, "-t", "50s", "--publish", *words)
        sink.read_line()
        return sink

    def entry(self, top, process):
        found = [program for program in top["programs"] if program["process"] == process]
        self.assertLessEqual(len(found), 1, top)
        return found[0] if found else None

    def test_shows_what_a_program_received_and_lost(self):
        sink = self.publisher()
        self.expect(pktverbs.run("gen", self.device, "-c", 500, "--size", 100, "--rate", "50kpps", "--quiet"))
        with pktverbs.Running(["top", "--json"]) as top:
            for _ in range(20):
                record = self.entry(pktverbs.json.loads(top.read_line()), sink.process.pid)
                self.assertIsNotNone(record)
                if record.get("packets") == 500:
                    break
            self.assertEqual((record["packets"], record["bytes"], record["lost_packets"]), (500, 50000, 0), record)
            self.assertEqual(record["subcommand"], "sink")
            self.assertTrue(record["arguments"].startswith(self.device), record)
            top.interrupt()
            self.assertEqual(self.expect(top.wait()).total["event"], "total")
        text = self.expect(pktverbs.run("top", "-c", 1))
        line = next(line for line in text.out.splitlines() if line.split()[:1] == [str(sink.process.pid)])
        self.assertIn(" 500 ", line)
        self.assertLessEqual(max(map(len, text.out.splitlines())), 80, text)
        sink.interrupt()
        sink.wait()
        self.assertFalse(self.file_of(sink.process.pid).exists())

    def test_removes_what_the_dead_left(self):
        sink = self.publisher()
        path = self.file_of(sink.process.pid)
        self.assertTrue(path.exists())
        sink.process.send_signal(signal.SIGKILL)
        sink.wait()
        self.assertTrue(path.exists())
        total = self.expect(pktverbs.run("top", "-t", "1ms", "--json")).total
        self.assertIsNone(self.entry(total, sink.process.pid))
        self.assertFalse(path.exists())

    def test_believes_no_stranger(self):
        with subprocess.Popen(["sleep", "100"]) as process:
            path = self.file_of(process.pid)
            try:
                start = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
                good = f"pktverbs-status 1 {process.pid} {start} gen 1\npktverbs_gen_packets 5\n"

                def seen():
                    total = self.expect(pktverbs.run("top", "-t", "1ms", "--json")).total
                    return self.entry(total, process.pid)

                path.write_text(good)
                self.assertEqual(seen()["packets"], 5)
                path.write_text(good + "#" * 300_000)
                self.assertIsNone(seen())
                path.write_text(good.replace(f" {start} ", f" {int(start) + 1} "))
                self.assertIsNone(seen())
                self.assertFalse(path.exists())
                os.mkfifo(path)
                self.assertIsNone(seen())
                path.unlink()
                other = self.folder / "file"
                other.write_text(good)
                path.symlink_to(other)
                self.assertIsNone(seen())
                path.unlink()
                if os.geteuid() == 0:
                    path.write_text(good)
                    os.chown(path, 65534, 65534)
                    self.assertIsNone(seen())
            finally:
                path.unlink(missing_ok=True)
                process.kill()

    def test_shows_rings(self):
        if not RING_RECV:
            self.skipTest("NOT TESTED: the example ring_recv was not built")
        name = pktverbs.unique("/pktverbs-test-")
        self.addCleanup(pathlib.Path("/dev/shm" + name).unlink, True)
        self.start("pipe:" + pktverbs.unique(), "--ring", name, "--dst-ip", "239.2.1.150", "--slots", 64, "--blocks",
                   8, program=RING_RECV).read_line()
        ring = [ring for ring in pktverbs.run("top", "-t", "1ms", "--json").total["rings"] if ring["name"] == name]
        self.assertEqual([(one["blocks"], one["filled_blocks"], one["producer"]) for one in ring], [(8, 0, "present")])
        self.assertIn(name, pktverbs.run("top", "-c", 1).out)

    def test_ctrl_c_ends_it_with_totals(self):
        with pktverbs.Running(["top"]) as top:
            top.read_line()
            top.interrupt()
            self.assertIn("at the end", self.expect(top.wait()).out)

    def test_wrong_arguments(self):
        for words in ["-c", "0"], ["-t", "soon"], ["eth0"]:
            self.expect(pktverbs.run("top", *words), 2)


if __name__ == "__main__":
    pktverbs.main()
