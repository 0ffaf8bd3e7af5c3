#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# failed.sh SOURCE_TREE WORK_FOLDER: what scripts/failed prints of a run.
set -euo pipefail
failed="$1/scripts/failed"
mkdir -p "$2"
cat >"$2/run.xml" <<'END'
<testsuite>
<testcase name="netns.program" status="fail"><system-out>it starts
[ RUN      ] A.B
said before
/a/b.cpp:12: Failure
Value of: x
  Actual: false
/a/b.cpp:13: Failure
Value of: y
[  FAILED  ] A.B (3 ms)
[ RUN      ] A.C
[       OK ] A.C (3 ms)
</system-out></testcase>
<testcase name="script" status="fail"><system-out>one
two</system-out></testcase>
<testcase name="good" status="run"><system-out>three</system-out></testcase>
</testsuite>
END
expected='
== failed: netns.program
[ RUN      ] A.B
/a/b.cpp:12: Failure
Value of: x
  Actual: false
/a/b.cpp:13: Failure
Value of: y

== failed: script
one
two'
diff <(echo "$expected") <("$failed" "$2/run.xml")
