// SPDX-License-Identifier: Apache-2.0
// Rate: a send rate, and which bytes of a packet count against it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <pktverbs/export.hpp>

namespace pktverbs {

/// States how fast to send, in bits on the wire, bits of frames or packets per second.
///
/// A value.
class Rate {
public:
    /// What a rate counts.
    enum class Unit : std::uint8_t {
        wire_bits,   ///< everything that a packet occupies an Ethernet link with
        frame_bits,  ///< the bytes of the frame, as in SendPkt::length()
        packets,     ///< packets of any length
    };

    /// Makes a rate of bits on the wire, 1000 to 9 * 10^12 per second. Throws std::system_error (EINVAL) outside of
    /// that.
    PKTVERBS_EXPORT static Rate wire_bits(double per_second);
    /// Makes a rate of bits of frames, 1000 to 9 * 10^12 per second. Throws std::system_error (EINVAL) outside of that.
    PKTVERBS_EXPORT static Rate frame_bits(double per_second);
    /// Makes a rate of packets, 0.001 to 9 * 10^12 per second. Throws std::system_error (EINVAL) outside of that.
    PKTVERBS_EXPORT static Rate packets(double per_second);

    /// "10G", "10Gbps", "2.5Gbit/s", "100kb/s", "1.5Mpps", "20packets/s": a number and a unit, and nothing before,
    /// between or behind; nullopt for anything else, and outside those limits. A number alone is refused: nobody can
    /// tell of what.
    ///
    /// Prefixes are k, M, G and T, powers of 1000, in upper or lower case; a prefix alone is bits, for "b" is a bit.
    /// `bits` says which: on the wire, as people who speak of a 10G link mean them, or of frames.
    PKTVERBS_EXPORT static std::optional<Rate> parse(std::string_view text, Unit bits = Unit::wire_bits) noexcept;

    /// Returns what it counts.
    Unit unit() const noexcept { return unit_; }
    /// Returns how many of them per second.
    double per_second() const noexcept { return per_second_; }

    /// Returns the bytes that a frame occupies the wire with: Ethernet adds preamble and start of frame 8, FCS 4, gap
    /// 12 bytes (IEEE 802.3, 3.1.1 and 4.4.2, interPacketGap), and pads frames below 60 bytes.
    static constexpr std::size_t wire_bytes(std::size_t frame_bytes) noexcept {
        return std::max<std::size_t>(frame_bytes, 60) + 24;
    }
    /// Returns how much a packet counts: its bytes, or 1.
    std::size_t weight(std::size_t frame_bytes) const noexcept {
        if (unit_ == Unit::wire_bits) return wire_bytes(frame_bytes);
        return unit_ == Unit::frame_bits ? frame_bytes : 1;
    }
    /// Returns the packets per second if all have this length.
    double packets_per_second(std::size_t frame_bytes) const noexcept {
        return unit_ == Unit::packets ? per_second_ : per_second_ / 8 / static_cast<double>(weight(frame_bytes));
    }

    /// Returns "bit/s on the wire", "bit/s of frames" or "packets/s".
    PKTVERBS_EXPORT static std::string_view name(Unit unit) noexcept;
    /// Returns "10 Gbit/s on the wire", "1.5 Gbit/s of frames", "2 Mpackets/s".
    PKTVERBS_EXPORT std::string to_string() const;

private:
    Rate(Unit unit, double per_second);
    static bool is_possible(Unit unit, double per_second) noexcept;

    double per_second_;
    Unit unit_;
};

}  // namespace pktverbs
