# SPDX-License-Identifier: Apache-2.0
"""Processes: the programs of a run, which end with it however it ends."""
import ctypes
import os
import pty
import select
import shlex
import signal
import subprocess
import tempfile
import time

import workspace

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


def die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """One program. Its output is read as it comes."""

    def __init__(self, command, environment, terminal):
        self.text = shlex.join(command).replace(workspace.ROOT + "/", "")
        self.output = ""
        if terminal:  # to a pipe, some programs print when their buffer is full
            self.end, there = pty.openpty()
            self.child = subprocess.Popen(command, stdin=there, stdout=there, stderr=there, start_new_session=True,
                                          preexec_fn=die_with_parent, env=environment)
        else:
            self.end, there = os.pipe()
            self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=there, stderr=there,
                                          start_new_session=True, preexec_fn=die_with_parent,
                                          env=environment)
        os.close(there)

    def read_until(self, words, seconds=30):
        """Returns what came before these words. None for `words`: until the program ends."""
        limit = time.monotonic() + seconds
        while words is None or words not in self.output:
            if not select.select([self.end], [], [], max(0, limit - time.monotonic()))[0]:
                raise RuntimeError(f"{self.text}: not within {seconds} s, after:\n{self.output[-2000:]}")
            try:
                read = os.read(self.end, 65536)
            except OSError:  # a terminal's way to say that nobody has it open any more
                read = b""
            if not read and words is None:
                break
            if not read:
                raise RuntimeError(f"{self.text}: has ended, after:\n{self.output[-2000:]}")
            self.output += read.decode(errors="replace")
        before, _, self.output = self.output.partition(words) if words else (self.output, "", "")
        return before

    def write(self, text):
        os.write(self.end, text.encode())

    def finish(self, seconds=60):
        """Returns the rest of the output of a program that ends by itself, and must do so with success."""
        output = self.read_until(None, seconds)
        if (status := self.child.wait(seconds)) != 0:
            raise RuntimeError(f"{self.text}: exit status {status}:\n{output[-2000:]}")
        return output

    def kill(self):
        if self.end >= 0:
            os.close(self.end)
            self.end = -1
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()


class Processes:
    """All that were started and not yet killed. A context manager, which kills them."""

    def __init__(self):
        self.running = []
        # Where DPDK's programs leave files; by default that is for the whole machine.
        self.folder = tempfile.TemporaryDirectory(prefix="pktverbs-bench.")
        self.environment = os.environ | {"RUNTIME_DIRECTORY": self.folder.name}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill_all()
        self.folder.cleanup()

    def kill_all(self):
        for process in reversed(self.running):
            process.kill()
        self.running.clear()

    def start(self, command, cpu=None, inside=None, terminal=False):
        """`inside`: a Namespace."""
        if cpu is not None:
            command = ["taskset", "-c", str(cpu), *command]
        process = Process([*(inside.enter() if inside else []), *command], self.environment, terminal)
        self.running.append(process)
        return process
