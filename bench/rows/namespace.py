# SPDX-License-Identifier: Apache-2.0
"""Network namespaces without names: they end, with their interfaces, with the process that holds them."""
import os
import subprocess
import time


class Namespace:
    def __init__(self, processes):
        self.holder = processes.start(["unshare", "--net", "sleep", "infinity"])
        self.pid = self.holder.child.pid
        here = os.readlink("/proc/self/ns/net")
        limit = time.monotonic() + 10
        while os.readlink(f"/proc/{self.pid}/ns/net") == here:
            if self.holder.child.poll() is not None or time.monotonic() > limit:
                raise RuntimeError(f"cannot make a network namespace: {self.holder.output or 'needs root'}")
            time.sleep(0.001)
        self.run("sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6")

    def enter(self):
        return ["nsenter", f"--net=/proc/{self.pid}/ns/net"]

    def run(self, *command):
        done = subprocess.run([*self.enter(), *command], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")


class Cable:
    """A veth pair between two namespaces, its ends va and vb: 02:00:00:00:00:0a and 10.0.0.1, 0b and 2."""

    def __init__(self, processes, mtu=1500):
        self.left, self.right = Namespace(processes), Namespace(processes)
        self.left.run("ip", "link", "add", "va", "mtu", str(mtu), "address", "02:00:00:00:00:0a", "type", "veth",
                      "peer", "name", "vb", "mtu", str(mtu), "address", "02:00:00:00:00:0b", "netns",
                      str(self.right.pid))
        self.left.run("ip", "link", "set", "va", "up")
        self.right.run("ip", "link", "set", "vb", "up")
        self.left.run("ip", "address", "add", "10.0.0.1/24", "dev", "va")
        self.right.run("ip", "address", "add", "10.0.0.2/24", "dev", "vb")
        limit = time.monotonic() + 10
        while "state UP" not in subprocess.run([*self.left.enter(), "ip", "link", "show", "va"], capture_output=True,
                                               text=True, check=True).stdout:
            if time.monotonic() > limit:
                raise RuntimeError("a veth pair does not come up")
            time.sleep(0.01)
