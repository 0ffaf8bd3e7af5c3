// SPDX-License-Identifier: Apache-2.0
// Node: one end of the wire between rxe0 and rxe1: an open device and what a queue pair on it needs.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <pktverbs/verbs/async_event.hpp>
#include <pktverbs/verbs/device.hpp>
#include <pktverbs/verbs/endpoint.hpp>
#include <pktverbs/verbs/memory_region.hpp>
#include <pktverbs/verbs/queue_pair.hpp>

namespace pktverbs::testing {

/// Longer than any test here takes; none waits for it to pass.
inline constexpr std::chrono::seconds patience{5};

inline constexpr int all_access =
    IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_ATOMIC;
inline constexpr int peer_access = all_access & ~IBV_ACCESS_LOCAL_WRITE;

using Bytes = std::vector<std::uint8_t>;

/// Bytes that count up from `first`.
inline Bytes pattern(std::size_t length, std::uint8_t first = 1) {
    Bytes bytes(length);
    for (std::size_t i = 0; i < length; ++i) bytes[i] = static_cast<std::uint8_t>(first + i);
    return bytes;
}

struct Node {
    explicit Node(const char* name, std::uint32_t entries = 256)
        : device{verbs::hardware_device(name)},
          pd{device},
          channel{device},
          cq{device, {.entries = entries, .channel = channel}},
          memory(64 * 1024),
          region{pd, memory, all_access} {}

    verbs::LocalSlice slice(std::size_t offset, std::size_t length) const { return region.slice(offset, length); }
    verbs::LocalSlice put(std::size_t offset, const Bytes& bytes) {
        std::copy(bytes.begin(), bytes.end(), memory.begin() + static_cast<std::ptrdiff_t>(offset));
        return slice(offset, bytes.size());
    }
    Bytes copy(std::size_t offset, std::size_t length) const {
        const auto from = memory.begin() + static_cast<std::ptrdiff_t>(offset);
        return {from, from + static_cast<std::ptrdiff_t>(length)};
    }
    verbs::RemoteSlice remote(std::size_t offset, std::size_t length) const {
        return region.remote().slice(offset, length);
    }
    void put_number(std::size_t offset, std::uint64_t number) {
        std::memcpy(memory.data() + offset, &number, sizeof number);
    }
    std::uint64_t number(std::size_t offset) const {
        std::uint64_t number = 0;
        std::memcpy(&number, memory.data() + offset, sizeof number);
        return number;
    }

    verbs::QueuePairBuilder builder(ibv_qp_type type) const {
        verbs::QueuePairBuilder builder{pd, type};
        builder.completes_on(cq).depth(16, 16).slices(4, 4);
        if (type == IBV_QPT_RC || type == IBV_QPT_UC) builder.access(peer_access);
        return builder;
    }

    /// The next completion; if none comes, the test fails and gets one that is not ok.
    verbs::Completion wait() {
        for (;;) {
            if (const auto one = cq.poll_one()) return *one;
            cq.arm();
            if (const auto one = cq.poll_one()) return *one;
            if (channel.wait_event(patience)) continue;
            ADD_FAILURE() << "no completion on " << device.device().name;
            ibv_wc none{};
            none.status = IBV_WC_GENERAL_ERR;
            return verbs::Completion{none};
        }
    }
    /// The next completion, which must be a success.
    verbs::Completion wait_ok() {
        const auto one = wait();
        EXPECT_TRUE(one.ok()) << device.device().name << ": " << one.to_string();
        return one;
    }
    bool idle() { return !cq.poll_one(); }

    verbs::OpenDevice device;
    verbs::ProtectionDomain pd;
    verbs::CompletionChannel channel;
    verbs::CompletionQueue cq;
    Bytes memory;
    verbs::MemoryRegion region;
};

/// The two ends exchange endpoints as bytes, as programs would.
inline void introduce(verbs::QueuePair& a, verbs::QueuePair& b) {
    const auto to_a = verbs::Endpoint::from_bytes(a.endpoint().to_bytes());
    const auto to_b = verbs::Endpoint::from_bytes(b.endpoint().to_bytes());
    ASSERT_TRUE(to_a && to_b);
    a.connect(*to_b);
    b.connect(*to_a);
}

/// Two connected queue pairs, on rxe0 and rxe1.
struct Pair {
    using Setup = void (*)(verbs::QueuePairBuilder&);

    explicit Pair(
        ibv_qp_type type = IBV_QPT_RC, Setup setup = [](verbs::QueuePairBuilder&) {})
        : a_qp{make(a, type, setup)}, b_qp{make(b, type, setup)} {
        introduce(a_qp, b_qp);
    }
    static verbs::QueuePair make(const Node& node, ibv_qp_type type, Setup setup) {
        auto builder = node.builder(type);
        setup(builder);
        return builder.create();
    }

    Node a{"rxe0"};
    Node b{"rxe1"};
    verbs::QueuePair a_qp;
    verbs::QueuePair b_qp;
};

inline void expect_posted(const verbs::PostResult& result, std::size_t count = 1) {
    EXPECT_EQ(result.error, 0);
    EXPECT_EQ(result.posted, count);
}

/// Waits until the descriptor is readable.
bool wait_readable(int fd);
/// The next event that is not a change of a GID; fails the test if none comes.
std::optional<verbs::AsyncEvent> wait_event(verbs::OpenDevice& device);
/// The events until one of that type comes, with it.
std::vector<verbs::AsyncEvent> events_until(verbs::OpenDevice& device, ibv_event_type type);

/// Runs a command with the shell; returns its output. Fails the test if the command fails.
std::string run(const std::string& command);

}  // namespace pktverbs::testing
