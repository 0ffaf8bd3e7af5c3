// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/packet/layout.hpp>

#include <fmt/core.h>

#include <stdexcept>

namespace pktverbs {

std::size_t Layout::bytes() const noexcept {
    std::size_t sum = 0;
    for (const Chunk& chunk : chunks()) sum += chunk.bytes;
    return sum;
}

Layout& Layout::add(const Chunk& chunk) {
    if (count_ == max_chunks)
        throw std::length_error{fmt::format("cannot add a chunk to a layout: it has {} already", max_chunks)};
    chunks_[count_++] = chunk;
    return *this;
}

}  // namespace pktverbs
