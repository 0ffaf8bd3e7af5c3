# SPDX-License-Identifier: Apache-2.0
"""Callgrind: how many instructions of a program each function takes."""
import re
import subprocess
import tempfile

# A position, absolute, relative or the same as before, and a cost (callgrind's manual, "Callgrind Format
# Specification").
COST = re.compile(r"(?:\d+|\+\d+|-\d+|\*) (\d+)$")


def count(command, function, timeout):
    """Runs a command and returns the instructions of each function between calls and returns of `function`, in that
    thread. What is inlined counts where it is inlined."""
    with tempfile.NamedTemporaryFile(prefix="callgrind.") as out:
        run = subprocess.run(["valgrind", "--quiet", "--tool=callgrind", f"--toggle-collect={function}",
                              f"--callgrind-out-file={out.name}", *command],
                             stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False)
        if run.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}, under callgrind: exit status {run.returncode}: {run.stderr}")
        with open(out.name, encoding="utf-8") as lines:
            return parse(lines)


def parse(lines):
    names, costs, current, is_call = {}, {}, None, False
    for line in lines:
        line = line.rstrip("\n")
        if line.startswith("fn="):
            current = name_of(line[len("fn="):], names)
        elif line.startswith("cfn="):
            name_of(line[len("cfn="):], names)
        elif line.startswith("calls="):
            is_call = True  # the next line is what the called function took, which is counted there
        elif cost := COST.match(line):
            if not is_call:
                costs[current] = costs.get(current, 0) + int(cost[1])
            is_call = False
    return costs


def name_of(text, names):
    """A name is written once, as "(3) name", and then "(3)"."""
    number, _, name = text.partition(" ")
    if name:
        names[number] = short(name)
    return names[number]


def short(name):
    """Without parameters, results, symbol versions and the namespaces that all names here have."""
    name = name.split("@")[0].replace("(anonymous namespace)::", "").replace("operator()", "operator_call")
    name = re.sub(r"\(.*", "", name)
    name = re.sub(r"^[^<]* (?=\w)", "", name)  # a template's result
    return re.sub(r"\bpktverbs::", "", name)
