// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/ring/sequence_field.hpp>

#include <fmt/core.h>

#include <cerrno>

#include <pktverbs/net/headers.hpp>
#include <pktverbs/verbs/error.hpp>

namespace pktverbs {

std::optional<std::uint64_t> SequenceField::find(std::span<const std::uint8_t> frame) const noexcept {
    if (from == SequenceOrigin::udp_payload) {
        const net::Headers headers{frame};
        frame = headers.udp().payload();
    }
    if (frame.size() < end()) return {};
    return read(frame.data());
}

void SequenceField::check() const {
    const auto refuse = [](const std::string& why) {
        verbs::throw_message(EINVAL, fmt::format("cannot place by a sequence field: {}", why));
    };
    if (width < 1 || width > 8) refuse(fmt::format("width {} is not between 1 and 8 bytes", width));
    if (shift > 63) refuse(fmt::format("shift {} is more than 63 bits", shift));
    if (max_number() == 0) refuse(fmt::format("mask {:#x} leaves nothing of {} bytes", mask, width));
    if ((max_number() & (max_number() + 1)) != 0)
        refuse(fmt::format("mask {:#x}, shifted by {}, has gaps or does not begin at bit 0", mask, shift));
    if (divisor == 0) refuse("divisor is 0");
    if (divisor > max_number() / 2) refuse(fmt::format("divisor {} is more than half of what the field can hold", divisor));
    if (from != SequenceOrigin::frame && from != SequenceOrigin::udp_payload)
        refuse("it is counted neither from the frame nor from the UDP payload");
    if (order != std::endian::big && order != std::endian::little) refuse("order is neither big nor little");
}

}  // namespace pktverbs
