#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ring: rings of ring_recv, seen by one that is neither their producer nor their consumer."""
import os
import shutil
import subprocess
import unittest

import pktverbs

RING_RECV = os.environ.get("RING_RECV")


class Ring(pktverbs.TestCase):
    def setUp(self):
        super().setUp()
        self.name = pktverbs.unique("/pktverbs-test-")
        self.file = "/dev/shm" + self.name
        self.addCleanup(lambda: os.path.exists(self.file) and os.unlink(self.file))

    def receiver(self, *words):
        if not RING_RECV:
            self.skipTest("NOT TESTED: the example ring_recv was not built")
        self.device = "pipe:" + pktverbs.unique()
        running = pktverbs.Running([self.device, "--ring", self.name, "--dst-ip", "239.2.1.150", "--slots", 64,
                                    "--blocks", 64, *words], program=RING_RECV)
        self.addCleanup(running.__exit__)
        running.read_line()  # it has the ring, and receives: with room for a thousand packets that it has not seen yet
        return running

    def send(self, count):
        self.expect(pktverbs.run("gen", self.device, "-c", count, "--size", 100, "--rate", "100kpps", "--quiet"))

    def stat(self):
        return self.expect(pktverbs.run("ring", "stat", self.name, "--json")).total

    def wait_for(self, key, value):
        for _ in range(1000):
            if self.stat()[key] == value:
                return
        self.fail(f"{key} is not {value}: {self.stat()}")

    def test_sees_what_waits_and_takes_nothing(self):
        producer = self.receiver()
        self.send(192)  # whole blocks: one that is half full is handed over after a second
        self.wait_for("filled_blocks", 3)
        stat = self.stat()
        self.assertEqual((stat["blocks"], stat["block_slots"], stat["handed_over_blocks"]), (64, 64, 3), stat)
        self.assertEqual((stat["producer"], stat["consumer"], stat["producers"]), ("present", "absent", 1), stat)
        for _ in range(2):
            blocks = self.expect(pktverbs.run("ring", "dump", self.name, "--json")).records
            self.assertEqual([(block["block"], block["base"], block["packets"], block["missing"]) for block in blocks],
                             [(n, 64 * n, 64, 0) for n in range(3)])
        self.assertIn("packets 64 to 127, 0 missing", pktverbs.run("ring", "dump", self.name).out)
        one = self.expect(pktverbs.run("ring", "dump", self.name, "--packets", "-c", 1))
        self.assertEqual(one.out.count("\n"), 65, one)
        self.assertIn("packet 63: 100 bytes, at ", one.out)
        listed = [ring for ring in pktverbs.run("ring", "ls", "--json").records if ring["name"] == self.name]
        self.assertEqual(len(listed), 1)
        self.assertIn(self.name, pktverbs.run("ring", "ls").out)
        self.assertEqual(self.stat()["filled_blocks"], 3)

        refused = self.expect(pktverbs.run("ring", "rm", self.name), 1)
        self.assertIn("in use", refused.err)
        self.assertTrue(os.path.exists(self.file))
        producer.process.kill()
        producer.wait()
        self.assertEqual(self.stat()["producer"], "died")
        self.expect(pktverbs.run("ring", "rm", self.name.removeprefix("/")))
        self.assertFalse(os.path.exists(self.file))
        self.assertIn("No such file", self.expect(pktverbs.run("ring", "rm", self.name), 1).err)

    def test_removes_by_force(self):
        self.receiver()
        self.expect(pktverbs.run("ring", "rm", self.name, "--force"))
        self.assertFalse(os.path.exists(self.file))

    @unittest.skipUnless(shutil.which("tshark"), "NOT TESTED: no tshark here; its Debian package is tshark")
    def test_dumps_packets_as_pcapng(self):
        self.receiver()
        self.send(128)
        self.wait_for("filled_blocks", 2)
        file = self.folder / "ring.pcapng"
        self.expect(pktverbs.run("ring", "dump", self.name, "-o", file))
        for source in (["-r", str(file)], ["-r", "-"]):
            with pktverbs.Running(["ring", "dump", self.name, "-o", "-"]) as dump:
                read = subprocess.run(["tshark", "-T", "fields", "-e", "frame.len", "-e", "ip.dst", *source],
                                      stdin=dump.process.stdout, capture_output=True, text=True, check=True)
            self.assertEqual(read.stdout.splitlines(), 128 * ["100\t239.2.1.150"])

    def test_refuses_what_is_no_ring(self):
        with open(self.file, "wb") as file:
            file.write(b"PTVRING1" + bytes(8192))
        os.chmod(self.file, 0o600)
        self.expect(pktverbs.run("ring", "stat", self.name), 1)
        self.expect(pktverbs.run("ring", "rm", self.name), 1)
        self.assertTrue(os.path.exists(self.file))
        listed = self.expect(pktverbs.run("ring", "ls", "--json")).records
        self.assertIn("error", next(ring for ring in listed if ring["name"] == self.name))

    def test_refuses(self):
        for words, reason in ((["list"], "VERB"), ([], "VERB"), (["ls", "/x"], "stat NAME"), (["stat"], "needs the name"),
                              (["dump", "/a", "/b"], "one ring"), (["rm"], "needs the name"),
                              (["stat", "/a", "--force"], "--force is for rm"), (["ls", "-o", "x"], "--output is for"),
                              (["rm", "/a", "--packets"], "--packets is for"), (["dump", "/a", "-c", 0], "--count")):
            self.assertIn(reason, self.expect(pktverbs.run("ring", *words), 2).err)
        self.assertIn("no other", self.expect(pktverbs.run("ring", "stat", "/a/b"), 1).err)


if __name__ == "__main__":
    pktverbs.main()
