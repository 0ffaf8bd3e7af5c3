// SPDX-License-Identifier: Apache-2.0
// SendPkt: the functions that don't run per packet.
#include <fmt/core.h>

#include <stdexcept>

#include <pktverbs/send_pkt.hpp>

namespace pktverbs {

void SendPkt::refuse_length(std::size_t bytes, std::size_t index) const {
    if (!has_chunk(index)) refuse_chunk(index);
    throw std::length_error{
        fmt::format("cannot set a packet's length to {} bytes: its buffer has {} bytes", bytes, capacities_[index])};
}

void SendPkt::refuse_chunk(std::size_t index) const {
    throw std::out_of_range{
        fmt::format("cannot send chunk {} of a packet: it has {}, counted from 0", index, chunk_count())};
}

}  // namespace pktverbs
