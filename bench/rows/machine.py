# SPDX-License-Identifier: Apache-2.0
"""What was measured, and on what."""
import os
import platform
import re
import subprocess


def first_line(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return (done.stdout or done.stderr).splitlines()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        return ""


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        found = dict(re.findall(r"^([^\t\n]+)\t*: (.*)$", info.read(), re.MULTILINE))
    # The names that hypervisors give say little.
    family = f" family {found['cpu family']} model {found['model']}" if "cpu family" in found else ""
    return found.get("model name", platform.machine()) + family


def slug():
    """For a file's name: no host's name, nor anything else of the people that it belongs to."""
    words = re.sub(r"\([^)]*\)", "", f"{processor()} {os.cpu_count()} cores")
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")


def describe(root):
    commit = first_line("git", "-C", root, "log", "-1", "--format=%h of %cs") or "not known"
    changed = first_line("git", "-C", root, "status", "--porcelain", "--untracked-files=no")
    dpdk = first_line("dpkg-query", "-W", "-f", "${Version}", "dpdk-dev")
    return [f"processor: {processor()}, {os.cpu_count()} cores",
            f"kernel: {platform.system()} {platform.release()}",
            f"compiler: {first_line('g++', '--version')}",
            f"peers: dpdk-dev {dpdk or 'not installed'}",
            f"commit: {commit}{', and changes to it' if changed else ''}"]
