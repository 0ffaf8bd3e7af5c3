// SPDX-License-Identifier: Apache-2.0
// Stream: the UDP frames of a benchmark, numbered by their sender and verified by their receiver.
#pragma once

#include <array>
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

/// What tells the flows of frames apart, and so what their rules match.
enum class Steering : std::uint8_t {
    ports,      ///< one destination address, a destination port each
    addresses,  ///< a destination address each
    tuples,     ///< a source address each, with both ports and the destination address
    prefixes,   ///< a prefix of 28 bits of the destination address each
    mixed,      ///< these four in turn
};

/// What frames look like, and the rules that steer them.
struct Shape {
    std::uint32_t bytes = 64;  ///< of a frame, without FCS; at least 50, with a VLAN tag 54, with IPv6 70
    bool vlan = false;
    bool ipv6 = false;
    Steering steering = Steering::ports;
    std::uint32_t flows = 1;  ///< that the frames are of, in turn; several: untagged IPv4
    std::uint32_t run = 1;    ///< frames of a flow in a row
    std::uint32_t rules = 1;  ///< that are installed: one for each flow and more, or a single one for all flows
    bool checksums = false;   ///< of UDP, too
};

class Stream {
public:
    static constexpr std::uint16_t first_port = 7148;

    explicit Stream(const Shape& shape) : shape_{shape}, headers_{headers(0, {})}, number_at_{headers_.header_bytes()} {
        if (shape.bytes < number_at_ + sizeof sent_) throw std::invalid_argument{"a frame has no room for its number"};
        if (shape.flows < 2) return;
        if (shape.vlan || shape.ipv6 || (shape.rules > 1 && shape.rules < shape.flows))
            throw std::invalid_argument{"there can't be such flows"};
        for (std::uint32_t i = 0; i < shape.flows; ++i) {
            std::vector<std::uint8_t> frame(shape.bytes);
            write_headers(frame, i, {});
            std::memcpy(flows_.emplace_back().data(), &frame[flow_at], flow_bytes);
        }
    }

    std::vector<pktverbs::FlowRule> rules() const {
        std::vector<pktverbs::FlowRule> made;
        if (shape_.rules == 1 && shape_.flows > 1)
            made.push_back(pktverbs::FlowRule{}.ipv4().udp());
        else
            for (std::uint32_t i = 0; i < shape_.rules; ++i) made.push_back(rule(i));
        return made;
    }
    std::uint32_t frame_bytes() const noexcept { return shape_.bytes; }

    /// Writes the headers that the sender's buffers keep, for an end with this MAC address.
    void prepare(std::span<std::uint8_t> buffer, const pktverbs::MacAddress& to) {
        headers_ = headers(0, to);
        std::memset(buffer.data(), 0, shape_.bytes);
        write_headers(buffer, 0, to);
    }
    bool has_flows() const noexcept { return !flows_.empty(); }
    /// Makes it a frame of the next flow. Only with several flows, for which a sender has another loop.
    void choose_flow(std::uint8_t* frame) noexcept {
        std::memcpy(frame + flow_at, flows_[chosen_++ / shape_.run % flows_.size()].data(), flow_bytes);
    }
    /// The next frame to be sent.
    void number(std::uint8_t* frame) noexcept {
        std::memcpy(frame + number_at_, &sent_, sizeof sent_);
        ++sent_;
    }
    /// The same with IPv4's next identification and with right checksums: what frames need to go as one super-frame.
    void stamp(std::uint8_t* frame) noexcept {
        const auto identification = static_cast<std::uint16_t>(sent_);
        number(frame);
        headers_.write({frame, shape_.bytes}, shape_.bytes - number_at_,
                       {.identification = identification,
                        .payload_sum = pktverbs::net::InternetSum{}.add({frame + number_at_, sizeof sent_})});
    }
    /// The next frame that came. Without a branch: whether all were right is asked at the end.
    void verify(const std::uint8_t* frame, std::size_t length) noexcept {
        std::uint64_t number;
        std::memcpy(&number, frame + number_at_, sizeof number);
        wrong_ |= (number ^ received_) | (length ^ shape_.bytes);
        ++received_;
    }

    /// The same where frames may get lost: those that are missing before this one are counted.
    void verify_later(const std::uint8_t* frame, std::size_t length) noexcept {
        std::uint64_t number;
        std::memcpy(&number, frame + number_at_, sizeof number);
        wrong_ |= static_cast<std::uint64_t>(number < received_ + lost_) | (length ^ shape_.bytes);
        lost_ = number - received_;
        ++received_;
    }

    std::uint64_t sent() const noexcept { return sent_; }
    std::uint64_t received() const noexcept { return received_; }
    std::uint64_t lost() const noexcept { return lost_; }
    /// Whether a frame came that should not have: twice, out of its turn, with another length.
    bool is_wrong() const noexcept { return wrong_ != 0; }
    /// Throws if a frame was lost, came twice, or out of its turn, or with another length.
    void check() const {
        if (wrong_ != 0 || sent_ != received_)
            throw std::runtime_error{"of " + std::to_string(sent_) + " frames, " + std::to_string(received_) +
                                     " came, " + (wrong_ != 0 ? "not all" : "all") + " as they were sent"};
    }

private:
    /// What tells IPv4 flows apart: the header's checksum, addresses, ports, and the length that follows them.
    static constexpr std::size_t flow_at = 24;
    static constexpr std::size_t flow_bytes = 16;
    using FlowBytes = std::array<std::uint8_t, flow_bytes>;

    void write_headers(std::span<std::uint8_t> buffer, std::uint32_t index, const pktverbs::MacAddress& to) const {
        const auto frame = headers(index, to);
        frame.write(buffer, shape_.bytes - frame.header_bytes());
    }

    static constexpr std::uint16_t vlan_id = 7;
    static constexpr const char* ipv6_to = "fd00::2";
    static constexpr std::uint32_t prefix_bits = 28;

    struct Flow {
        Steering steering;
        pktverbs::Ipv4Address src{"10.0.0.1"};
        pktverbs::Ipv4Address dst{"10.0.0.2"};
        std::uint16_t dst_port = first_port;
    };
    static pktverbs::Ipv4Address address(std::uint32_t number) {
        pktverbs::Ipv4Address::Bytes bytes{};
        for (std::size_t i = 0; i < 4; ++i) bytes[i] = static_cast<std::uint8_t>(number >> (24 - 8 * i));
        return pktverbs::Ipv4Address{bytes};
    }
    Flow flow(std::uint32_t index) const {
        Flow made{.steering = shape_.steering};
        if (made.steering == Steering::mixed) made.steering = static_cast<Steering>(index % 4);
        switch (made.steering) {
            case Steering::addresses:
                made.dst = address(0x0a010000 + index);
                break;
            case Steering::tuples:
                made.src = address(0x0a020000 + index);
                made.dst = address(0x0a000003);
                break;
            case Steering::prefixes:
                made.dst = address(0x0b000001 + (index << (32 - prefix_bits)));
                break;
            default:
                made.dst_port = static_cast<std::uint16_t>(first_port + index);
                break;
        }
        return made;
    }

    pktverbs::FlowRule rule(std::uint32_t index) const {
        const Flow of = flow(index);
        pktverbs::FlowRule made;
        if (shape_.vlan) made.vlan(vlan_id);
        if (shape_.ipv6) return made.dst_ip(ipv6_to).udp().dst_port(of.dst_port);
        switch (of.steering) {
            case Steering::addresses:
                return made.dst_ip(of.dst).udp();
            case Steering::tuples:
                return made.src_ip(of.src).dst_ip(of.dst).udp().src_port(first_port).dst_port(of.dst_port);
            case Steering::prefixes:
                return made.dst_ip(pktverbs::Ipv4Prefix{of.dst, prefix_bits}).udp();
            default:
                return made.dst_ip(of.dst).udp().dst_port(of.dst_port);
        }
    }

    pktverbs::net::FrameTemplate headers(std::uint32_t index, const pktverbs::MacAddress& to) const {
        namespace net = pktverbs::net;
        const Flow of = flow(index);
        net::Ethernet ethernet{.dst = to, .src = pktverbs::MacAddress{"02:00:00:00:00:01"}};
        if (shape_.vlan) ethernet.vlan = net::Vlan{.id = vlan_id};
        const net::Udp udp{.src_port = first_port, .dst_port = of.dst_port, .checksum = shape_.checksums};
        if (shape_.ipv6)
            return net::FrameTemplate{
                ethernet, net::Ipv6{.src = pktverbs::Ipv6Address{"fd00::1"}, .dst = pktverbs::Ipv6Address{ipv6_to}},
                udp};
        return net::FrameTemplate{ethernet, net::Ipv4{.src = of.src, .dst = of.dst}, udp};
    }

    Shape shape_;
    pktverbs::net::FrameTemplate headers_;
    std::size_t number_at_;
    std::vector<FlowBytes> flows_;  ///< if there are several
    std::uint64_t chosen_ = 0;
    std::uint64_t sent_ = 0;
    std::uint64_t received_ = 0;
    std::uint64_t lost_ = 0;
    std::uint64_t wrong_ = 0;
};

}  // namespace bench
