#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks that every public header compiles alone, after macros that other projects' headers define, and without any
warning that careful programs enable. check_headers.py COMPILER SOURCE_TREE [--each] [LEFT_OUT_FOLDER...]

A header that includes another one, and with it all that this one includes, would not compile better or worse after it:
such a row of headers is one compilation, the smallest first. With --each, every header is one."""
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def headers_of(include, left_out):
    """Path from the include folder -> what it includes."""
    headers = {}
    for path in sorted(include.rglob("*.hpp")):
        name = path.relative_to(include)
        if name.parts[1] not in left_out:
            headers[str(name)] = re.findall(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', path.read_text(), re.MULTILINE)
    return headers


def with_all_included(headers):
    """Path -> itself and all that it includes, directly or not."""
    known = {}

    def closure(name):
        if name not in known:
            known[name] = {name}.union(*(closure(included) for included in headers.get(name, [])))
        return known[name]

    return {name: closure(name) for name in headers}


def rows(included):
    """The fewest rows in which each header includes the one before it: a maximum matching (Dilworth's theorem)."""
    followers = {a: [b for b in included if a != b and a in included[b]] for a in included}
    before = {}

    def place(a, tried):
        for b in followers[a]:
            if b not in tried:
                tried.add(b)
                if b not in before or place(before[b], tried):
                    before[b] = a
                    return True
        return False

    for a in included:
        place(a, set())
    after = {a: b for b, a in before.items()}
    found = []
    for first in included:
        if first not in before:
            found.append([first])
            while found[-1][-1] in after:
                found[-1].append(after[found[-1][-1]])
    return found


def main(compiler, source, *rest):
    each = "--each" in rest
    include = Path(source, "include")
    headers = headers_of(include, set(rest))
    if len(headers) < 40:
        sys.exit(f"only {len(headers)} headers in {include}")
    included = with_all_included(headers)
    groups = [[name] for name in headers] if each else rows(included)
    assert sorted(name for group in groups for name in group) == sorted(headers)

    flags = "-std=c++20 -fsyntax-only -x c++ -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wfloat-equal -Werror".split()
    flags.append("-Wcast-align" if "clang" in compiler else "-Wcast-align=strict")
    flags += ["-I", str(include), "-include", str(Path(source, "tests/package/macros_of_others.hpp")), "-"]

    def compile_all(group):
        text = "".join(f"#include <{name}>\n" for name in group)
        result = subprocess.run([compiler, *flags], input=text, text=True, capture_output=True, check=False)
        return result.stderr if result.returncode or result.stderr else ""

    # What takes longest is the row of the header that includes most.
    groups.sort(key=lambda group: -len(included[group[-1]]))
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        failures = [(group, errors) for group, errors in zip(groups, pool.map(compile_all, groups)) if errors]
    for group, errors in failures:
        print(f"{errors}^ {', '.join(group)}")
    print(f"{len(headers)} headers in {len(groups)} compilations")
    sys.exit(bool(failures))


main(*sys.argv[1:])
