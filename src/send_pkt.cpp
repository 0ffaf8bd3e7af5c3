// SPDX-License-Identifier: Apache-2.0
// SendPkt: what doesn't run per packet.
#include <fmt/core.h>

#include <stdexcept>

#include <pktverbs/send_pkt.hpp>

namespace pktverbs {

void SendPkt::throw_too_long(std::size_t bytes, std::size_t index) const {
    throw std::length_error{
        fmt::format("cannot set a packet's length to {} bytes: its buffer has {} bytes", bytes, capacities_[index])};
}

}  // namespace pktverbs
