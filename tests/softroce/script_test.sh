#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# script_test.sh CASE SOFTROCE WORK_FOLDER: one case of the guarantees of scripts/softroce.
set -uo pipefail
case=$1 softroce=$2 work=$3

fail() {
    printf '%s\n' "FAILED: $*" >&2
    for said in out err; do sed "s/^/$said: /" "$work/$said" >&2; done
    exit 1
}

# Runs the script with its temporary files in a folder that the test can check.
run() { # EXPECTED_STATUS ARGUMENT...
    local expected=$1 status=0
    shift
    TMPDIR=$work/temporary "$softroce" "$@" >"$work/out" 2>"$work/err" || status=$?
    [ $status -ne 77 ] || [ "$expected" -eq 77 ] || exit_skipped
    [ $status -eq "$expected" ] || fail "exit status $status, not $expected, of softroce $*"
    nothing_is_left
}

exit_skipped() {
    cat "$work/err" >&2
    exit 77
}

nothing_is_left() { ! compgen -G "$work/temporary/*" >/dev/null || fail "temporary files are left"; }

says() { grep -qF -- "$2" "$work/$1" || fail "nothing of '$2' on its $1"; }

gives_back() {
    mkdir -p "$work/here, and there" "$work/not writable"
    cd "$work/here, and there" || exit
    # shellcheck disable=SC2016
    FOO=secret PKTVERBS_WORD="it's two  words" run 7 --writable "$work/here, and there" bash -c '
        pwd; echo "[$1]"; echo "[$PKTVERBS_WORD]"; echo "[${FOO-no FOO}]"; echo "$HOME $PKTVERBS_SOFTROCE"
        cat; echo "to the other side" >&2; yes "many words" | head -n 200000 | tee kept >/dev/stdout
        echo lost >../lost && sleep 1000 &
        sleep 1; cat ../lost; exit 7' bash "an  argument"
    [ "$(head -n 5 "$work/out")" = "$work/here, and there
[an  argument]
[it's two  words]
[no FOO]
/root 1" ] || fail "wrong output"
    [ "$(tail -n 1 "$work/out")" = lost ] || fail "wrong last line"
    [ "$(<"$work/err")" = "to the other side" ] || fail "wrong standard error"
    cmp <(sed -n '6,200005p' "$work/out") kept || fail "what it wrote and what it said differ"
    [ "$(wc -l <kept)" -eq 200000 ] || fail "not all was written"
    [ ! -e ../lost ] || fail "it wrote where it should not"
}

time_is_up() {
    run 124 --timeout 2 true
    says err "the time was up, after 2 seconds"
}

crashes() {
    run 125 sh -c 'echo c >/proc/sysrq-trigger'
    says err "Kernel panic"
    says err "the machine failed"
}

is_stopped() {
    TMPDIR=$work/temporary "$softroce" sh -c 'echo started; exec sleep 1000' >"$work/out" 2>"$work/err" &
    local script=$! status=0
    for ((tries = 0; tries < 1000; ++tries)); do
        ! grep -q started "$work/out" || break
        kill -0 $script 2>/dev/null || break
        sleep 0.1
    done
    kill -TERM $script 2>/dev/null
    wait $script || status=$?
    [ $status -ne 77 ] || exit_skipped
    [ $status -eq 143 ] || fail "exit status $status, not 143"
    says out started
    nothing_is_left
}

# The wire's packets are counted, so that we know that none took the short way.
connects() {
    if ! command -v rping >/dev/null; then
        echo "NOT TESTED: no rping here; its Debian package is rdmacm-utils" >&2
        exit 77
    fi
    # shellcheck disable=SC2016
    run 0 --timeout 300 --namespaces bash -euc '
        packets() { echo $(($(</sys/class/net/veth0/statistics/tx_packets) + $(</sys/class/net/veth1/statistics/tx_packets))); }
        count=10
        [ -z "${PKTVERBS_TEST_LONG:-}" ] || count=100
        ping() { # ADDRESS SERVER_WORDS CLIENT_WORDS
            local before=$(packets)
            timeout 30 $2 rping -s -a $1 -C $count &
            local server=$! tries
            for ((tries = 0; tries < 20; ++tries)); do
                ! timeout 30 $3 rping -c -a $1 -C $count || break
                sleep 0.2
            done
            wait $server || true # Debian 12 has an rping whose server ends with an error.
            [ $(($(packets) - before)) -ge $((4 * count)) ] && echo "connected to $1"
        }
        for address in 10.198.52.1 10.198.52.2 fd52::1 fd52::2; do ping $address "" ""; done
        for address in 10.198.53.1 fd53::1; do ping $address "$PKTVERBS_SOFTROCE_SIDE0" "$PKTVERBS_SOFTROCE_SIDE1"; done
        for address in 10.198.53.2 fd53::2; do ping $address "$PKTVERBS_SOFTROCE_SIDE1" "$PKTVERBS_SOFTROCE_SIDE0"; done'
    for address in 10.198.5{2,3}.{1,2} fd5{2,3}::{1,2}; do says out "connected to $address"; done
}

arguments() {
    run 2 && says err "no command"
    run 2 --bogus true && says err "no option --bogus"
    run 2 --timeout && says err "--timeout without a value"
    run 2 --timeout soon true && says err "--timeout is a whole number, not 'soon'"
    run 2 --writable "$work/nowhere" true && says err "no folder '$work/nowhere'"
    run 2 -- a=b true && says err "'a=b' is no command"
    [ "$(wc -l <"$work/err")" -eq 1 ] || fail "more than one line"
    [ ! -s "$work/out" ] || fail "there is output"
}

missing() {
    mkdir -p "$work/bin"
    for tool in bash dirname realpath sort; do ln -sf "$(command -v $tool)" "$work/bin/$tool"; done
    PATH=$work/bin run 77 true
    says err "NOT TESTED"
    says err qemu-system-x86
    says err "scripts/softroce --install"
}

rm -rf "$work"
mkdir -p "$work/temporary"
"$case"
