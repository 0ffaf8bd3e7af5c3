# SPDX-License-Identifier: Apache-2.0
"""scripts/bench: see --help."""
import argparse
import collections
import datetime
import os
import shutil
import signal
import sys
import time

import disturbance
import instructions
import machine
import report
import table
import workspace
from contest import Contest
from disturbance import Judge
from figure import Row
from world import World

PROGRAMS = ("cache_line", "first_packet", "one_core", "round_trip", "rss", "rules", "transfer", "udp_sockets")
Extent = collections.namedtuple("Extent", "samples seconds points")  # points: samples of each point of a growth
FULL, QUICK = Extent(7, 1, 3), Extent(3, 0.3, 1)
GROWTH_SECONDS = 0.3
NAMES = [*table.ROWS, *table.GROWTHS]
QUICK_NAMES = [name for name in NAMES if name not in table.ROWS or not table.ROWS[name].only_if_named]


def parse_arguments():
    parser = argparse.ArgumentParser(
        prog="scripts/bench", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Measures this library beside others' programs, in turns, and writes a report with the table and "
        "plots.\nDebian packages that are missing are installed.",
        epilog=disturbance.RULE)
    parser.add_argument("names", nargs="*", metavar="ROW", help="see --list; default: all; with --instructions: a path")
    parser.add_argument("--list", action="store_true", help="print the names of all rows, and what they measure")
    parser.add_argument("--quick", action="store_true", help="3 samples of 0.3 s instead of 7 of 1 s")
    parser.add_argument("-o", metavar="DIR", default=os.path.join(workspace.ROOT, "bench/results"),
                        help="where the report goes; default: bench/results")
    counting = parser.add_argument_group("instructions per packet")
    counting.add_argument("--instructions", action="store_true",
                          help="count them on each path by callgrind, and fail if one has grown by more than 5 %% over "
                          "bench/instructions.json; exit status 77: the figures there are of another compiler")
    counting.add_argument("--accept", action="store_true", help="write what was counted to bench/instructions.json")
    counting.add_argument("--program", metavar="FILE", help="the program instructions, already built")
    counting.add_argument("--committed", metavar="FILE", help="instead of bench/instructions.json",
                          default=os.path.join(workspace.ROOT, "bench/instructions.json"))
    return parser.parse_args()


def count_instructions(args):
    if args.program and not shutil.which("valgrind"):
        print("NOT TESTED: valgrind is not installed")
        return instructions.NOT_COMPARED
    program = args.program
    if not program:
        workspace.need_packages("valgrind")
        program = os.path.join(workspace.build("default", ["instructions"]), "instructions")
    return instructions.run(program, args.names, args.committed, args.accept)


def list_rows():
    for name, row in table.ROWS.items():
        print(f"{name:20} {row.work}; peer: {row.peer}")
    for name, growth in table.GROWTHS.items():
        print(f"{name:20} {growth.work}, by {growth.x}")
    print(f"Undisturbed, all take about {minutes(FULL, NAMES):.0f} minutes, and with --quick "
          f"{minutes(QUICK, QUICK_NAMES):.0f}.")


def minutes(extent, names):
    """About; some programs start in no time, testpmd in a second."""
    rows = [table.ROWS[name] for name in names if name in table.ROWS]
    points = sum(len(growth.xs) * len(growth.lines) for name, growth in table.GROWTHS.items() if name in names)
    sides = sum((row.ours is not None) + (row.theirs is not None) for row in rows)
    machines = sum(row.together is not None for row in rows)
    return (extent.samples * sides * (extent.seconds + 1.2) + extent.points * points * (GROWTH_SECONDS + 0.7) +
            machines * (8 + 4 * extent.samples)) / 60


def grow(growth, world, judge, samples):
    """{line: [median, or None where it failed]}"""
    values = {}
    for line, measure in growth.lines.items():
        values[line] = []
        for x in growth.xs:
            print(f"  {line}, {growth.x} {x}:", flush=True)
            contest = Contest(Row(growth.name, growth.work, "", growth.unit, lambda world, x=x: measure(world, x)))
            contest.run(world, judge, samples)
            values[line].append(contest.median("ours"))
    return values


def measure_rows(args):
    begin = time.monotonic()
    extent = QUICK if args.quick else FULL
    names = args.names or (QUICK_NAMES if args.quick else NAMES)
    if unknown := [name for name in names if name not in NAMES]:
        print(f"scripts/bench: no row {', '.join(unknown)}; there are: {' '.join(NAMES)}", file=sys.stderr)
        return 2
    rows = [table.ROWS[name] for name in table.ROWS if name in names]
    workspace.need_packages("iproute2", *sorted({package for row in rows for package in row.packages}))
    world = World(workspace.build("bench", PROGRAMS), extent.seconds)
    print(disturbance.RULE, flush=True)
    judge = Judge(world.cache_line_ns)
    contests, grown = [], []
    for row in rows:
        print(f"{row.name}: {row.work}; peer: {row.peer}", flush=True)
        contests.append(Contest(row))
        contests[-1].run(world, judge, extent.samples)
    world.seconds = GROWTH_SECONDS
    for name in [name for name in table.GROWTHS if name in names]:
        growth = table.GROWTHS[name]
        print(f"{name}: {growth.work}", flush=True)
        grown.append((growth, grow(growth, world, judge, extent.points)))
    facts = [*machine.describe(workspace.ROOT), f"took {(time.monotonic() - begin) / 60:.0f} minutes"]
    file = report.write(args.o, f"{machine.slug()}-{datetime.date.today().isoformat()}", facts, judge, contests, grown)
    print(*report.summary(contests), f"written to {file}", sep="\n")
    has_failed = any(contest.failure for contest in contests) or any(
        None in line for _, values in grown for line in values.values())
    return 1 if has_failed else 0


def main():
    args = parse_arguments()
    # However it is asked to end, what it has started ends first.
    for asked in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(asked, signal.default_int_handler)
    try:
        if args.list:
            status = list_rows()
        else:
            status = count_instructions(args) if args.instructions else measure_rows(args)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        # Nobody reads any more, or the disk is full: what is left in the buffer can't be written at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print(f"scripts/bench: {error}", file=sys.stderr)
        return 1
    except RuntimeError as error:
        print(f"scripts/bench: {error}", file=sys.stderr)
        return 1


sys.exit(main())
