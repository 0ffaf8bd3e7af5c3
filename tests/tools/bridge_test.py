#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""bridge: two devices as a cable, three as a switch, with the kernel's stack and our own at their ends."""
import contextlib
import subprocess
import time

import pktverbs


def ip(*arguments):
    subprocess.run(["ip", *map(str, arguments)], check=True, capture_output=True, text=True)


class Star:
    """Hosts, each in a namespace with 10.198.55.N and joined by veth to the namespace `middle`, which has no addresses."""

    def __init__(self, hosts):
        self.middle = pktverbs.unique("pvm")
        self.hosts = [pktverbs.unique("pvh") for _ in range(hosts)]
        self.devices = []
        try:
            for name in [self.middle, *self.hosts]:
                ip("netns", "add", name)
                subprocess.run(["ip", "netns", "exec", name, "sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1"],
                               check=False, capture_output=True)
            for number, host in enumerate(self.hosts, 1):
                near, far = pktverbs.unique("v"), pktverbs.unique("v")
                ip("-n", host, "link", "add", near, "type", "veth", "peer", "name", far, "netns", self.middle)
                ip("-n", host, "addr", "add", f"10.198.55.{number}/24", "dev", near)
                ip("-n", host, "link", "set", near, "up")
                ip("-n", self.middle, "link", "set", far, "up")
                self.devices.append(f"packet:{far}")
        except Exception:
            self.close()
            raise

    def close(self):
        for name in [self.middle, *self.hosts]:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


class Bridge(pktverbs.TestCase):
    def star(self, hosts):
        if not pktverbs.can_make_namespaces():
            self.skipTest("NOT TESTED: network namespaces need root")
        star = Star(hosts)
        self.addCleanup(star.close)
        return star

    @contextlib.contextmanager
    def bridge(self, *arguments, json=False, **options):
        """Runs one; its result is in self.result afterwards."""
        runs = self.folder / "runs"
        words = ["--json", "--quiet", "--metrics", runs] if json else []
        with pktverbs.Running(["bridge", *arguments, *words], **options) as running:
            if json:
                while not runs.exists():  # it is written when the devices are open
                    self.assertIsNone(running.process.poll())
                    time.sleep(0.005)
            else:
                self.assertIn("frames between", running.read_line())
            yield running
            running.interrupt()
            self.result = running.wait()

    def check_sums(self, total):
        ports = total["ports"]
        for port in ports:
            with self.subTest(port["device"]):
                self.assertEqual(port["received"],
                                 port["forwarded"] + port["flooded"] + port["filtered"] + port["lost_bad"])
                self.assertEqual(port["offered"], port["sent"] + port["in_flight"] + sum(
                    port["lost_" + reason] for reason in ("too_long", "no_room", "refused", "failed", "unsent")))
        self.assertEqual(sum(port["offered"] for port in ports),
                         total["forwarded"] + total["flooded"] * (len(ports) - 1))

    def test_joins_two_stacks_of_the_kernel(self):
        star = self.star(2)
        with self.bridge(*star.devices, json=True, netns=star.middle):
            pktverbs.kernel_ping(star.hosts[0], "10.198.55.2", 20, 1400)
        total = self.expect(self.result).total
        self.check_sums(total)
        self.assertEqual((total["lost"], total["flooded"], total["filtered"]), (0, 0, 0))
        self.assertGreaterEqual(total["forwarded"], 42)  # and ARP
        self.assertEqual(total["sent"], total["forwarded"])

    def test_learns_who_is_where(self):
        star = self.star(3)
        with self.bridge(*star.devices, json=True, netns=star.middle):
            pktverbs.kernel_ping(star.hosts[0], "10.198.55.2", 20)
            pktverbs.kernel_ping(star.hosts[2], "10.198.55.1", 20)
        total = self.expect(self.result).total
        self.check_sums(total)
        self.assertEqual(total["lost"], 0)
        self.assertEqual((total["stations"], total["moves"]), (3, 0))
        self.assertGreaterEqual(total["forwarded"], 80)
        self.assertGreaterEqual(total["flooded"], 2)  # who has 10.198.55.N?
        # The third host got its own 20 answers, what was for all, and nothing of the first two's.
        self.assertLessEqual(total["ports"][2]["sent"], 20 + 2 * total["flooded"])

    def test_joins_pipes(self):
        pipes = [f"pipe:{pktverbs.unique()}" for _ in range(2)]
        with self.bridge(*pipes):
            with pktverbs.Running(["latency", "--echo", pipes[1], "--wait", "block"]) as echo:
                self.assertIn("answering probes", echo.read_line())
                result = self.expect(pktverbs.run("latency", pipes[0], "-c", 500, "--rate", "5kpps", "--wait", "block",
                                                  "--size", 1000, "--timeout", "20s", "--json"))
                self.assertEqual(result.total["received"], 500)
        out = self.expect(self.result).out
        self.assertRegex(out, r"(?m)^ 1 +501 +501 +501 +0 +0 +0$")
        self.assertRegex(out, r"(?m)^ 2 +501 +501 +501 +0 +0 +0$")
        self.assertLessEqual(max(map(len, out.splitlines())), 80)

    def test_impairs_and_tells_it_apart(self):
        pipes = [f"pipe:{pktverbs.unique()}" for _ in range(2)]
        with self.bridge(*pipes, "--impair", "delay=20ms", "--impair", "1:loss=0.3,seed=4"):
            with pktverbs.Running(["latency", "--echo", pipes[1], "--wait", "block"]) as echo:
                self.assertIn("answering probes", echo.read_line())
                for _ in range(20):  # ARP may be lost three times
                    result = pktverbs.run("latency", pipes[0], "-c", 100, "--rate", "5kpps", "--wait", "block",
                                          "--timeout", "500ms", "--json")
                    if result.status != 1:
                        break
                self.expect(result, 3)
        self.assertTrue(10 < result.total["lost"] < 70, result)
        self.assertGreaterEqual(result.total["from_sent_min_ns"], 40e6)
        out = self.expect(self.result).out  # what was asked for is no loss
        self.assertRegex(out, r"(?m)^   \d+ lost on purpose, before they were received$")

    def test_counts_what_nobody_takes(self):
        pipes = [f"pipe:{pktverbs.unique()}" for _ in range(3)]
        with self.bridge(*pipes, json=True):
            pktverbs.run("ping", pipes[0], "10.0.0.2", "--source", "10.0.0.1", "-c", 10, "-i", "1ms", "-W", "1ms",
                         "--peer-mac", "02:00:00:00:00:99")
        total = self.expect(self.result, 3).total
        self.check_sums(total)
        self.assertEqual((total["flooded"], total["lost"]), (10, 20))
        self.assertEqual([port["lost_unsent"] for port in total["ports"]], [0, 10, 10])

    def test_refuses_what_it_cannot_do(self):
        for words, why in ((["wire:a"], "DEVICES"), (["wire:a", "wire:b", "--impair", "3:loss=1"], "the numbers 1 to 2"),
                           (["wire:a", "wire:b", "--impair", "loss"], "give it as loss=0.01,delay=5ms"),
                           (["wire:a", "wire:b", "--impair", "lose=1"], "lose"),
                           (["wire:a", "wire:b", "--wait", "long"], "long")):
            with self.subTest(words):
                result = self.expect(pktverbs.run("bridge", *words), 2)
                self.assertIn(why, result.err)
                self.assertEqual(result.out, "")


if __name__ == "__main__":
    pktverbs.main()
