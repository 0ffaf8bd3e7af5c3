#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""run: a program on soft devices, or with the right to open raw sockets."""
import os
import pathlib
import signal
import subprocess

import pktverbs

FOLDER = pathlib.Path(pktverbs.PROGRAM).resolve().parent.parent / "dropin"
DROPIN = (FOLDER / "lib" / "libpktverbs-verbs.so").exists()
CAPABILITIES = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")


class SoftDevices(pktverbs.TestCase):
    def setUp(self):
        super().setUp()
        if not DROPIN:
            self.skipTest("NOT TESTED: this build has no drop-in library")

    def test_sets_devices_and_faults(self):
        words = ["--device", "wire:a", "--device=b=wire:b", "--faults", "loss=0.5", "--wait=7", "--"]
        result = self.expect(pktverbs.run("run", *words, "env", env={"PKTVERBS_DEVICES": "", "PKTVERBS_FAULTS": ""}))
        lines = result.out.splitlines()
        for line in "PKTVERBS_DEVICES=wire:a;b=wire:b", "PKTVERBS_FAULTS=loss=0.5", "PKTVERBS_WAIT=7":
            self.assertIn(line, lines)

    def test_prints_what_pktverbs_run_prints(self):
        words = ["--device", "wire:it's", "--preload", "--print"]
        ours = self.expect(pktverbs.run("run", *words))
        theirs = subprocess.run([FOLDER / "pktverbs-run", *words], capture_output=True, text=True, check=True)
        self.assertEqual(ours.out, theirs.stdout)

    def test_is_replaced_by_the_program(self):
        result = pktverbs.run("run", "--device", "wire:a", "sh", "-c", "exit 7")
        self.assertEqual(result.status, 7, result)
        result = pktverbs.run("run", "--device", "wire:a", "sh", "-c", "kill -TERM $$")
        self.assertEqual(result.status, -signal.SIGTERM, result)


class NetRaw(pktverbs.TestCase):
    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest("NOT TESTED: only root has capabilities to give up")

    def status_of(self, *words):
        result = self.expect(pktverbs.run("run", "--net-raw", *words, "cat", "/proc/self/status"))
        return dict(line.split(":\t", 1) for line in result.out.splitlines() if ":\t" in line)

    def check(self, status):
        for name in CAPABILITIES:
            self.assertEqual(int(status[name], 16), 1 << 13, name)

    def test_leaves_root_net_raw_only(self):
        status = self.status_of()
        self.check(status)
        self.assertEqual(status["Uid"].split()[0], "0")

    def test_leaves_another_user_net_raw_only(self):
        status = self.status_of("--user", "nobody")
        self.check(status)
        self.assertNotIn("0", status["Uid"].split())
        self.assertNotIn("0", status["Groups"].split())
        self.assertEqual(self.status_of("--user=" + status["Uid"].split()[0], "--")["Uid"], status["Uid"])

    def test_opens_raw_sockets_as_another_user(self):
        program = "import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)"
        python = "/usr/bin/python3"  # one that every user may run
        if not os.path.exists(python):
            self.skipTest(f"NOT TESTED: there is no {python}")
        self.expect(pktverbs.run("run", "--net-raw", "--user", "nobody", "--", python, "-c", program))

    def test_keeps_to_library_path(self):
        # ld.so(8) names what it preloads, and would drop these variables in secure mode (AT_SECURE).
        environment = {"LD_LIBRARY_PATH": str(self.folder), "LD_DEBUG": "libs"}
        for user in [], ["--user", "nobody"]:
            words = ["env", *(f"{name}={value}" for name, value in environment.items()), "cat", "/dev/null"]
            result = self.expect(pktverbs.run("run", "--net-raw", *user, *words))
            self.assertIn(f"search path={self.folder}", result.err)

    def test_gives_soft_devices_too(self):
        if not DROPIN:
            self.skipTest("NOT TESTED: this build has no drop-in library")
        status = self.status_of("--device", "wire:a")
        self.check(status)

    def test_says_what_is_missing(self):
        dropped = ["setpriv", "--reuid=65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"]
        result = subprocess.run([*dropped, pktverbs.PROGRAM, "run", "--net-raw", "true"], capture_output=True, text=True,
                                check=False)
        if "Permission denied" in result.stderr:
            self.skipTest("NOT TESTED: the build tree is root's alone")
        self.assertEqual(result.returncode, 1, result)
        self.assertIn("sudo pktverbs run --net-raw --user", result.stderr)


class Arguments(pktverbs.TestCase):
    def test_wrong_ones(self):
        for words, said in (([], "which program?"), (["--devise", "x"], "no option '--devise'"),
                            (["--net-raw"], "which program?"), (["--user", "nobody", "true"], "--net-raw"),
                            (["--net-raw", "--print"], "excludes"), (["--device"], "needs a value"),
                            (["--faults=", "true"], "needs a value")):
            result = pktverbs.run("run", *words)
            self.assertEqual(result.status, 2, result)
            self.assertIn(said, result.err)

    def test_help(self):
        result = self.expect(pktverbs.run("run", "--help"))
        self.assertIn("--net-raw", result.out)
        self.assertIn("--device", result.out)

    def test_programs_that_are_none(self):
        if os.geteuid() != 0:
            self.skipTest("NOT TESTED: only root has capabilities to give up")
        self.assertEqual(pktverbs.run("run", "--net-raw", "/no/such/program").status, 127)
        self.assertEqual(pktverbs.run("run", "--net-raw", "/dev/null").status, 126)
        result = pktverbs.run("run", "--net-raw", "--user", "no such user", "true")
        self.assertEqual(result.status, 1, result)
        self.assertIn("no such user", result.err)


if __name__ == "__main__":
    pktverbs.main()
