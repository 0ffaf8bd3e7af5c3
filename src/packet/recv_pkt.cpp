// SPDX-License-Identifier: Apache-2.0
// RecvPkt: the functions that don't run per packet.
#include <fmt/format.h>

#include <stdexcept>

#include <pktverbs/recv_pkt.hpp>

namespace pktverbs {

void RecvPkt::refuse_target(std::size_t index) const {
    if (grh()) throw std::out_of_range{"cannot aim a datagram elsewhere: only frames can be"};
    throw std::out_of_range{
        fmt::format("cannot aim chunk {} of a packet: it has {}, counted from 0", index, chunk_count())};
}

}  // namespace pktverbs
