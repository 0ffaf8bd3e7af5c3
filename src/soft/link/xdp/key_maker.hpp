// SPDX-License-Identifier: Apache-2.0
// Key maker: the part of an XDP program that makes a frame's FrameKey.
#pragma once

#include <cstddef>

#include "soft/link/ebpf_code.hpp"
#include "soft/steering/frame_key.hpp"

namespace pktverbs::soft::xdp {

/// Where the key is on the stack.
inline constexpr int key_at = -static_cast<int>(sizeof(FrameKey));
/// Where the word of the key is that has this byte.
constexpr int word_at(std::size_t offset) noexcept { return key_at + static_cast<int>(offset / 8 * 8); }

/// Adds code that begins the program: it makes the frame's key by the rules of parse_frame(), and leaves the number of
/// the queue in r7. It passes frames that are shorter than an Ethernet header.
void add_key_maker(ebpf::Code& code);

/// Loads a part of the key into r1, with what is behind it in its word.
void load_part(ebpf::Code& code, ebpf::Width width, std::size_t offset);

}  // namespace pktverbs::soft::xdp
