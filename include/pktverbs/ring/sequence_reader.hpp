// SPDX-License-Identifier: Apache-2.0
// SequenceReader: finds the number of frames that stand in two parts, as in a ring's slot.
#pragma once

#include <cstdint>
#include <vector>

#include <pktverbs/export.hpp>
#include <pktverbs/net/bytes.hpp>
#include <pktverbs/net/ethernet.hpp>
#include <pktverbs/net/ipv4.hpp>
#include <pktverbs/ring/sequence_field.hpp>

namespace pktverbs {

/// For one thread at a time. UDP payloads behind plain headers, of Ethernet and IPv4 without options, are found by a
/// few comparisons; behind any others, by a walk over all headers, of which there may be 512 bytes.
class SequenceReader {
public:
    /// Of frames whose first `header_bytes` are apart from the rest, and that have `max_bytes` at most. Throws
    /// std::system_error (EINVAL) if the field contradicts itself, or cannot be in such a frame.
    PKTVERBS_EXPORT SequenceReader(const SequenceField& field, std::uint32_t header_bytes, std::uint32_t max_bytes);

    /// Of a frame of `length` bytes, max_bytes at most: header_bytes of it at `header`, or all of a shorter one, and
    /// the rest at `rest`. False if it has no number.
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
    static constexpr std::uint32_t plain_headers = 14 + 20 + 8;

    /// Whether the frame is a UDP datagram behind plain headers that reaches as far as the field.
    bool is_plain(const std::uint8_t* frame, std::uint32_t length) const noexcept {
        constexpr std::uint32_t ip_at = 14, udp_at = 34;
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
    SequenceField plain_;              ///< the field behind plain headers, counted from its part of the frame
    bool plain_in_rest_ = false;       ///< which that is
    std::uint32_t plain_end_ = 0;      ///< what a frame must have for that
    std::vector<std::uint8_t> whole_;  ///< frames in one piece: their front, and whatever was behind it
};

}  // namespace pktverbs
