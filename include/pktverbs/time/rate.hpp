// SPDX-License-Identifier: Apache-2.0
// Rate: how fast to send, and what of a packet counts.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <pktverbs/export.hpp>

namespace pktverbs {

/// A value.
class Rate {
public:
    enum class Unit : std::uint8_t {
        wire_bits,   ///< all that a packet keeps an Ethernet link busy with
        frame_bits,  ///< the bytes of the frame, as SendPkt::length() has them
        packets,
    };

    /// Of 1000 to 9 * 10^12 bits per second, 0.001 to 9 * 10^12 packets per second. Throw std::system_error (EINVAL)
    /// outside that.
    PKTVERBS_EXPORT static Rate wire_bits(double per_second);
    PKTVERBS_EXPORT static Rate frame_bits(double per_second);
    PKTVERBS_EXPORT static Rate packets(double per_second);

    /// "10G", "10Gbps", "2.5Gbit/s", "100kb/s", "1.5Mpps", "20packets/s": a number and a unit, and nothing before,
    /// between or behind; nullopt for anything else, and outside those limits. A number alone is refused: nobody can
    /// tell of what.
    ///
    /// Prefixes are k, M, G and T, powers of 1000, in upper or lower case; a prefix alone is bits, for "b" is a bit.
    /// `bits` says which: on the wire, as people who speak of a 10G link mean them, or of frames.
    PKTVERBS_EXPORT static std::optional<Rate> parse(std::string_view text, Unit bits = Unit::wire_bits) noexcept;

    Unit unit() const noexcept { return unit_; }
    double per_second() const noexcept { return per_second_; }

    /// What Ethernet adds to a frame: preamble and start of frame 8, FCS 4, gap 12 bytes (IEEE 802.3, 3.1.1 and
    /// 4.4.2, interPacketGap); a frame below 60 bytes is padded.
    static constexpr std::size_t wire_bytes(std::size_t frame_bytes) noexcept {
        return std::max<std::size_t>(frame_bytes, 60) + 24;
    }
    /// How much a packet counts: bytes, or 1.
    std::size_t weight(std::size_t frame_bytes) const noexcept {
        if (unit_ == Unit::wire_bits) return wire_bytes(frame_bytes);
        return unit_ == Unit::frame_bits ? frame_bytes : 1;
    }
    /// Packets per second, if all are of this length.
    double packets_per_second(std::size_t frame_bytes) const noexcept {
        return unit_ == Unit::packets ? per_second_ : per_second_ / 8 / static_cast<double>(weight(frame_bytes));
    }

    /// "bit/s on the wire", "bit/s of frames", "packets/s".
    PKTVERBS_EXPORT static std::string_view name(Unit unit) noexcept;
    /// "10 Gbit/s on the wire", "1.5 Gbit/s of frames", "2 Mpackets/s".
    PKTVERBS_EXPORT std::string to_string() const;

private:
    Rate(Unit unit, double per_second);
    static bool is_possible(Unit unit, double per_second) noexcept;

    double per_second_;
    Unit unit_;
};

}  // namespace pktverbs
