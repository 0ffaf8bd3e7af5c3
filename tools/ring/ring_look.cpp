// SPDX-License-Identifier: Apache-2.0
#include "ring_look.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

namespace tool {

using pktverbs::RingState;

namespace {

// docs/ring.md, "Death": each side holds a lock on its byte of the file while it is attached.
constexpr int producer_byte = 0, consumer_byte = 1;

bool is_locked(int fd, int byte) {
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    lock.l_start = byte;
    lock.l_len = 1;
    if (::fcntl(fd, F_OFD_GETLK, &lock) != 0)
        throw std::system_error{errno, std::generic_category(), "cannot see who uses the ring: fcntl(F_OFD_GETLK)"};
    return lock.l_type != F_UNLCK;
}

bool was_handed_over(std::uint64_t word) noexcept {
    return RingState::kind(word) == RingState::filled || RingState::kind(word) == RingState::reading;
}

}  // namespace

RingLook::RingLook(const std::string& name)
    : name_{name.starts_with('/') ? name : '/' + name},
      ring_{pktverbs::BlockRing::attach(name_)},
      view_{ring_.memory().data(), pktverbs::RingLayout{ring_.geometry()}} {}

RingLook::Side RingLook::producer() const { return side(view_.header().producer, producer_byte); }
RingLook::Side RingLook::consumer() const { return side(view_.header().consumer, consumer_byte); }

RingLook::Side RingLook::side(pktverbs::RingSide& side, int byte) const {
    using pktverbs::RingPeer;
    constexpr auto relaxed = std::memory_order_relaxed;
    Side seen{.state = RingPeer::absent,
              .generation = side.generation.load(relaxed),
              .deaths = side.deaths.load(relaxed),
              .blocks = side.blocks.load(relaxed)};
    const auto state = side.state.load(relaxed);
    if (is_locked(ring_.fd(), byte))
        seen.state = RingPeer::present;
    else if (state == static_cast<std::uint32_t>(RingPeer::present))
        seen.state = RingPeer::died;  // which nobody has noticed yet
    else if (state <= static_cast<std::uint32_t>(RingPeer::died))
        seen.state = static_cast<RingPeer>(state);
    return seen;
}

bool RingLook::is_in_use() const {
    return is_locked(ring_.fd(), producer_byte) || is_locked(ring_.fd(), consumer_byte);
}

RingLook::Blocks RingLook::blocks() const noexcept {
    Blocks blocks;
    for (std::uint32_t i = 0; i != geometry().blocks; ++i)
        switch (RingState::kind(view_.state(i).load(std::memory_order_relaxed))) {
            case RingState::free:
                ++blocks.free;
                break;
            case RingState::filling:
                ++blocks.filling;
                break;
            case RingState::filled:
                ++blocks.filled;
                break;
            case RingState::reading:
                ++blocks.reading;
                break;
        }
    return blocks;
}

std::vector<std::uint32_t> RingLook::handed_over() const {
    std::vector<std::pair<std::uint64_t, std::uint32_t>> blocks;
    for (std::uint32_t i = 0; i != geometry().blocks; ++i)
        if (const auto word = view_.state(i).load(std::memory_order_acquire); was_handed_over(word))
            blocks.emplace_back(RingState::number(word), i);
    std::ranges::sort(blocks);
    std::vector<std::uint32_t> indexes;
    for (const auto& [number, index] : blocks) indexes.push_back(index);
    return indexes;
}

std::optional<RingLook::Block> RingLook::copy(std::uint32_t index, bool has_frames) const {
    const auto slots = geometry().block_slots;
    const auto before = view_.state(index).load(std::memory_order_acquire);
    if (!was_handed_over(before)) return {};
    Block block{.number = RingState::number(before),
                .header = view_.block_header(index).load(),
                .bitmap = {},
                .slots = {},
                .headers = {},
                .payloads = {}};
    for (std::uint32_t i = 0; i != (slots + 63) / 64; ++i)
        block.bitmap.push_back(view_.bitmap(index)[i].load(std::memory_order_relaxed));
    for (std::uint32_t i = 0; i != slots; ++i) block.slots.push_back(view_.slot_infos(index)[i].load());
    if (has_frames) {
        block.headers.resize(std::size_t{geometry().header_stride} * slots);
        block.payloads.resize(std::size_t{geometry().payload_stride} * slots);
        if (!block.headers.empty()) std::memcpy(block.headers.data(), view_.headers(index), block.headers.size());
        std::memcpy(block.payloads.data(), view_.payloads(index), block.payloads.size());
    }
    // From filled to being read, nothing in it changes.
    std::atomic_thread_fence(std::memory_order_acquire);
    const auto after = view_.state(index).load(std::memory_order_relaxed);
    if (!was_handed_over(after) || RingState::number(after) != block.number) return {};
    const auto& header = block.header;
    if (header.number != block.number || header.first_slot > header.end_slot || header.end_slot > slots ||
        header.valid_slots > header.end_slot - header.first_slot)
        return {};
    return block;
}

std::span<const std::uint8_t> RingLook::header(const Block& block, std::uint32_t slot) const noexcept {
    return std::span{block.headers}.subspan(std::size_t{geometry().header_stride} * slot,
                                            std::min(block.slots[slot].length, geometry().header_bytes));
}

std::span<const std::uint8_t> RingLook::payload(const Block& block, std::uint32_t slot) const noexcept {
    const auto length = block.slots[slot].length;
    return std::span{block.payloads}.subspan(
        std::size_t{geometry().payload_stride} * slot,
        std::min(length - std::min(length, geometry().header_bytes), geometry().payload_bytes));
}

}  // namespace tool
