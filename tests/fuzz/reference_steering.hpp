// SPDX-License-Identifier: Apache-2.0
// Reference steering: the soft device's flow steering written a second time, to be simple rather than fast.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <span>
#include <vector>

namespace reference {

using Bytes = std::vector<std::uint8_t>;

/// A frame's fields, as numbers; empty where the frame has none.
struct Headers {
    Bytes dst_mac;
    Bytes src_mac;
    std::optional<std::uint32_t> vlan_tci;
    std::optional<std::uint32_t> ether_type;
    int ip_version = 0;
    Bytes src_ip;
    Bytes dst_ip;
    std::optional<std::uint32_t> protocol;
    std::optional<std::uint32_t> tos;
    std::optional<std::uint32_t> ttl;
    std::optional<std::uint32_t> flow_label;
    std::optional<std::uint32_t> src_port;
    std::optional<std::uint32_t> dst_port;
    bool fragment = false;
};

Headers read_headers(std::span<const std::uint8_t> frame);

/// The errno values that a device may return for a flow attribute and its specs. Empty if they are valid.
std::vector<int> complaints(const Bytes& attribute);

/// Whether a link should accept this frame for the flow: because the flow matches it, or to count it as a fragment that
/// the flow misses for its ports alone. `attribute` must be valid.
bool wants(const Bytes& attribute, std::span<const std::uint8_t> frame);

/// Whether a link must be exact about the frame: it has no truncated parts, wrong lengths, second VLAN tag or IPv6
/// extension headers.
bool is_plain(std::span<const std::uint8_t> frame);

/// Where a frame went: queue pairs, by any number, and the tags that they see.
struct Outcome {
    bool dropped = false;
    std::map<int, std::uint32_t> copies;
    std::map<const void*, std::uint64_t> counted;  ///< by counters: how often they counted the frame

    bool operator==(const Outcome&) const = default;
};

class Steering {
public:
    /// `attribute` must be valid.
    void add(const Bytes& attribute, int queue_pair, std::uint64_t handle);
    /// False if there is no such flow.
    bool remove(std::uint64_t handle);
    void remove_all(int queue_pair);
    std::size_t size() const { return flows_.size(); }

    Outcome steer(std::span<const std::uint8_t> frame) const;

private:
    struct Flow {
        Bytes attribute;
        int queue_pair;
        std::uint64_t handle;
    };
    std::list<Flow> flows_;  ///< in order of creation
};

}  // namespace reference
