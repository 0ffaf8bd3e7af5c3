# SPDX-License-Identifier: Apache-2.0
"""What tests of the command pktverbs share: it is run as a user runs it."""
import itertools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

PROGRAM = os.environ.get("PKTVERBS", "pktverbs")
PATIENCE = 60  # seconds; only for what never ends by itself
_numbers = itertools.count()


class Result:
    """What a command printed, and how it ended."""

    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err

    def __repr__(self):
        return f"status {self.status}\n-- stdout:\n{self.out}\n-- stderr:\n{self.err}"

    @property
    def records(self):
        """The objects of --json."""
        return [json.loads(line) for line in self.out.splitlines() if line.strip()]

    @property
    def total(self):
        return self.records[-1]


class Running:
    """A command that goes on while the test does."""

    def __init__(self, arguments, netns=None, env=None, program=PROGRAM, stdout=subprocess.PIPE):
        command = [program, *map(str, arguments)]
        if netns:
            command = ["ip", "netns", "exec", netns, *command]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE,
                                        text=True, env={**os.environ, **(env or {})})

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)

    def read_line(self):
        return self.process.stdout.readline()

    def wait(self, seconds=PATIENCE):
        try:
            out, err = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            out, err = self.process.communicate()
            raise AssertionError(f"{self.process.args} did not end in {seconds} s: {Result('none', out, err)}") from None
        return Result(self.process.returncode, out or "", err)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


def run(*arguments, seconds=PATIENCE, **options):
    """Runs pktverbs with these arguments to its end."""
    with Running(arguments, **options) as running:
        return running.wait(seconds)


def unique(prefix="t"):
    """A name that no other test uses at the same time: of a pipe, an interface, a ring."""
    return f"{prefix}{os.getpid() % 100000}x{next(_numbers)}"


def can_make_namespaces():
    return os.geteuid() == 0 and shutil.which("ip") and subprocess.run(
        ["unshare", "-n", "true"], capture_output=True, check=False).returncode == 0


class Cable:
    """Two network namespaces joined by veth: side(0) has 10.198.54.1, side(1) 10.198.54.2, on its interface `name`."""

    def __init__(self, mtu=1500):
        self.names = [unique("pvt"), unique("pvt")]
        self.interfaces = [unique("v"), unique("v")]
        try:
            for name in self.names:
                self._ip("netns", "add", name)
            self._ip("-n", self.names[0], "link", "add", self.interfaces[0], "mtu", mtu, "type", "veth", "peer", "name",
                     self.interfaces[1], "mtu", mtu, "netns", self.names[1])
            for index, (name, interface) in enumerate(zip(self.names, self.interfaces)):
                # Only what a test sends is on the cable.
                subprocess.run(["ip", "netns", "exec", name, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1",
                                "net.ipv6.conf.default.disable_ipv6=1"], check=False, capture_output=True)
                self._ip("-n", name, "addr", "add", f"10.198.54.{index + 1}/24", "dev", interface)
                self._ip("-n", name, "link", "set", "lo", "up")
                self._ip("-n", name, "link", "set", interface, "up")
        except Exception:
            self.close()
            raise

    @staticmethod
    def _ip(*arguments):
        subprocess.run(["ip", *map(str, arguments)], check=True, capture_output=True, text=True)

    def close(self):
        for name in self.names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def kernel_ping(netns, address, count=3, size=56):
    """Pings from a namespace's own network stack. Raises if there is no answer."""
    subprocess.run(["ip", "netns", "exec", netns, sys.executable, pathlib.Path(__file__).with_name("kernel_ping.py"),
                    address, str(count), str(size)], check=True, timeout=PATIENCE)


class TestCase(unittest.TestCase):
    """With a folder of its own, `self.folder`."""

    def setUp(self):
        self._temporary = tempfile.TemporaryDirectory(prefix="pktverbs-test-")
        self.addCleanup(self._temporary.cleanup)
        self.folder = pathlib.Path(self._temporary.name)

    def expect(self, result, status=0):
        """The exit status, with all that was printed if it is another."""
        self.assertEqual(result.status, status, result)
        return result

    def cable(self, **options):
        if not can_make_namespaces():
            self.skipTest("NOT TESTED: network namespaces need root")
        cable = Cable(**options)
        self.addCleanup(cable.close)
        return cable


def main():
    program = unittest.main(argv=[sys.argv[0], "-v", *sys.argv[1:]], exit=False)
    result = program.result
    if result.wasSuccessful() and result.skipped and len(result.skipped) == result.testsRun:
        print(f"NOT TESTED: {result.skipped[0][1].removeprefix('NOT TESTED: ')}")
        sys.exit(77)
    sys.exit(not result.wasSuccessful())
