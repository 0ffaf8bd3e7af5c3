// SPDX-License-Identifier: Apache-2.0
// Numbered frames: broadcast, of an EtherType of their own, with a number before their payload.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <pktverbs/net/net.hpp>
#include <pktverbs/recv_pkt.hpp>
#include <pktverbs/send_pkt.hpp>

namespace example {

/// IEEE 802: for local experiments.
inline constexpr std::uint16_t data_type = 0x88b5, ack_type = 0x88b6;

/// Makes a packet a frame with that number, and returns the place of its payload.
inline std::span<std::uint8_t> begin_frame(pktverbs::SendPkt& pkt, const pktverbs::MacAddress& source,
                                           std::uint16_t type, std::uint32_t number, std::size_t payload_bytes) {
    const auto dst = pktverbs::MacAddress::broadcast();
    const pktverbs::net::FrameTemplate header{{.dst = dst, .src = source, .type = type}};
    pkt.set_length(header.write(pkt.buffer(), sizeof number + payload_bytes));
    const auto body = pkt.bytes().subspan(header.frame_bytes(0));
    pktverbs::net::store(body.data(), number);
    return body.subspan(sizeof number);
}

/// A received frame of data_type or ack_type.
class NumberedFrame {
public:
    explicit NumberedFrame(const pktverbs::RecvPkt& pkt) noexcept : bytes_{pkt.bytes()} {}
    bool ok() const noexcept { return bytes_.size() >= header_bytes; }
    std::uint32_t number() const noexcept { return pktverbs::net::load<std::uint32_t>(&bytes_[header_bytes - 4]); }
    std::span<const std::uint8_t> payload() const noexcept { return bytes_.subspan(header_bytes); }

private:
    static constexpr std::size_t header_bytes = pktverbs::net::EthernetView<>::size + 4;

    std::span<const std::uint8_t> bytes_;
};

}  // namespace example
