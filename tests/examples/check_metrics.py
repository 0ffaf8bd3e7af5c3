#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Checks what the metrics example prints and serves: check_metrics.py PROGRAM
# JSON by Python's parser; OpenMetrics by rules of its text format and, where it is installed, by the parser of
# prometheus_client.
import json
import re
import socket
import subprocess
import sys
import urllib.request

PROGRAM = sys.argv[1]
DEVICE = 'wire:a"b\\c'  # which labels must escape
SAMPLE = re.compile(r'([a-z_:][a-z0-9_:]*)\{((?:[a-z_]+="(?:[^"\\\n]|\\[\\"n])*",?)*)\} (\d+)')


def output(*arguments):
    command = [PROGRAM, DEVICE, "--generate", "100", "--seconds", "0.05", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout


def check_json():
    counters = json.loads(output("--format", "json"))
    assert counters["device"] == DEVICE, counters
    assert counters["queues"][0]["recv_packets"] == 100, counters
    assert counters["flows"][0]["packets"] == 100, counters
    assert set(counters["drops"].values()) == {0}, counters
    return counters


def check_openmetrics(text):
    """OpenMetrics 1.0, "Text format": returns the samples of each family by name."""
    assert text.endswith("\n# EOF\n") and text.count("# EOF") == 1, text
    families, samples, seen, family = {}, {}, set(), None
    for line in text.splitlines()[:-1]:
        if line.startswith("# "):
            kind, name, rest = line[2:].split(" ", 2)
            assert kind in ("TYPE", "UNIT", "HELP"), line
            if kind == "TYPE":
                assert name not in families, f"{name} twice"
                families[name], samples[name], family = rest, [], name
            assert name == family, f"{line}: not of {family}"
            assert kind != "UNIT" or name.endswith("_" + rest), line
            assert (name, kind) not in seen, line
            seen.add((name, kind))
            continue
        match = SAMPLE.fullmatch(line)
        assert match, line
        suffix = {"counter": "_total", "gauge": ""}[families[family]]
        assert match[1] == family + suffix, f"{line}: not of {family}"
        assert (match[1], match[2]) not in seen, f"{line}: twice"
        seen.add((match[1], match[2]))
        labels = dict(re.findall(r'([a-z_]+)="((?:[^"\\]|\\.)*)"', match[2]))
        assert labels["device"] == DEVICE.replace("\\", "\\\\").replace('"', '\\"'), line
        samples[family].append((labels, int(match[3])))
    return samples


def check_with_prometheus(text):
    try:
        from prometheus_client.openmetrics.parser import text_string_to_metric_families
    except ImportError:
        print("not checked with prometheus_client: it is not installed")
        return
    families = {family.name: family for family in text_string_to_metric_families(text)}
    received = families["pktverbs_recv_packets"]
    assert received.type == "counter" and received.unit == "packets", received
    assert received.samples[0].labels == {"device": DEVICE, "queue": "0"}, received
    assert received.samples[0].value == 100, received
    print(f"prometheus_client reads {len(families)} families")


def check_served():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [PROGRAM, DEVICE, "--generate", "100", "--serve", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout.readline() == f"http://127.0.0.1:{port}/metrics\n"
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as reply:
            kind, text = reply.headers["Content-Type"], reply.read().decode()
        assert kind == "application/openmetrics-text; version=1.0.0; charset=utf-8", kind
        check_openmetrics(text)
    finally:
        server.terminate()
        server.communicate(timeout=10)
    assert server.returncode == 0, server.returncode


counters = check_json()
text = output("--format", "openmetrics")
samples = check_openmetrics(text)
queue = counters["queues"][0]
for name, number in queue.items():
    if isinstance(number, int):
        assert samples["pktverbs_" + name][0][1] == number, f"{name}: JSON and metrics differ"
    else:
        assert "pktverbs_" + name in samples, name
assert {labels["reason"] for labels, _ in samples["pktverbs_dropped_packets"]} == set(counters["drops"])
check_with_prometheus(text)
check_served()
