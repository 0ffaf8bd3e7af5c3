#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ping: its own host at the other end of a pipe, and the kernel's at that of a cable, either way."""
import subprocess

import pktverbs


class Ping(pktverbs.TestCase):
    def ping_responder(self, peer, source, *options, respond=(), count=5):
        pipe = f"pipe:{pktverbs.unique()}"
        with pktverbs.Running(["ping", pipe, "--respond", peer, *respond, "--json", "-c", count]) as responder:
            result = pktverbs.run("ping", pipe, peer, "--source", source, "-c", count, "-i", "1ms", "-W", "10s",
                                  *options)
            self.expect(result)
            return result, self.expect(responder.wait()).total

    def test_pings_its_own_host(self):
        for peer, source, udp, counter in (("10.0.0.2", "10.0.0.1", [], "icmp"), ("fd00::2", "fd00::1", [], "icmpv6"),
                                           ("10.0.0.2", "10.0.0.1", ["--udp", 7], "udp"),
                                           ("fe80::2", "fe80::1", ["--udp", 7], "udp")):
            with self.subTest(peer, udp=udp):
                result, answered = self.ping_responder(peer, source, *udp, "-s", 1000, "--json", respond=udp)
                total = result.total
                self.assertEqual((total["event"], total["sent"], total["received"], total["lost"], total["bad"]),
                                 ("total", 5, 5, 0, 0))
                self.assertEqual((total["peer"], total["source"]), (peer, source))
                self.assertLessEqual(total["rtt_min_ns"], total["rtt_max_ns"])
                self.assertEqual(answered[counter], 5)
                self.assertEqual((answered["neighbours"], answered["no_room"]), (1, 0))

    def test_writes_what_a_person_reads(self):
        out = self.ping_responder("10.0.0.2", "10.0.0.1", "--histogram")[0].out
        self.assertIn("PING 10.0.0.2 from 10.0.0.1 on pipe:", out)
        self.assertRegex(out, r"(?m)^56 bytes from 10\.0\.0\.2: seq=5 ttl=64 time=[0-9.]+ (us|ms|s)$")
        self.assertIn("5 sent, 5 received, 0 lost (0 %), ", out)
        self.assertRegex(out, r"(?m)^round trip: min .*, mean .*, max .*, mdev ")
        self.assertRegex(out, r"(?m)^99 % +[0-9.]+ (us|ms|s)$")
        self.assertIn("█", out)
        self.assertLessEqual(max(map(len, out.splitlines())), 80)
        quiet = self.ping_responder("10.0.0.2", "10.0.0.1", "--quiet")[0].out
        self.assertNotIn("seq=", quiet)
        self.assertIn("5 sent", quiet)

    def test_tells_what_was_lost(self):
        pipe = f"pipe:{pktverbs.unique()}"
        with pktverbs.Running(["ping", pipe, "--respond", "10.0.0.2"]) as responder:
            self.assertIn("answering for 10.0.0.2", responder.read_line())
            # Not seen: neither ARP nor the first frames, but some of the later ones.
            result = pktverbs.run("ping", f"{pipe}?loss=0.5", "10.0.0.2", "--source", "10.0.0.1", "-c", 60, "-i", "1ms",
                                  "-W", "50ms", "--peer-mac", "02:00:00:00:00:99", "--json")
            self.expect(result, 3)  # addressed to somebody else
            self.assertEqual((result.total["received"], result.total["lost"]), (0, 60))
            self.assertIsNone(result.total["rtt_p50_ns"])
            responder.interrupt()
            self.expect(responder.wait())
        with pktverbs.Running(["ping", pipe, "--respond", "10.0.0.3"]) as responder:
            self.assertIn("answering for", responder.read_line())
            result = self.expect(pktverbs.run("ping", pipe, "10.0.0.2", "--source", "10.0.0.1", "-c", 1, "-W",
                                              "50ms"), 1)
            self.assertIn("10.0.0.2 does not answer ARP", result.err)

    def test_counts_a_part_that_was_lost(self):
        pipe = f"pipe:{pktverbs.unique()}"
        with pktverbs.Running(["ping", f"{pipe}?loss=0.5&seed=4", "--respond", "fd00::2"]):
            for _ in range(20):  # neighbour discovery has three tries, each of which may be lost
                result = pktverbs.run("ping", pipe, "fd00::2", "--source", "fd00::1", "-c", 60, "-i", "1ms", "-W",
                                      "200ms", "--json")
                if result.status != 1:
                    break
            self.expect(result, 3)
            total = result.total
            self.assertEqual(total["received"] + total["lost"], 60)
            self.assertTrue(5 < total["lost"] < 55, total)

    def test_pings_the_kernel(self):
        cable = self.cable()
        for side in 0, 1:
            subprocess.run(["ip", "netns", "exec", cable.names[side], "sysctl", "-qw",
                            f"net.ipv6.conf.{cable.interfaces[side]}.disable_ipv6=0"], check=True)
            subprocess.run(["ip", "-n", cable.names[side], "addr", "add", f"fd00::{side + 1}/64", "dev",
                            cable.interfaces[side], "nodad"], check=True)
        device = f"packet:{cable.interfaces[0]}"
        for peer, options in (("10.198.54.2", []), ("10.198.54.2", ["--source", "10.198.54.99"]), ("fd00::2", []),
                              ("fd00::2", ["--source", "fd00::99"])):
            with self.subTest(peer, options=options):
                result = pktverbs.run("ping", device, peer, "-c", 3, "-i", "1ms", "-W", "10s", "--json", *options,
                                      netns=cable.names[0])
                self.expect(result)
                self.assertEqual(result.total["received"], 3)
        # Nobody is at that port: the kernel says so.
        result = pktverbs.run("ping", device, "10.198.54.2", "-c", 1, "-W", "100ms", "--udp", 9, netns=cable.names[0])
        self.expect(result, 3)
        self.assertIn("from 10.198.54.2: destination unreachable (code 3)", result.out)
        self.assertIn("1 ICMP error, 1 lost (100 %)", result.out)

    def test_answers_the_kernel(self):
        cable = self.cable()
        subprocess.run(["ip", "netns", "exec", cable.names[0], "sysctl", "-qw",
                        f"net.ipv6.conf.{cable.interfaces[0]}.disable_ipv6=0"], check=True)
        subprocess.run(["ip", "-n", cable.names[0], "addr", "add", "fd00::1/64", "dev", cable.interfaces[0], "nodad"],
                       check=True)
        with pktverbs.Running(["ping", f"packet:{cable.interfaces[1]}", "--respond", "10.198.54.99", "--respond",
                               "fd00::99", "--udp", 7], netns=cable.names[1]) as responder:
            self.assertIn("answering for 10.198.54.99, fd00::99 on packet:", responder.read_line())
            for peer in "10.198.54.99", "fd00::99":
                pktverbs.kernel_ping(cable.names[0], peer)
            program = ("import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(30);"
                       "s.sendto(b'hello', ('10.198.54.99', 7)); assert s.recv(100) == b'hello'")
            subprocess.run(["ip", "netns", "exec", cable.names[0], "python3", "-c", program], check=True)
            responder.interrupt()
            out = self.expect(responder.wait()).out
        self.assertIn("3 ICMP, 3 ICMPv6 and 1 UDP echo requests and ", out)
        self.assertIn(", 0 had no room", out)

    def test_ends_with_totals_on_a_signal(self):
        pipe = f"pipe:{pktverbs.unique()}"
        with pktverbs.Running(["ping", pipe, "10.0.0.2", "--source", "10.0.0.1"]) as waiting:
            self.assertIn("waiting for the link", waiting.process.stderr.readline())
            waiting.interrupt()
            self.assertIn("0 sent, 0 received, 0 lost (0 %)", self.expect(waiting.wait(), 3).out)
        with pktverbs.Running(["ping", pipe, "--respond", "10.0.0.2"]) as responder, \
                pktverbs.Running(["ping", pipe, "10.0.0.2", "--source", "10.0.0.1", "-i", "1h"]) as running:
            while "seq=1" not in running.read_line():
                pass
            running.interrupt()
            self.assertIn("1 sent, 1 received, 0 lost (0 %)", self.expect(running.wait()).out)
            responder.interrupt()
            self.assertIn("1 ICMP, 0 ICMPv6 and 0 UDP echo requests", self.expect(responder.wait()).out)

    def test_refuses_what_it_cannot_do(self):
        for words, why in ((["wire:a"], "give the address of a peer, or --respond IP"),
                           (["wire:a", "10.0.0.1", "--respond", "10.0.0.2"], "give the address of a peer"),
                           (["wire:a", "239.1.1.1"], "multicast group"),
                           (["wire:a", "ff02::1"], "multicast group"),
                           (["wire:a", "0.0.0.0"], "no station can have"),
                           (["wire:a", "host"], "'host' is not an IPv4 or IPv6 address"),
                           (["wire:a", "10.0.0.1"], "give --source IP"),
                           (["wire:a", "10.0.0.1", "--source", "fd00::1"], "two IP versions"),
                           (["wire:a", "10.0.0.1", "-s", "9000"], "are longer than the 9000 bytes"),
                           (["wire:a", "10.0.0.1", "--source", "10.0.0.2", "--udp", "7", "-s", "3"], "at least 4 bytes"),
                           (["wire:a", "10.0.0.1", "-i", "0"], "'0' is not a time")):
            with self.subTest(words):
                result = self.expect(pktverbs.run("ping", *words), 2)
                self.assertIn(why, result.err)
                self.assertEqual(result.out, "")


if __name__ == "__main__":
    pktverbs.main()
