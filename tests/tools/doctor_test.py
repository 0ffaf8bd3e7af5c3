#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""doctor: findings by cause, with commands, and as a script."""
import os
import shutil
import subprocess

import pktverbs
import sysfs


class Doctor(pktverbs.TestCase):
    def card(self, **options):
        settings = {"pci": "0000:3b:00.0", "driver": "mlx5_core", "now": ("8.0 GT/s PCIe", 4), "most": ("16.0 GT/s PCIe", 16),
                    "numa_node": 1, "local_cpus": "8-15", "speed": 100000, "irqs": [(40, "0-3"), (41, "8"), (42, "2")]}
        sysfs.card(self.folder, "eth7", **{**settings, **options})

    def findings(self, *words, device="wire:eth7", status=3):
        result = self.expect(pktverbs.run("doctor", device, "--json", *words), status)
        self.assertEqual(len(result.records), 1)
        report = result.total
        for severity in "problem", "warning":
            self.assertEqual(report[severity + "s"], sum(one["severity"] == severity for one in report["findings"]))
        return {finding["what"]: finding for finding in report["findings"]}

    def test_compares_the_slot_with_the_port(self):
        self.card()
        pcie = self.findings("--root", self.folder)["pcie"]
        self.assertEqual((pcie["severity"], pcie["cause"]), ("warning", "bus"))
        self.assertIn("8 GT/s x4 carries 31.5 Gb/s, the port 100 Gb/s", pcie["value"])
        self.assertIn("16 GT/s x16", pcie["advice"])
        self.assertEqual(pcie["command"], "lspci -vv -s 0000:3b:00.0 | grep Lnk")

    def test_is_content_with_a_slot_that_is_wide_enough(self):
        self.card(now=("16.0 GT/s PCIe", 16), irqs=[(40, "9")])
        findings = self.findings("--root", self.folder, status=0)
        self.assertEqual(findings["pcie"]["severity"], "ok")
        self.assertEqual(findings["irqs"]["severity"], "ok")

    def test_finds_interrupts_of_another_node(self):
        self.card()
        irqs = self.findings("--root", self.folder)["irqs"]
        self.assertIn("2 of 3", irqs["value"])
        self.assertEqual(irqs["command"], "for irq in 40 42; do echo 8,9,10,11,12,13,14,15 > /proc/irq/$irq/smp_affinity_list; done")

    def test_a_script_has_no_command_that_only_looks(self):
        self.card()
        script = self.expect(pktverbs.run("doctor", "wire:eth7", "--root", self.folder, "--fix"), 3).out
        self.assertIn("\n# lspci -vv", script)
        self.assertIn("\nfor irq in 40 42; do", script)
        self.assertNotIn("set -e", script)

    def test_knows_isolated_processors(self):
        self.card()
        sysfs.write(self.folder / "sys/devices/system/cpu/isolated", "2-3")
        isolated = self.findings("--root", self.folder)["isolated_cpus"]
        self.assertEqual((isolated["severity"], isolated["value"]), ("warning", "2,3"))
        sysfs.write(self.folder / "sys/devices/system/cpu/isolated", "2,9")
        self.assertEqual(self.findings("--root", self.folder)["isolated_cpus"]["severity"], "ok")

    def test_a_device_that_works_has_no_problem(self):
        result = self.expect(pktverbs.run("doctor", "wire:doctor"))
        self.assertRegex(result.out, r"^wire:doctor: 0 problems, \d+ warnings?, \d+ as it should be")
        everything = self.expect(pktverbs.run("doctor", "wire:doctor", "--all"))
        self.assertIn("\nsteering\n", everything.out)
        self.assertIn("flow_udp", everything.out)
        for line in everything.out.splitlines():
            if "$" not in line:
                self.assertLessEqual(len(line), 80, line)

    def test_a_device_that_is_not_there_is_a_problem(self):
        findings = self.findings(device="packet:nothing0")
        self.assertEqual(findings["device"]["severity"], "problem")

    def test_says_what_to_paste(self):
        cable = self.cable()
        # The kernel joins segments on loopback, unless it is told not to.
        result = pktverbs.run("doctor", "packet:lo", netns=cable.names[0])
        self.assertIn("\nkernel\n", result.out)
        self.assertIn("$ ethtool -K lo gro off\n", result.out)
        script = pktverbs.run("doctor", "packet:lo", "--fix", netns=cable.names[0]).out
        self.assertTrue(script.startswith("#!/bin/sh\n"), script)
        self.assertIn("\nethtool -K lo gro off\n", script)
        self.assertEqual(subprocess.run(["sh", "-n"], input=script, text=True, check=False).returncode, 0)

    def test_a_script_runs_nothing_that_a_name_says(self):
        cable = self.cable()
        name = "v;touch$IFS-x"[:15]
        subprocess.run(["ip", "-n", cable.names[0], "link", "set", cable.interfaces[0], "down"], check=True)
        subprocess.run(["ip", "-n", cable.names[0], "link", "set", cable.interfaces[0], "name", name], check=True)
        script = pktverbs.run("doctor", f"packet:{name}", "--fix", netns=cable.names[0]).out
        for line in script.splitlines():
            self.assertTrue(line.startswith("#") or "touch" not in line, script)

    def test_unprivileged(self):
        if os.geteuid() != 0 or not shutil.which("setpriv"):
            self.skipTest("NOT TESTED: needs root")
        done = subprocess.run(["setpriv", "--reuid=65534", "--clear-groups", pktverbs.PROGRAM, "doctor", "packet:lo"],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 3, done)
        self.assertIn("$ sudo pktverbs run --net-raw", done.stdout)

    def test_refuses(self):
        self.expect(pktverbs.run("doctor"), 2)
        self.expect(pktverbs.run("doctor", "wire:a", "--json", "--fix"), 2)
        self.expect(pktverbs.run("doctor", "wire:a", "--queues", 0), 2)


if __name__ == "__main__":
    pktverbs.main()
