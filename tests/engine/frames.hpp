// SPDX-License-Identifier: Apache-2.0
// Frames: helpers with which the engine's tests send, receive and compare, on any device.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include <pktverbs/pktverbs.hpp>

namespace pktverbs::testing {

using namespace std::chrono_literals;

using Bytes = std::vector<std::uint8_t>;

inline constexpr std::size_t min_frame = 18;

/// A broadcast frame with a number after its Ethernet header.
inline Bytes frame(std::uint32_t number, std::size_t bytes = 64) {
    Bytes made(bytes, 0xee);
    std::fill_n(made.begin(), 6, std::uint8_t{0xff});
    std::copy_n("\x02\x00\x00\x00\x00\x01\x88\xb5", 8, made.begin() + 6);
    std::memcpy(made.data() + 14, &number, sizeof number);
    return made;
}

template <class Range>
std::uint32_t number_of(const Range& bytes) {
    std::uint32_t number = 0;
    if (bytes.size() >= min_frame) std::memcpy(&number, bytes.data() + 14, sizeof number);
    return number;
}

inline std::vector<std::uint32_t> numbers(const RecvList& list) {
    std::vector<std::uint32_t> all;
    for (const RecvPkt& pkt : list) all.push_back(number_of(pkt.bytes()));
    return all;
}

/// Like numbers(), for frames that a tap received.
inline std::vector<std::uint32_t> numbers(const std::vector<Bytes>& frames) {
    std::vector<std::uint32_t> all;
    for (const Bytes& bytes : frames) all.push_back(number_of(bytes));
    return all;
}

using Numbers = std::vector<std::uint32_t>;

inline void fill(SendPkt& pkt, std::uint32_t number, std::size_t bytes = 64) {
    const Bytes made = frame(number, bytes);
    std::copy(made.begin(), made.end(), pkt.buffer().begin());
    pkt.set_length(bytes);
}

/// Fills a list with frames `first`, `first` + 1, ...
inline SendList filled(SendList list, std::uint32_t first) {
    for (SendPkt& pkt : list) fill(pkt, first++);
    return list;
}

inline const Options small{.send_packets = 8, .recv_packets = 16, .max_packet_size = 256};

inline Options with_timestamps(Options options) {
    options.timestamps = true;
    return options;
}
inline Options with_wait(WaitMode mode) {
    Options options = small;
    options.wait = mode;
    return options;
}
inline Options with_queues(std::uint32_t queues) {
    Options options = small;
    options.queues = queues;
    return options;
}

}  // namespace pktverbs::testing
