#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Checks the output of scripts/skipped for skipped tests of every kind, as ctest itself reports them. skipped.sh
# SOURCE_TREE WORK_DIR
set -euo pipefail
skipped=$1/scripts/skipped work=$2
rm -rf "$work"
mkdir -p "$work"
cd "$work"

cat >gtest.sh <<'END'
seq 3000 # more than ctest keeps of a test that passed, unless it is asked to
echo '[ RUN      ] Suite/Name.Passes/0
[       OK ] Suite/Name.Passes/0 (0 ms)
[ RUN      ] Suite/Name.NeedsTwo/1
printed before
/src/a_test.cpp:12: Skipped
NOT TESTED: needs
two lines

[  SKIPPED ] Suite/Name.NeedsTwo/1 (3 ms)
[ RUN      ] Suite.SaysNothing
/src/a_test.cpp:13: Skipped


[  SKIPPED ] Suite.SaysNothing (0 ms)
[  SKIPPED ] 2 tests, listed below:
[  SKIPPED ] Suite/Name.NeedsTwo/1
[  SKIPPED ] Suite.SaysNothing'
END
cat >CTestTestfile.cmake <<'END'
add_test(unit.whole_program bash gtest.sh)
add_test(soft.Suite.SaysNothing bash gtest.sh)
set_tests_properties(soft.Suite.SaysNothing PROPERTIES SKIP_REGULAR_EXPRESSION "\\[  SKIPPED \\]")
add_test(netns.script bash -c "echo 'softroce: NOT TESTED: no tool here' >&2; exit 77")
set_tests_properties(netns.script PROPERTIES SKIP_RETURN_CODE 77)
add_test(netns.silent bash -c "exit 77")
set_tests_properties(netns.silent PROPERTIES SKIP_RETURN_CODE 77)
add_test(netns.off bash -c "exit 0")
set_tests_properties(netns.off PROPERTIES DISABLED ON)
add_test(netns.passes bash -c "echo NOT TESTED: that is only a word; exit 0")
END
ctest --output-junit junit.xml --test-output-size-passed 100000000 >/dev/null

# expect STATUS OUTPUT ARGUMENT...
expect() {
    local said status=0
    said=$("$skipped" "${@:3}" 2>&1) || status=$?
    if [ "$status" -ne "$1" ] || [ "$said" != "$2" ]; then
        printf 'skipped %s: exit status %s, and it said\n%s\nbut expected was\n%s\n' "${*:3}" "$status" "$said" "$2"
        exit 1
    fi
}

expect 0 '== 0 skipped'
all='== 8 skipped:
    3  no reason given: netns.silent and 2 more
    2  needs two lines: soft.Suite/Name.NeedsTwo/1 and 1 more
    1  disabled: netns.off
    1  no package: scripts/test
    1  no tool here: netns.script'
expect 0 "$all" junit.xml --also "no package"

cat >allowed.txt <<'END'
# a comment, and an empty line

netns.script | no tool | it is rare
*.Suite/Name.NeedsTwo/? | two lines | they are
netns.off | disabled | of old
scripts/test | no | of a package
netns.silent | a reason | which it doesn't give
END
expect 1 "$all
not in allowed.txt: netns.silent: no reason given
not in allowed.txt: soft.Suite.SaysNothing: no reason given
not in allowed.txt: unit.Suite.SaysNothing: no reason given" junit.xml --also "no package" --allowed allowed.txt
echo 'netns.script | no tool' >bad.txt
expect 1 "== 0 skipped
bad.txt:1: it is not PATTERN | WORDS | why" --allowed bad.txt
# The list in the tree can be read.
expect 0 '== 0 skipped' --allowed "$1/tests/allowed_skips.txt"
