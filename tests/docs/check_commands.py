#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the documents' commands as written, in separate network namespaces.

Every block of code in the documents that is not C++ or CMake must be in commands.txt (tool_commands.txt for
docs/tools.md and docs/tools/), which says of each
command how it is run here, or why not. Exit status 77 if all passed but some need what is not here.
"""
import argparse
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

LIMIT = 60  # seconds for one command; those here take one or two


def fail(text):
    sys.exit(f"FAILED: {text}")


def blocks_of(document):
    """The blocks of code, each a list of lines: fenced, but not as C++ or CMake, or indented by four or more."""
    blocks, block, fence, before = [], None, None, ""
    for line in document.read_text(encoding="utf-8").splitlines():
        if fence is not None:
            if line == "```":
                if fence not in ("```cpp", "```cmake", "```mermaid"):
                    blocks.append(block)
                fence = block = None
            else:
                block.append(line)
        elif line.startswith("```"):
            fence, block = line, []
        elif re.match(r" {4,}\S", line) and (block is not None or not before.strip()):
            if block is None:
                block = []
                blocks.append(block)
            block.append(line)
        elif not line.strip() and block is not None:
            block.append("")
        else:
            block = None
        before = line
    dedented = []
    for block in blocks:
        margin = min(len(line) - len(line.lstrip()) for line in block if line.strip())
        dedented.append([line[margin:] for line in block])
    return dedented


def commands_of(block):
    """Its commands, each as the shell reads it: with all lines up to where it is complete."""
    command = ""
    for line in block:
        if not command and not line.strip():
            continue
        command += line + "\n"
        if not line.endswith("\\") and subprocess.run(["bash", "-n", "-c", command], capture_output=True).returncode == 0:
            yield command.rstrip("\n")
            command = ""
    if command.strip():
        fail(f"no shell takes that for a command: {command}")


def without_comment(line):
    return re.sub(r"\s+# .*", "", line)


class Entry:
    def __init__(self, document, first_line):
        self.document, self.first_line = document, first_line
        self.how = None
        self.settings = []  # (key, value)
        self.used = False

    def all(self, key):
        return [value for name, value in self.settings if name == key]

    def statuses(self):
        return [int(status) for status in (self.all("status") or ["0"])[0].split("|")]


KINDS = ("text", "run", "session", "alike", "output", "not run")
KEYS = {"replace", "needs", "beside", "until", "status"}


def read_entries(path):
    entries, entry = {}, None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if not line.startswith("  "):
            document, separator, first_line = line.partition(": ")
            if not separator or line in entries:
                fail(f"{path}:{number}: neither DOCUMENT: FIRST LINE, nor new: {line}")
            entry = entries[line] = Entry(document, first_line)
        elif entry.how is None:
            entry.how = line.strip()
            if not any(re.match(kind + r"\b", entry.how) for kind in KINDS):
                fail(f"{path}:{number}: not one of {', '.join(KINDS)}: {line}")
        else:
            key, separator, value = line.strip().partition(": ")
            if not separator or key not in KEYS:
                fail(f"{path}:{number}: not one of {', '.join(sorted(KEYS))}: {line}")
            entry.settings.append((key, value))
    for name, entry in entries.items():
        if entry.how is None or entry.how in ("not run", "not run:"):
            fail(f"{path}: nothing, or no reason, is said of {name}")
    return entries


def enter_namespaces():
    """From here on the script runs in namespaces of its own, as root of a user namespace if it has to."""
    if sys.argv[-1] == "--inside":
        return ""
    flags = ["--net", "--mount"]
    if os.geteuid() != 0 or subprocess.run(["unshare", *flags, "true"], capture_output=True).returncode != 0:
        flags += ["--user", "--map-root-user"]
    probe = ["unshare", *flags, "ip", "link", "add", "probe0", "type", "veth", "peer", "name", "probe1"]
    tried = subprocess.run(probe, capture_output=True, text=True)
    if tried.returncode != 0:
        return f"needs root or an unprivileged user namespace, and veth: {tried.stderr.strip()}"
    os.execvp("unshare", ["unshare", *flags, sys.executable, *sys.argv, "--inside"])


class World:
    """This network namespace and a peer's: eth0 is wired to eth0 there, veth0 to veth0."""

    def __init__(self, folders):
        self.work = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self.work.name)
        self.environment = {"HOME": self.work.name, "LANG": "C.UTF-8", "PATH": ":".join(
            [self.work.name + "/bin", *folders, "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"])}
        # Where interfaces are looked for; some sandboxes don't allow it, and packet sockets don't need it.
        subprocess.run(["mount", "-t", "sysfs", "sysfs", "/sys"], capture_output=True)
        self.holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo; exec cat"], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE)
        self.holder.stdout.readline()
        self.at_peer = ["nsenter", f"--net=/proc/{self.holder.pid}/ns/net"]
        for number, name in enumerate(["eth0", "veth0"]):
            subprocess.run(["ip", "link", "add", name, "type", "veth", "peer", "name", name, "netns", str(self.holder.pid)],
                           check=True)
            for side, prefix in enumerate([[], self.at_peer]):
                for words in (["link", "set", "lo", "up"], ["link", "set", name, "addrgenmode", "none"],
                              ["address", "add", f"10.{77 + number}.0.{1 + side}/24", "dev", name],
                              ["link", "set", name, "up"]):
                    subprocess.run([*prefix, "ip", *words], check=True)
        self.begun = []

    def prefix(self, how):
        return self.at_peer if "at the peer" in how else []

    def bash(self, command):
        # Without -e: a command that fails inside a line of others says so by the line's status, as when it is typed.
        return ["bash", "-c", command]

    def run(self, command, how):
        return subprocess.run([*self.prefix(how), *self.bash(command)], cwd=self.folder, env=self.environment, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT)

    def begin(self, command, how, statuses=(0,)):
        output = tempfile.TemporaryFile("w+")
        process = subprocess.Popen([*self.prefix(how), *self.bash("exec " + command)], cwd=self.folder, text=True,
                                   env=self.environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        self.begun.append((command, process, output, statuses))

    def end_all(self):
        """Ends what was begun as a person does, by Ctrl-C. It must take that for success."""
        for command, process, output, statuses in self.begun:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            status = process.wait(LIMIT)
            output.seek(0)
            print(output.read(), end="")
            if status not in statuses:
                fail(f"exit status {status} after SIGINT: {command}")
        self.begun = []

    def close(self):
        for _, process, *_ in self.begun:
            process.kill()
        self.holder.stdin.close()
        self.holder.wait(LIMIT)


class Runner:
    def __init__(self, world):
        self.world, self.missing = world, []

    def lacks(self, entry):
        for need in entry.all("needs"):
            if need == "another user":
                if subprocess.run(["setpriv", "--ruid", "65534", "true"], capture_output=True).returncode != 0:
                    print(f"NOT TESTED: {entry.first_line}: needs root, and a second user id")
                    self.missing.append(need)
                    return True
                continue
            command, _, package = need.partition(" ")
            if not shutil.which(command, path=self.world.environment["PATH"]):
                print(f"NOT TESTED: {entry.first_line}: no {command} here; its Debian package is {package.strip('()')}")
                self.missing.append(command)
                return True
        return False

    def typed(self, entry, command, block=""):
        """The command as it is run here. `block` is what else a replacement may be meant for."""
        for replacement in entry.all("replace"):
            old, separator, new = replacement.partition(" => ")
            if not separator or old not in command + block:
                fail(f"{entry.document}: '{old}' is not in: {command}")
            command = command.replace(old, new)
        return command

    def run(self, entry, command):
        """Returns what it printed."""
        if self.lacks(entry):
            return None
        for beside in entry.all("beside"):
            self.world.begin(beside, "at the peer", entry.statuses())
        command = self.typed(entry, command)
        print(f"$ {command}", flush=True)
        if "in the background" in entry.how:
            self.world.begin(command, entry.how, entry.statuses())
            self.wait_until(entry.all("until"))
            return ""
        done = self.world.run(command, entry.how)
        print(done.stdout, end="", flush=True)
        if done.returncode not in entry.statuses():
            fail(f"{entry.document}: exit status {done.returncode} of: {command}")
        self.world.end_all()
        return done.stdout

    def run_alike(self, entry, block):
        """Runs the block's commands; what is shown of one must have no word that it did not print."""
        if self.lacks(entry):
            return
        for beside in entry.all("beside"):
            self.world.begin(beside, "at the peer", entry.statuses())
        text = "\n".join(block)
        statuses = entry.statuses()
        for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            command, _, shown = part.partition("\n")
            command = self.typed(entry, without_comment(command), text)
            print(f"$ {command}", flush=True)
            if command.endswith(" &"):
                self.world.begin(command.removesuffix(" &"), "", statuses)
                self.wait_until(entry.all("until"))
                continue
            done = self.world.run(command, "")
            print(done.stdout, end="", flush=True)
            if done.returncode not in statuses:
                fail(f"{entry.document}: exit status {done.returncode} of: {command}")
            # Not what has digits in it, such as times, nor units, which fit the number.
            for word in re.findall(r"(?<![\w:/])[A-Za-z_]{4,}(?![\w:/])", shown):
                if word not in done.stdout and not re.fullmatch("[KMGTkm]?(pps|bps|iB)", word):
                    fail(f"{entry.document}: '{word}' is not in what it prints: {command}")
        self.world.end_all()

    def wait_until(self, conditions):
        end = time.monotonic() + LIMIT
        for condition in conditions:
            while self.world.run(condition, "").returncode != 0:
                if time.monotonic() > end:
                    fail(f"it never came to that: {condition}")


def check_block(document, block, entries, runner):
    def entry_of(line):
        entry = entries.get(f"{document}: {without_comment(line)}")
        if entry:
            entry.used = True
        return entry

    first = entry_of(block[0])
    expected = "\n".join(block).rstrip("\n")
    if first and first.how.startswith("text"):
        return
    if first and first.how == "alike":
        runner.run_alike(first, block)
        return
    if first and first.how.startswith("output of "):
        command = first.how.removeprefix("output of ")
        said = runner.run(first, command)
        if said is not None and said.rstrip("\n") != expected:
            fail(f"{document} shows of {command}\n{expected}\nbut it printed\n{said}")
        return
    if first and first.how.startswith("session"):
        command, _, expected = expected.removeprefix("$ ").partition("\n")
        said = runner.run(first, command)
        if said is not None and said.rstrip("\n") != expected:
            fail(f"{document} shows of {command}\n{expected}\nbut it printed\n{said}")
        return
    for command in commands_of(block):
        entry = entry_of(command.partition("\n")[0])
        if not entry:
            fail(f"{document}: tests/docs has no entry for: {command}")
        if entry.how.startswith("run"):
            runner.run(entry, command)
    runner.world.end_all()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tree", type=pathlib.Path)
    parser.add_argument("folders", nargs="*", help="where its programs are")
    parser.add_argument("--dropin", default="", help="the folder of the drop-in library's for LD_LIBRARY_PATH")
    parser.add_argument("--program", help="what ./program and its like are here: one that knows nothing of this library")
    parser.add_argument("--documents", nargs="*", default=["README.md", "docs/*.md"], metavar="PATTERN",
                        help="in the tree; default: README.md docs/*.md")
    parser.add_argument("--entries", default="commands.txt", help="the file beside this one; default: commands.txt")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if why_not := enter_namespaces():
        print(f"NOT TESTED: {why_not}")
        sys.exit(77)

    here = pathlib.Path(__file__).parent
    entries = read_entries(here / args.entries)
    world = World(args.folders)
    world.environment["DROPIN"] = args.dropin
    runner = Runner(world)
    try:
        for name in ("program", "my_program", "my_capture"):
            if args.program:
                (world.folder / name).symlink_to(args.program)
        shutil.copytree(here / "commands", world.folder / "bin")
        for path in [path for pattern in args.documents for path in sorted(args.tree.glob(pattern))]:
            for block in blocks_of(path):
                check_block(path.relative_to(args.tree), block, entries, runner)
    finally:
        world.close()
    for name, entry in entries.items():
        if not entry.used:
            fail(f"tests/docs has an entry for what no document has any more: {name}")
    sys.exit(77 if runner.missing else 0)


main()
