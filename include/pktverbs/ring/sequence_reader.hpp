// SPDX-License-Identifier: Apache-2.0
// SequenceReader: reads the sequence numbers of frames in two parts.
#pragma once

#include <cstdint>
#include <vector>

#include <pktverbs/export.hpp>
#include <pktverbs/net/bytes.hpp>
#include <pktverbs/net/ethernet.hpp>
#include <pktverbs/net/ipv4.hpp>
#include <pktverbs/net/udp.hpp>
#include <pktverbs/ring/sequence_field.hpp>

namespace pktverbs {

/// Reads the sequence number of frames in two parts, such as header and payload in a ring's slot.
///
/// For one thread at a time. A UDP payload behind plain headers (Ethernet, IPv4 without options) is found by a few
/// comparisons; behind other headers, of up to 512 bytes, by a walk over all of them.
class SequenceReader {
public:
    /// For frames of up to `max_bytes` whose first `header_bytes` are apart from the rest. Throws std::system_error
    /// (EINVAL) if the field contradicts itself or does not fit such a frame.
    PKTVERBS_EXPORT SequenceReader(const SequenceField& field, std::uint32_t header_bytes, std::uint32_t max_bytes);

    /// Reads the number of a frame of `length` bytes, at most max_bytes: its first header_bytes, or all of a shorter
    /// frame, are at `header`, the rest at `rest`. Returns false if it has no number.
    bool read(const std::uint8_t* header, const std::uint8_t* rest, std::uint32_t length,
              std::uint64_t& number) noexcept {
        const bool is_udp = plain_.from == SequenceOrigin::udp_payload;
        if (is_udp && !is_plain(header_bytes_ == 0 ? rest : header, length)) [[unlikely]]
            return search(header, rest, length, number);
        if (length < plain_end_) [[unlikely]]
            return false;
        number = plain_.read(plain_in_rest_ ? rest : header);
        return true;
    }

private:
    static constexpr std::uint32_t ip_at = net::EthernetView<>::size;
    static constexpr std::uint32_t udp_at = ip_at + net::Ipv4View<>::size;
    static constexpr std::uint32_t plain_headers = udp_at + net::UdpView<>::size;

    /// Whether the frame is a UDP datagram behind plain headers that reaches as far as the field.
    bool is_plain(const std::uint8_t* frame, std::uint32_t length) const noexcept {
        if (length < plain_end_) return false;
        const std::uint32_t ip_bytes = net::load<std::uint16_t>(frame + ip_at + 2);
        const std::uint32_t udp_bytes = net::load<std::uint16_t>(frame + udp_at + 4);
        return net::load<std::uint16_t>(frame + 12) == net::ether_type::ipv4 && frame[ip_at] == 0x45 &&
               (net::load<std::uint16_t>(frame + ip_at + 6) & 0x3fff) == 0 &&  // no fragment
               frame[ip_at + 9] == net::ip_protocol::udp && ip_bytes + ip_at <= length && udp_bytes + 20 <= ip_bytes &&
               udp_bytes + udp_at >= plain_end_;
    }
    PKTVERBS_EXPORT bool search(const std::uint8_t* header, const std::uint8_t* rest, std::uint32_t length,
                                std::uint64_t& number) noexcept;

    SequenceField field_;
    std::uint32_t header_bytes_;
    SequenceField plain_;              ///< the field behind plain headers, counted from the start of its part
    bool plain_in_rest_ = false;       ///< which part that is
    std::uint32_t plain_end_ = 0;      ///< the length that a frame needs for that
    std::vector<std::uint8_t> whole_;  ///< for frames copied into one piece: their front, and old bytes behind it
};

}  // namespace pktverbs
