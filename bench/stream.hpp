// SPDX-License-Identifier: Apache-2.0
// Stream: the UDP frames of a benchmark, numbered by their sender and verified by their receiver.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <pktverbs/flow_rule.hpp>
#include <pktverbs/net/frame_template.hpp>

namespace bench {

/// What frames look like, and the rules that steer them.
struct Shape {
    std::uint32_t bytes = 64;  ///< of a frame, without FCS; at least 54, with IPv6 74
    bool vlan = false;
    bool ipv6 = false;
    std::uint32_t flows = 1;  ///< destination ports that the frames have in turn
    std::uint32_t rules = 1;  ///< rules that are installed, one for each destination port; at least as many as flows
};

class Stream {
public:
    static constexpr std::uint16_t first_port = 7148;

    explicit Stream(const Shape& shape) : shape_{shape}, number_at_{headers(0, {}).header_bytes()} {
        if (shape.bytes < number_at_ + sizeof sent_) throw std::invalid_argument{"a frame has no room for its number"};
    }

    std::vector<pktverbs::FlowRule> rules() const {
        std::vector<pktverbs::FlowRule> made(shape_.rules);
        for (std::uint32_t i = 0; i < shape_.rules; ++i) {
            if (shape_.vlan) made[i].vlan(vlan_id);
            made[i].dst_ip(shape_.ipv6 ? ipv6_to : ipv4_to).udp().dst_port(port_of(i));
        }
        return made;
    }
    std::uint32_t frame_bytes() const noexcept { return shape_.bytes; }

    /// Writes the headers that the sender's buffer `index` keeps, for an end with this MAC address.
    void prepare(std::span<std::uint8_t> buffer, std::uint32_t index, const pktverbs::MacAddress& to) const {
        const auto frame = headers(index % shape_.flows, to);
        std::memset(buffer.data(), 0, shape_.bytes);
        frame.write(buffer, shape_.bytes - frame.header_bytes());
    }
    /// The next frame to be sent.
    void number(std::uint8_t* frame) noexcept {
        std::memcpy(frame + number_at_, &sent_, sizeof sent_);
        ++sent_;
    }
    /// The next frame that came. Without a branch: whether all were right is asked at the end.
    void verify(const std::uint8_t* frame, std::size_t length) noexcept {
        std::uint64_t number;
        std::memcpy(&number, frame + number_at_, sizeof number);
        wrong_ |= (number ^ received_) | (length ^ shape_.bytes);
        ++received_;
    }

    std::uint64_t sent() const noexcept { return sent_; }
    std::uint64_t received() const noexcept { return received_; }
    /// Throws if a frame was lost, came twice, or out of its turn, or with another length.
    void check() const {
        if (wrong_ != 0 || sent_ != received_)
            throw std::runtime_error{"of " + std::to_string(sent_) + " frames, " + std::to_string(received_) +
                                     " came, " + (wrong_ != 0 ? "not all" : "all") + " as they were sent"};
    }

private:
    static constexpr std::uint16_t vlan_id = 7;
    static constexpr const char* ipv4_to = "10.0.0.2";
    static constexpr const char* ipv6_to = "fd00::2";

    static std::uint16_t port_of(std::uint32_t flow) { return static_cast<std::uint16_t>(first_port + flow); }

    pktverbs::net::FrameTemplate headers(std::uint32_t flow, const pktverbs::MacAddress& to) const {
        namespace net = pktverbs::net;
        net::Ethernet ethernet{.dst = to, .src = pktverbs::MacAddress{"02:00:00:00:00:01"}};
        if (shape_.vlan) ethernet.vlan = net::Vlan{.id = vlan_id};
        const net::Udp udp{.src_port = first_port, .dst_port = port_of(flow), .checksum = false};
        if (shape_.ipv6)
            return net::FrameTemplate{
                ethernet, net::Ipv6{.src = pktverbs::Ipv6Address{"fd00::1"}, .dst = pktverbs::Ipv6Address{ipv6_to}},
                udp};
        return net::FrameTemplate{
            ethernet, net::Ipv4{.src = pktverbs::Ipv4Address{"10.0.0.1"}, .dst = pktverbs::Ipv4Address{ipv4_to}}, udp};
    }

    Shape shape_;
    std::size_t number_at_;
    std::uint64_t sent_ = 0;
    std::uint64_t received_ = 0;
    std::uint64_t wrong_ = 0;
};

}  // namespace bench
