// SPDX-License-Identifier: Apache-2.0
// ReceivedFlows: what arrived of each flow, and what is missing from it.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include <pktverbs/ring/sequence_counter.hpp>
#include "traffic/gap_map.hpp"

namespace tool {

/// Which flow a packet belongs to: addresses, ports, protocol and VLAN, as they are in the packet. A value.
struct FlowKey {
    std::array<std::uint8_t, 16> src{}, dst{};  ///< IPv4 addresses in the first four bytes; MAC addresses without IP
    std::uint16_t sport = 0, dport = 0;
    std::uint16_t vlan = 0;  ///< the innermost tag's
    std::uint16_t ether_type = 0;
    std::uint8_t protocol = 0;
    bool is_tagged = false;

    friend bool operator==(const FlowKey&, const FlowKey&) = default;
    /// "10.0.0.1:7148 > 239.2.1.150:7148 udp vlan 100"
    std::string to_string() const;
};
struct FlowKeyHash {
    std::size_t operator()(const FlowKey& key) const noexcept;
};

/// A flow's packets. A sequence number of 8 bytes stands at the start of each payload.
class ReceivedFlow {
public:
    /// This much later than a packet behind it (in packets), one counts as late: TCP would have sent it again (RFC
    /// 4737, 5.4, n-reordering).
    static constexpr std::uint64_t late_distance = 3;

    explicit ReceivedFlow(const FlowKey& key) : key_{key} {}

    void add(std::uint64_t number, std::size_t frame_bytes, std::uint64_t time_ns);

    const FlowKey& key() const noexcept { return key_; }
    const pktverbs::SequenceCounter& numbers() const noexcept { return numbers_; }
    std::uint64_t packets() const noexcept { return numbers_.received(); }
    std::uint64_t bytes() const noexcept { return bytes_; }
    std::uint64_t late() const noexcept { return late_; }
    /// The first number that came, the lowest and the highest.
    std::uint64_t first() const noexcept { return first_; }
    std::uint64_t lowest() const noexcept { return lowest_; }
    std::uint64_t highest() const noexcept { return highest_; }
    const GapMap& gaps() const noexcept { return gaps_; }

private:
    void note_change(std::uint64_t number, std::uint64_t missing_before, std::uint64_t reordered_before,
                     std::uint64_t time_ns);

    FlowKey key_;
    pktverbs::SequenceCounter numbers_;
    std::uint64_t bytes_ = 0, late_ = 0, missing_ = 0, reordered_ = 0;
    std::uint64_t first_ = 0, lowest_ = 0, highest_ = 0;
    GapMap gaps_;
};

/// The flows that arrive. For one thread.
class ReceivedFlows {
public:
    /// Further flows are not told apart: their packets count as others.
    static constexpr std::size_t max_flows = 4096;

    /// Takes a whole frame.
    void add(std::span<const std::uint8_t> frame, std::uint64_t time_ns);

    const std::vector<std::unique_ptr<ReceivedFlow>>& flows() const noexcept { return flows_; }

    struct Sum {
        std::uint64_t packets = 0, bytes = 0, missing = 0, reordered = 0, duplicated = 0, late = 0, wild = 0,
                      restarts = 0;
    };
    Sum sum() const noexcept;
    std::uint64_t packets() const noexcept { return packets_; }
    std::uint64_t bytes() const noexcept { return bytes_; }
    std::uint64_t fragments() const noexcept { return fragments_; }  ///< of IP packets, which have no number
    std::uint64_t others() const noexcept { return others_; }        ///< frames without a number, or of too many flows

private:
    ReceivedFlow* find(const FlowKey& key);

    std::vector<std::unique_ptr<ReceivedFlow>> flows_;
    std::unordered_map<FlowKey, std::size_t, FlowKeyHash> by_key_;
    std::size_t last_ = 0;  ///< the flow of the last packet
    std::uint64_t packets_ = 0, bytes_ = 0, fragments_ = 0, others_ = 0;
};

}  // namespace tool
