# SPDX-License-Identifier: Apache-2.0
"""Rows of a veth pair between two network namespaces."""
import json

import testpmd
from figure import Figure, Row
from namespace import Cable

ROUND_TRIPS = 20000
LONE_FRAMES = 500


def ours(kind):
    def measure(world):
        return world.transfer(f"{kind}:vb", f"{kind}:va", 64, lossy=True, cable=Cable(world.processes),
                              more=["--packets", 4096])
    return measure


def lossless(size, mtu, coalesce):
    """No more frames in flight than the receiver has room for, in the socket's ring and in half of its buffers."""
    in_flight = 4096 if size < 1024 else 512
    options = ["--batch", 64, "--packets", 2 * in_flight, "--in-flight", in_flight,
               *(["--stamped"] if coalesce else [])]
    key = "?coalesce=1" if coalesce else ""

    def measure(world):
        return world.transfer(f"packet:vb{key}", f"packet:va{key}", size, cable=Cable(world.processes, mtu),
                              more=options)
    return measure


def sockets(world):
    """UDP sockets with segmentation and coalescing at both ends."""
    cable = Cable(world.processes, mtu=9000)
    receiving = world.start("udp_sockets", "receive", "10.0.0.2", 8192, world.seconds, inside=cable.right)
    receiving.read_until("ready\n")
    sending = world.start("udp_sockets", "send", "10.0.0.2", 8192, world.seconds, cpu=world.first, inside=cable.left)
    sent, received = json.loads(sending.finish()), json.loads(receiving.finish())
    if received["wrong"]:
        raise RuntimeError(f"sent {sent}, received {received}")
    return Figure(received["per_second"], min(sent["cpu_share"], received["cpu_share"]),
                  1 - received["frames"] / sent["frames"])


def theirs(driver):
    """testpmd at both ends. What is missing between them was dropped in the kernel."""
    def measure(world):
        cable = Cable(world.processes)
        receiver = world.testpmd(world.second, [f"{driver}0,iface=vb"], inside=cable.right)
        receiver.command("set fwd rxonly")
        receiver.command("start")
        sender = world.testpmd(world.first, [f"{driver}0,iface=va"], more=["--eth-peer=0,02:00:00:00:00:0b"],
                               inside=cable.left)
        sender.command("set fwd txonly")
        sender.command("set txpkts 64")
        sender.command("start")
        rates, share = testpmd.window(world, receiver, sender)
        sender.command("stop")
        sent, received = sender.counts()[0], receiver.counts()[0]
        if received["RX-bytes"] != 64 * received["RX-packets"]:
            raise RuntimeError(f"testpmd sent {sent} and received {received}")
        return Figure(rates[0]["RX-packets"], share, 1 - received["RX-packets"] / sent["TX-packets"])
    return measure


def round_trip(device, wait):
    """Where both sleep, on one core: how soon another processor wakes up would else be most of it."""
    def measure(world):
        options = ["--wait", wait, "--count", ROUND_TRIPS] if wait == "poll" else [
            "--wait", wait, "--count", LONE_FRAMES, "--pause", 1000]
        said = world.round_trip(f"{device}:vb", f"{device}:va", Cable(world.processes), options, wait == "block")
        return Figure(said["median_us"], said["cpu_share"] if wait == "poll" else None)
    return measure


BARE = "bare AF_PACKET sockets"
SOCKETS = "UDP sockets, UDP_SEGMENT and UDP_GRO"
ROWS = [
    Row("packet64", "`packet:` on veth, 64 B", "testpmd, net_af_packet at both ends", "frames/s", ours("packet"),
        theirs("net_af_packet"), floor=1.0, goal=1.3, packages=("dpdk-dev",)),
    Row("packet64_xdp", "`packet:` on veth, 64 B, one UDP flow", "testpmd, net_af_xdp at both ends", "frames/s",
        ours("packet"), theirs("net_af_xdp"), packages=("dpdk-dev",)),
    Row("super_frames64", "`packet:` on veth, 64 B, one UDP flow as super-frames, none lost",
        "testpmd, net_af_xdp at both ends", "frames/s", lossless(64, 1500, coalesce=True), theirs("net_af_xdp"),
        floor=15, goal=35, packages=("dpdk-dev",)),
    Row("packet8192", "`packet:` on veth, 8 KiB, one UDP flow as super-frames, none lost", SOCKETS, "frames/s",
        lossless(8192, 9000, coalesce=True), sockets, floor=0.7, goal=1.05),
    Row("packet8192_single", "the same, one by one", SOCKETS, "frames/s", lossless(8192, 9000, coalesce=False),
        sockets),
    Row("xdp64", "`xdp:` on veth, 64 B", "testpmd, net_af_xdp at both ends", "frames/s", ours("xdp"),
        theirs("net_af_xdp"), floor=1.0, goal=1.3, packages=("dpdk-dev",)),
    Row("packet_round_trip", "round trip over `packet:` on veth, 64 B, both spin", BARE, "us",
        round_trip("packet", "poll"), round_trip("bare", "poll"), less_is_better=True, floor=1.1, goal=1.0),
    Row("packet_lone_frame", "a lone frame each ms over `packet:` on veth, both sleep, on one core", BARE, "us",
        round_trip("packet", "block"), round_trip("bare", "block"), less_is_better=True, floor=1.1, goal=1.0),
    Row("xdp_round_trip", "round trip over `xdp:` on veth, 64 B, both spin", BARE, "us",
        round_trip("xdp", "poll"), round_trip("bare", "poll"), less_is_better=True, floor=1.1, goal=1.0),
]
