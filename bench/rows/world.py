# SPDX-License-Identifier: Apache-2.0
"""World: what rows measure with: this project's programs, two processors, and the processes of one sample."""
import contextlib
import json
import os

from figure import Figure
from processes import Processes
from testpmd import Testpmd


class World:
    def __init__(self, folder, seconds):
        self.folder = folder  # of our programs
        self.seconds = seconds  # of a sample
        processors = sorted(os.sched_getaffinity(0))
        if len(processors) < 2:
            raise RuntimeError("two processors are needed")
        self.first, self.second = processors[:2]
        self.processes = None

    @contextlib.contextmanager
    def fresh(self):
        with Processes() as self.processes:
            yield self.processes

    def start(self, program, *arguments, cpu=None, inside=None):
        command = [os.path.join(self.folder, program), *map(str, arguments)]
        return self.processes.start(command, cpu=self.second if cpu is None else cpu, inside=inside)

    def testpmd(self, cpu, vdevs, **options):
        return Testpmd(self.processes, cpu, self.first if cpu == self.second else self.second, vdevs, **options)

    def cache_line_ns(self):
        """Of the two processors, for a process of its own."""
        with Processes() as self.processes:
            return self.measure_cache_line()

    def measure_cache_line(self):
        return float(self.start("cache_line", self.first, self.second, cpu=f"{self.first},{self.second}").finish())

    def one_core(self, *paths, patience=60):
        """What the program one_core reports of each path."""
        lines = self.start("one_core", self.seconds, *paths).finish(patience).splitlines()
        return [json.loads(line) for line in lines]

    def transfer(self, receiver, sender, size, lossy=False, cable=None, more=()):
        """Ours at both ends, in two processes."""
        options = ["--bytes", size, "--seconds", self.seconds, *more]
        receiving = self.receive(receiver, *options, *(["--lossy"] if lossy else []), inside=cable and cable.right)
        sending = self.start("transfer", "send", sender, *options, cpu=self.first, inside=cable and cable.left)
        sent, received = json.loads(sending.finish()), json.loads(receiving.finish())
        if received["wrong"] or not lossy and sent["frames"] != received["frames"]:
            raise RuntimeError(f"sent {sent}, received {received}")
        return Figure(received["per_second"], min(sent["cpu_share"], received["cpu_share"]),
                      1 - received["frames"] / sent["frames"] if lossy else None)

    def receive(self, device, *options, inside=None):
        receiving = self.start("transfer", "receive", device, *options, inside=inside)
        receiving.read_until("ready\n")
        return receiving

    def round_trip(self, answering, asking, cable=None, options=(), same_core=False):
        """What the program round_trip reports."""
        first = self.second if same_core else self.first
        answer = self.start("round_trip", "answer", answering, *options, inside=cable and cable.right)
        answer.read_until("ready\n")
        asked = self.start("round_trip", "ask", asking, *options, cpu=first, inside=cable and cable.left)
        said = json.loads(asked.finish())
        if said["lost"]:
            raise RuntimeError(f"frames were lost: {said}")
        return said
