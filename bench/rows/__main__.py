# SPDX-License-Identifier: Apache-2.0
"""scripts/bench: see --help."""
import argparse
import os
import shutil
import sys

import instructions
import workspace


def parse_arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Measures this library.")
    parser.add_argument("names", nargs="*", metavar="PATH", help="with --instructions: paths; default: all")
    parser.add_argument("--instructions", action="store_true",
                        help="count the instructions per packet of each path by callgrind, and fail if one has grown by "
                        "more than 5 %% over bench/instructions.json; exit status 77: the figures there are of another "
                        "compiler")
    parser.add_argument("--accept", action="store_true", help="write what was counted to bench/instructions.json")
    parser.add_argument("--program", metavar="FILE", help="the program instructions, already built")
    parser.add_argument("--committed", metavar="FILE", default=os.path.join(workspace.ROOT, "bench/instructions.json"),
                        help="instead of bench/instructions.json")
    return parser.parse_args()


def count_instructions(args):
    if args.program and not shutil.which("valgrind"):
        print("NOT TESTED: valgrind is not installed")
        return instructions.NOT_COMPARED
    program = args.program
    if not program:
        workspace.need_packages("valgrind")
        program = workspace.build("default", "instructions")
    return instructions.run(program, args.names, args.committed, args.accept)


def main():
    args = parse_arguments()
    try:
        return count_instructions(args)
    except KeyboardInterrupt:
        return 130
    except RuntimeError as error:
        print(f"scripts/bench: {error}", file=sys.stderr)
        return 1


sys.exit(main())
