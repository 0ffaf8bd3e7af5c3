# SPDX-License-Identifier: Apache-2.0
"""Growths: what a figure depends on."""
import cable
import memif
import rules
import threads
import wire
from figure import Growth

SIZES = (64, 256, 1024, 4096, 8192)
RULES = (1, 10, 100, 1000, rules.MANY)
RINGS = tuple(1 << power for power in range(6, 14))


def wire_by(text):
    return lambda world, x: wire.one_path(text.format(x=x, packets=max(256, 4 * x)))(world)


def of_pipe(bytes_of, ring_of=lambda x: memif.RING):
    return lambda world, x: memif.pipe(bytes_of(x), ring=ring_of(x))(world)


def gigabits(measure):
    """Of a function that measures frames of x bytes per second."""
    def measured(world, x):
        figure = measure(world, x)
        figure.value *= 8e-9 * x
        return figure
    return measured


ALL = [
    Growth("batch", "`wire:`, 64 B", "frames of a batch", (1, 2, 4, 8, 16, 32, 64, 128, 256), "frames/s", {
        "Context": wire_by("wire,batch={x},packets={packets}"),
        "bare verbs": wire_by("bare,batch={x},packets={packets}")}),
    Growth("size", "one core on `wire:`; two on `pipe:`", "bytes of a frame", SIZES, "Gb/s", {
        "wire": gigabits(wire_by("wire,bytes={x}")), "pipe": gigabits(of_pipe(lambda x: x))}),
    Growth("coalesce", "one UDP flow over `packet:` on veth, MTU 9000, none lost", "bytes of a frame",
           (64, 256, 1024, 1514, 4096, 8192), "Gb/s", {
               "super-frames": gigabits(lambda world, x: cable.lossless(x, 9000, coalesce=True)(world)),
               "one by one": gigabits(lambda world, x: cable.lossless(x, 9000, coalesce=False)(world))}),
    Growth("packets", "`wire:`", "buffers at each end", (64, 256, 1024, 4096, 16384), "frames/s", {
        "64 B": wire_by("wire,packets={x}"), "1500 B": wire_by("wire,bytes=1500,packets={x}")}),
    Growth("ring", "`pipe:`, two processes, 64 B", "slots of its ring", RINGS, "frames/s", {
        "pipe": of_pipe(lambda x: 64, lambda x: x.bit_length() - 1)}),
    Growth("rules", "`wire:`, 64 B, frames of each rule in turn", "rules", RULES, "ns more than with one for all", {
        steering: lambda world, x, steering=steering: rules.match_ns(x, steering)(world)
        for steering in ("ports", "addresses", "tuples", "prefixes", "mixed")}),
    Growth("exchange", "rules exchanged on `wire:`, of several shapes", "rules in force", RULES, "rules/s", {
        "wire": lambda world, x: rules.exchanges("wire:growth", x)(world)}),
    Growth("queues", "`wire:`, 64 B, one thread, batches of 8 flows in turn", "queues", (1, 2, 4, 8), "frames/s", {
        "wire": wire_by("wire,queues={x},rules=8,flows=8,run=32")}),
    Growth("threads", "RSS, frames of 1500 B received and summed up", "queues, each on a thread", (1, 2), "frames/s", {
        "wire": lambda world, x: threads.rss("several_ns", x)(world)}),
]
