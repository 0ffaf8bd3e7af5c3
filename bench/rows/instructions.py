# SPDX-License-Identifier: Apache-2.0
"""Instructions per packet of each path, compared with the committed figures."""
import json
import os
import platform
import subprocess

import callgrind

MOST_GROWTH = 0.05
TURNS = 1000
SHOWN = 12  # functions of a path
SECONDS = 120  # that a path may take
NOT_COMPARED = 77


def describe(program):
    """What the program says of itself: how it was compiled, the frames of a turn, and its paths."""
    text = subprocess.run([program, "--list"], capture_output=True, text=True, check=True).stdout
    said = dict(line.split(": ", 1) for line in text.splitlines())
    made_with = {key: said[key] for key in ("compiler", "flags", "libc")} | {"machine": platform.machine()}
    return made_with, int(said["batch"]), said["paths"].split()


def measure(program, path, batch):
    """{function: instructions per packet}, the most expensive first."""
    costs = callgrind.count([program, path, str(TURNS)], "measured_turns", SECONDS)
    if not costs:
        raise RuntimeError(f"callgrind has counted nothing of {path}")
    per_packet = {name: round(cost / TURNS / batch, 1) for name, cost in costs.items()}
    return dict(sorted(per_packet.items(), key=lambda item: -item[1]))


def total(functions):
    return round(sum(functions.values()), 1)


def compared(functions):
    """Without the C library's copies, of which it chooses one for the processor (__memcpy_avx_unaligned_erms)."""
    return total({name: cost for name, cost in functions.items() if not name.startswith("__mem")})


def show(path, functions, committed):
    before = f", committed: {total(committed):.1f}" if committed else ""
    print(f"{path}: {total(functions):.1f} instructions a packet{before}")
    for name in list(functions)[:SHOWN]:
        print(f"  {functions[name]:8.1f}  {name}")
    print(f"  {sum(list(functions.values())[SHOWN:]):8.1f}  in {max(0, len(functions) - SHOWN)} others", flush=True)


def show_growth(path, functions, committed):
    """The functions that a path's growth is in; those that are gone count as well, for they may have been inlined."""
    grown = {name: functions.get(name, 0) - committed.get(name, 0) for name in functions | committed}
    print(f"{path} has grown by more than {MOST_GROWTH:.0%}, from {compared(committed):.1f} to {compared(functions):.1f}:")
    for name in sorted(grown, key=lambda name: -abs(grown[name]))[:SHOWN]:
        if grown[name]:
            print(f"  {grown[name]:+8.1f}  {name}")


def write(file, made_with, figures):
    kept = {path: {name: cost for name, cost in functions.items() if cost} for path, functions in figures.items()}
    with open(file + ".new", "w", encoding="utf-8") as out:
        json.dump({"made_with": made_with, "paths": dict(sorted(kept.items()))}, out, indent=1)
        out.write("\n")
    os.rename(file + ".new", file)


def run(program, wanted, file, accept):
    """Returns an exit status."""
    made_with, batch, paths = describe(program)
    if unknown := [path for path in wanted if path not in paths]:
        print(f"no path {', '.join(unknown)}; there are {', '.join(paths)}")
        return 2
    with open(file, encoding="utf-8") as committed_file:
        committed = json.load(committed_file)
    differs = [f"{key} {made_with[key]}, not {committed['made_with'][key]}" for key in made_with
               if made_with[key] != committed["made_with"][key]]
    known = {} if differs else committed["paths"]
    figures = {}
    for path in wanted or paths:
        figures[path] = measure(program, path, batch)
        show(path, figures[path], known.get(path))
    if accept:
        # Those of paths that were not measured stay, unless they are of another compiler or of no path any more.
        write(file, made_with, {path: known[path] for path in known if path in paths} | figures)
        print(f"written to {file}")
        return 0
    if differs:
        print(f"NOT TESTED: the committed figures are of another build: {'; '.join(differs)}")
        return NOT_COMPARED
    missing = [path for path in figures if path not in known]
    grown = [path for path in figures
             if path in known and compared(figures[path]) > compared(known[path]) * (1 + MOST_GROWTH)]
    for path in grown:
        show_growth(path, figures[path], known[path])
    if missing:
        print(f"no committed figures of {', '.join(missing)}")
    if grown or missing:
        print("to accept what was measured: scripts/bench --instructions --accept")
    return 1 if grown or missing else 0
