# SPDX-License-Identifier: Apache-2.0
"""Testpmd: DPDK's dpdk-testpmd, driven by its command line."""
import os
import re
import time

PROMPT = "testpmd> "


class Testpmd:
    """Forwards on one core, `cpu`; its command line sleeps on another, `main`."""

    made = 0

    def __init__(self, processes, cpu, main, vdevs, more=(), memory=512, mbufs=16384, inside=None):
        Testpmd.made += 1
        command = ["dpdk-testpmd", "-l", f"{min(cpu, main)},{max(cpu, main)}", f"--main-lcore={main}", "--no-huge",
                   "-m", str(memory), "--no-pci", "--no-telemetry", "--no-shconf", "--single-file-segments",
                   f"--file-prefix=bench{Testpmd.made}", *(f"--vdev={vdev}" for vdev in vdevs),
                   "--", "-i", "--nb-cores=1", f"--total-num-mbufs={mbufs}", *more]
        self.process = processes.start(command, inside=inside, terminal=True)
        self.process.read_until(PROMPT)
        self.begun = None

    def command(self, text):
        if not text.startswith("show "):
            self.process.text += f"; {text}"  # to be reported as a part of what was run
        self.process.write(text + "\n")
        return self.process.read_until(PROMPT)

    def counts(self):
        """{port: {"RX-packets": ..., ...}}"""
        found = {}
        for block in re.split(r"NIC statistics for port ", self.command("show port stats all"))[1:]:
            port = int(re.match(r"\d+", block)[0])
            found[port] = {name: int(count) for name, count in re.findall(r"([RT]X-\w+): +(\d+)", block)}
        return found

    def worker_seconds(self):
        """Processor time of the thread that forwards."""
        tasks = f"/proc/{self.process.child.pid}/task"
        for task in os.listdir(tasks):
            with open(f"{tasks}/{task}/comm", encoding="ascii") as comm:
                if "worker" not in comm.read():
                    continue
            with open(f"{tasks}/{task}/schedstat", encoding="ascii") as stat:
                return int(stat.read().split()[0]) * 1e-9
        raise RuntimeError("dpdk-testpmd has no worker thread")

    def begin_window(self):
        self.begun = self.counts(), self.worker_seconds(), time.monotonic()

    def end_window(self):
        """{port: {name: per second}} and the worker's share of its core since begin_window()."""
        before, cpu, begin = self.begun
        after, seconds = self.counts(), time.monotonic() - begin
        rates = {port: {name: (after[port][name] - before[port][name]) / seconds for name in after[port]}
                 for port in after}
        return rates, (self.worker_seconds() - cpu) / seconds

    def quit(self):
        """Before the other end of a shared memory goes."""
        self.process.kill()


def window(world, receiver, *others):
    """The rates of the receiver's ports in world.seconds, and the least share of a core."""
    ends = [receiver, *others]
    time.sleep(0.2)
    for end in ends:
        end.begin_window()
    time.sleep(world.seconds)
    seen = [end.end_window() for end in ends]
    return seen[0][0], min(share for _, share in seen)
