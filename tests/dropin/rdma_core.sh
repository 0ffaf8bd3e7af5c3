#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# rdma_core.sh RUN MODULE: rdma-core's own tests of its verbs, from Debian's python3-pyverbs, on a soft device. They
# skip what a device lacks; a list here has those that must not be skipped.
set -euo pipefail
# shellcheck source=tests/dropin/namespace.sh
source "${BASH_SOURCE[0]%/*}/namespace.sh"
tests=/usr/share/doc/rdma-core/tests
[ -e $tests/run_tests.py ] || skip "no tests of rdma-core here; their Debian package is python3-pyverbs"
[ "$EUID" -eq 0 ] || enter_namespace "$@" # raw packets are for root

run=$1 module=$2
must_pass=()
case $module in
    cq) must_pass=(create_cq create_cq_with_comp_channel create_cq_bad_flow) ;;
    cqex) must_pass=(create_cq_ex create_cq_ex_bad_flow) ;;
    device) must_pass=(query_{device,device_ex,gid,gid_ex,gid_table,pkey,port} open_dev dev_list) ;;
    flow) must_pass=({eth,ipv4,ipv6,udp,tcp}_spec_flow_traffic) ;;
    mr) must_pass=(reg_mr_bad_flags) ;;
    pd) must_pass=(alloc_pd dealloc_pd multiple_pd_creation destroy_pd_twice) ;;
    qp) must_pass=(create_raw_qp_{,ex_}{no,with}_attr query_raw_qp) ;;
    rss_traffic) must_pass=(rss_traffic) ;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r $tests "$work/tests"
find "$work/tests" -name '*.gz' -exec gunzip {} +
cd "$work"
# Both ends of each conversation open the device; on a wire, each open is one more NIC.
status=0
timeout 100 "$run" --device dev=wire:tests -- /usr/bin/python3 tests/run_tests.py -v --dev dev "tests.test_$module" \
    >"$work/said" 2>&1 || status=$?
cat "$work/said"
[ $status -eq 0 ] || fail "exit status $status"
grep -q '^Ran [1-9]' "$work/said" || fail "no test was run"
for name in "${must_pass[@]}"; do
    # A test with a description has its result on the second line.
    grep -A 1 "^test_$name " "$work/said" | grep -q '\.\.\. ok$' || fail "test_$name has not passed"
done
