#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""devices: interfaces as sysfs has them, and what they can do."""
import os
import shutil
import subprocess

import pktverbs
import sysfs


class Devices(pktverbs.TestCase):
    def test_lists_what_is_here(self):
        cable = self.cable()
        name = cable.interfaces[0]
        # Its namespace has a sysfs of its own.
        result = self.expect(pktverbs.run("devices", "--json", netns=cable.names[0]))
        device = next(record for record in result.records if record["name"] == name)
        self.assertEqual((device["state"], device["mtu"], device["raw_packets"], device["device"]),
                         ("up", 1500, True, f"packet:{name}"), device)
        self.assertEqual(device["speed_bps"], 10e9)
        self.assertRegex(device["mac"], "^([0-9a-f]{2}:){5}[0-9a-f]{2}$")
        subprocess.run(["ip", "-n", cable.names[0], "link", "set", name, "down"], check=True)
        result = self.expect(pktverbs.run("devices", netns=cable.names[0]))
        self.assertRegex(result.out, rf"(?m)^{name}\n  state +down, ")

    def test_text_has_eighty_columns_and_all_kinds(self):
        result = self.expect(pktverbs.run("devices"))
        for line in result.out.splitlines():
            self.assertLessEqual(len(line), 80, line)
        for kind in "INTERFACE", "ibv:NAME", "packet:", "pipe:NAME", "memif:", "wire:NAME":
            self.assertIn("\n  " + kind, result.out)

    def test_shows_a_card(self):
        sysfs.card(self.folder, "eth7", mtu=9000, speed=100000, numa_node=1, pci="0000:3b:00.0", driver="mlx5_core",
                   now=("8.0 GT/s PCIe", 4), most=("16.0 GT/s PCIe", 16))
        sysfs.interface(self.folder, "lo", flags="0x9", mtu=65536)
        result = self.expect(pktverbs.run("devices", "--sysfs", self.folder / "sys"))
        text = " ".join(result.out.split())
        self.assertIn("eth7 state up, 100 Gb/s, MTU 9000, mlx5_core at 0000:3b:00.0 (8 GT/s x4), NUMA node 1", text)
        self.assertLess(result.out.index("eth7"), result.out.index("\nlo\n"))
        record = pktverbs.run("devices", "--json", "--sysfs", self.folder / "sys").records[0]
        self.assertEqual((record["name"], record["numa_node"], record["pci_link"], record["speed_bps"]),
                         ("eth7", 1, "8 GT/s x4", 100e9))
        self.assertIn("error", record)  # there is no such interface really

    def test_says_what_needs_privileges(self):
        if os.geteuid() != 0 or not shutil.which("setpriv"):
            self.skipTest("NOT TESTED: needs root")
        done = subprocess.run(["setpriv", "--reuid=65534", "--clear-groups", pktverbs.PROGRAM, "devices"], capture_output=True,
                              text=True, check=False)
        self.assertEqual(done.returncode, 0, done)
        self.assertIn("CAP_NET_RAW", done.stdout)

    def test_refuses(self):
        self.expect(pktverbs.run("devices", "eth0"), 2)
        self.assertIn("cannot list", self.expect(pktverbs.run("devices", "--sysfs", "/nonexistent"), 1).err)


if __name__ == "__main__":
    pktverbs.main()
