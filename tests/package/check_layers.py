#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""check_layers.py SOURCE_TREE: every include stays in its room or goes to one before it in this table, and
that the table allows. Rooms are the folders of src and include/pktverbs; a folder that is not in the table fails, too.
See docs/architecture.md."""
import os
import re
import sys

ROOMS = {
    "base": "",
    "address": "base",
    "net": "base address",
    "interface": "base address",
    "verbs": "base address interface",
    "pcapng": "base",
    "soft": "base address verbs",
    "soft/steering": "base address net verbs",
    "soft/link": "base address net interface verbs pcapng soft soft/steering",
    "soft/nic": "base address net interface verbs soft/steering soft/link",
    "soft/verbs": "base address interface verbs soft soft/steering soft/nic",
    "soft/device": "base address interface verbs soft soft/link soft/nic soft/verbs",
    "memory": "base interface verbs",
    "packet": "base verbs memory",
    "flow": "base address interface verbs",
    "datagram": "base address interface verbs packet flow",
    "counters": "base interface verbs flow",
    "offload": "base net verbs memory packet",
    "device": "base interface verbs soft soft/device",
    "context": "base address net interface verbs memory datagram packet flow counters offload device",
    "time": "base verbs context packet",
    "ring": "base net verbs memory packet context",
    "async": "base verbs packet context",
    "asio": "verbs packet context",
    "doctor": "base net interface verbs flow memory context device",
    "messages": "base address interface verbs memory async",
    "route": "base address interface verbs",
    "dropin": "base address interface verbs soft soft/link soft/nic soft/verbs soft/device",
    "face": "address verbs memory datagram packet flow counters offload device context time ring doctor",
}
# The headers that lie flat in include/pktverbs, and whose they are.
FACE = {"export": "base", "format": "base", "flow": "flow", "flow_rule": "flow", "recv_pkt": "packet",
        "send_pkt": "packet", "offloads": "offload", "device": "device", "version": "device", "options": "context", "context": "context",
        "queue": "context", "recv_list": "context", "send_list": "context", "rss": "context", "pktverbs": "face"}


def room_of(path):
    """Of a path below src or include/pktverbs."""
    folder, name = os.path.split(path)
    if not folder:
        return FACE.get(name.rsplit(".", 1)[0])
    return max((room for room in ROOMS if (folder + "/").startswith(room + "/")), key=len, default=None)


def main(tree):
    roots = [os.path.join(tree, root) for root in ("src", "include/pktverbs")]
    order = list(ROOMS)
    bad = []
    for room, allowed in ROOMS.items():
        for other in allowed.split():
            if other not in ROOMS or order.index(other) >= order.index(room):
                bad.append(f"the table: {room} may include {other}, which does not stand before it")
    files = [(root, os.path.relpath(os.path.join(folder, name), root))
             for root in roots for folder, _, names in os.walk(root) for name in sorted(names)]
    rooms = {path: room_of(path) for root, path in files}
    for root, path in files:
        room = rooms[path]
        if room is None or (root.endswith("src") and "/" not in path):
            bad.append(f"{os.path.join(root, path)}: in no room of the table")
            continue
        with open(os.path.join(root, path), encoding="utf-8") as file:
            lines = file.readlines()
        for number, line in enumerate(lines, 1):
            found = re.match(r'\s*#\s*include\s*[<"]([^>"]+)[>"]', line)
            if not found:
                continue
            at = f"{os.path.join(root, path)}:{number}: {found[1]}"
            header = found[1].removeprefix("pktverbs/")
            is_public = header != found[1]
            if is_public and not os.path.exists(os.path.join(roots[1], header)):
                bad.append(f"{at}: no such public header")
            elif not is_public and (found[0].endswith('"') or header in rooms) and not root.endswith("src"):
                bad.append(f"{at}: a public header includes only <pktverbs/...> headers, which are installed")
            elif header not in rooms:
                if found[0].endswith('"'):
                    bad.append(f"{at}: not there; paths begin below src")
            elif rooms[header] not in (room, *ROOMS[room].split()):
                bad.append(f"{at}: {room} may not include {rooms[header]}")
    print("\n".join(bad) if bad else f"{len(files)} files in {len(ROOMS)} rooms, and no include points up")
    return 1 if bad else 0


sys.exit(main(*sys.argv[1:]))
