// SPDX-License-Identifier: Apache-2.0
// Wired: a test with two hands: datagram Contexts on rxe0, and the world on rxe1.
#pragma once

#include <gtest/gtest.h>

#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <pktverbs/datagram/datagrams.hpp>
#include <pktverbs/soft/device.hpp>
#include <pktverbs/verbs/endpoint.hpp>

#include "frames.hpp"

namespace pktverbs::testing {

/// Whether packets are datagrams: some of what frames do, they don't.
inline constexpr bool datagrams = true;
/// Repetitions here for a number in the wire suite: the machine is slow.
constexpr std::uint32_t repeated(std::uint32_t turns) { return turns / 10; }

inline Options as_datagrams(Options options) {
    options.transport = Transport::datagram;
    return options;
}

/// The other end of the wire. Datagrams take time, so after sending and before receiving a probe goes the same way: one
/// wire keeps the order, so when the probe has arrived, everything before it has arrived.
class World {
public:
    /// To every queue that hears frames of that EtherType.
    void send(std::span<const std::uint8_t> bytes) {
        post(bytes);
        settle(there_, here_);
    }
    void plant(std::uint32_t count, std::uint32_t first) {
        for (std::uint32_t i = 0; i < count; ++i) post(frame(first + i));
        settle(there_, here_);
    }
    /// All that was sent to the world since the last time.
    std::vector<Bytes> receive() {
        settle(here_, there_);
        std::vector<Bytes> all;
        for (;;) {
            const RecvList list = there_.queue(0).recv(0ns);
            if (list.empty()) return all;
            for (const RecvPkt& pkt : list) all.emplace_back(pkt.bytes().begin(), pkt.bytes().end());
        }
    }

    verbs::Endpoint endpoint() { return there_.datagrams().endpoint(0); }
    void hear(const verbs::Endpoint& end, std::uint16_t ether_type) {
        std::erase_if(targets_, [&](const Target& target) { return target.peer.queue_pair() == end.queue_pair; });
        targets_.push_back({there_.datagrams().peer(end), ether_type});
    }

private:
    struct Target {
        Peer peer;
        std::uint16_t ether_type;  ///< 0: all
    };

    static Options options(std::uint32_t packets) {
        return {.transport = Transport::datagram,
                .send_packets = 64,
                .recv_packets = packets,
                .max_packet_size = 512,
                .queues = 2};
    }

    void post(std::span<const std::uint8_t> bytes) {
        for (const Target& target : targets_) {
            const auto type = bytes.size() < 14 ? 0 : bytes[12] << 8 | bytes[13];
            if (target.ether_type == 0 || target.ether_type == type) send(there_.queue(0), target.peer, bytes);
        }
    }
    static void send(Queue& queue, const Peer& peer, std::span<const std::uint8_t> bytes) {
        SendList list = queue.acquire(1, 5s);
        for (SendPkt& pkt : list) {
            std::copy(bytes.begin(), bytes.end(), pkt.buffer().begin());
            pkt.set_length(bytes.size());
            pkt.set_peer(peer);
        }
        if (list.empty() || !queue.send(std::move(list)).empty()) throw std::runtime_error{"the world can't send"};
    }
    /// A probe between the second queues.
    void settle(Context& from, Context& to) {
        const Bytes probe{static_cast<std::uint8_t>(++probes_)};
        send(from.queue(1), from.datagrams().peer(to.datagrams().endpoint(1)), probe);
        const RecvList list = to.queue(1).recv(5s);
        if (list.size() != 1 || list.front().bytes()[0] != probe[0]) throw std::runtime_error{"a probe was lost"};
    }

    Context there_{"ibv:rxe1", options(8192)};
    Context here_{"ibv:rxe0", options(16)};
    std::vector<Target> targets_;
    unsigned probes_ = 0;
};

class Wired : public ::testing::Test {
protected:
    /// Sends all its packets to the world.
    Context open(const Options& options = small) {
        Context ctx{"ibv:rxe0", as_datagrams(options)};
        for (std::size_t i = 0; i < ctx.queue_count(); ++i)
            for (SendPkt& pkt : ctx.queue(i).acquire(ctx.limits().send_packets))
                pkt.set_peer(ctx.datagrams().peer(world.endpoint()));
        return ctx;
    }
    /// Makes a queue hear the world, all of it or only one EtherType.
    Flow hear(Context& ctx, std::size_t queue = 0, std::uint16_t ether_type = 0) {
        world.hear(ctx.datagrams().endpoint(queue), ether_type);
        return {};
    }
    /// The world sends `count` frames, numbered from `first`.
    void plant(std::uint32_t count = 1, std::uint32_t first = 0) { world.plant(count, first); }

    const std::string name;
    World world;
};

/// A Context that hears the world.
class Receiving : public Wired {
protected:
    Context ctx = open();
    Flow flow = hear(ctx);
};

}  // namespace pktverbs::testing
