// SPDX-License-Identifier: Apache-2.0
#include "soft/link/memif/receive_ring.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/prefetch.hpp"
#include "net/frame_sizes.hpp"

namespace pktverbs::soft::memif {

namespace {

/// Of frames that come without a header. Any would do: there is nobody else on the link.
constexpr MacAddress::Bytes source_of_ip = {0x02, 0, 0, 0, 0, 0x01};

/// The EtherType of a packet by its first byte; 0 if that is of no IP version.
unsigned ether_type_of(std::uint8_t first) noexcept {
    switch (first >> 4) {
        case 4:
            return 0x0800;
        case 6:
            return 0x86dd;
        default:
            return 0;
    }
}

}  // namespace

ReceiveRing::ReceiveRing(const Ring& ring, const Regions& regions, std::optional<OwnBuffers> own, FileDescriptor event,
                         Mode mode, const MacAddress& mac, std::uint32_t max_frame)
    : ring_{ring},
      regions_{regions},
      own_{own},
      event_{std::move(event)},
      mode_{mode},
      mac_{mac},
      max_frame_{max_frame},
      chain_(ring.slots()) {}

void ReceiveRing::post_all() noexcept {
    give_back(0, ring_.slots());
    ring_.head().store(ring_.slots(), std::memory_order_release);
}

/// A client posts the buffers again that the slots from `from` to `to` have brought.
void ReceiveRing::give_back(std::uint16_t from, std::uint16_t to) noexcept {
    if (!own_) return;
    for (std::uint16_t index = from; index != to; ++index)
        ring_.write(index, own_->descriptor(index & (ring_.slots() - 1U), 0, own_->bytes));
}

std::uint16_t ReceiveRing::count_given() noexcept {
    if (fault_) return 0;
    const std::uint16_t limit = last_ ? *last_ : peers_index().load(std::memory_order_acquire);
    const auto given = static_cast<std::uint16_t>(limit - next_.load(std::memory_order_relaxed));
    if (given <= ring_.slots()) return given;
    fault_ = own_ ? "the tail of a ring to the client runs past its head"
                  : "the head of a ring to the server runs past its tail";
    return 0;
}

void ReceiveRing::freeze() noexcept {
    if (last_) return;
    last_ = peers_index().load(std::memory_order_acquire);
}

/// Returns how many slots it has.
std::uint16_t ReceiveRing::read_chain(std::uint16_t first, std::uint16_t given, bool& complete) noexcept {
    std::uint16_t slots = 0;
    complete = false;
    while (slots < given && !complete) {
        chain_[slots] = ring_.read(static_cast<std::uint16_t>(first + slots));
        complete = (chain_[slots].flags & Descriptor::next) == 0;
        ++slots;
    }
    return slots;
}

std::uint16_t ReceiveRing::take_in_place(std::uint16_t at, std::size_t most, RxFrame* frames,
                                         std::span<std::uint8_t>& room) noexcept {
    constexpr std::uint32_t head_bytes = RxFrame::head_bytes;
    std::uint8_t* head = room.data();
    most = std::min(most, room.size() / head_bytes);
    Regions::Last regions{regions_};
    std::uint16_t count = 0;
    for (; count < most; ++count, head += head_bytes) {
        const auto index = static_cast<std::uint16_t>(at + count);
        const Descriptor piece = ring_.read(index);
        if ((piece.flags & Descriptor::next) != 0 || piece.length < head_bytes || piece.length > max_frame_) break;
        const std::byte* const from =
            own_ ? find(piece, index) : regions.find(piece.region, piece.offset, piece.length);
        if (!from) break;
        prefetch_to_read(from);  // many at a time: they are in the peer's cache
        frames[count].data = reinterpret_cast<const std::uint8_t*>(from);
        frames[count].length = piece.length;
        frames[count].head = head;
    }
    for (std::uint16_t i = 0; i < count; ++i) std::memcpy(room.data() + i * head_bytes, frames[i].data, head_bytes);
    room = room.subspan(std::size_t{count} * head_bytes);
    return count;
}

std::uint16_t ReceiveRing::take_copied(std::uint16_t at, std::uint16_t given, RxFrame*& frame,
                                       std::span<std::uint8_t>& room) noexcept {
    const std::uint32_t header = mode_ == Mode::ip ? ethernet_bytes : 0U;
    bool complete;
    const std::uint16_t slots = read_chain(at, given, complete);
    // The rest of a frame may come, but a whole ring without an end is no frame; nor is what a dead peer left.
    if (!complete && slots < ring_.slots() && !last_) return 0;
    std::uint64_t length = 0;
    bool good = complete;
    for (std::uint16_t i = 0; i < slots && good; ++i) {
        good = find(chain_[i], static_cast<std::uint16_t>(at + i)) != nullptr;
        length += chain_[i].length;
    }
    good = good && length != 0 && header + length <= max_frame_;
    if (good && header + length > room.size()) return 0;
    if (!good) {
        ++lost_;
        return slots;
    }
    std::uint8_t* to = room.data() + header;
    for (std::uint16_t i = 0; i < slots; ++i) {
        std::memcpy(to, find(chain_[i], static_cast<std::uint16_t>(at + i)), chain_[i].length);
        to += chain_[i].length;
    }
    if (header != 0) {
        const unsigned type = ether_type_of(room[header]);
        if (type == 0) {
            ++lost_;
            return slots;
        }
        std::ranges::copy(mac_.bytes(), room.begin());
        std::ranges::copy(source_of_ip, room.begin() + MacAddress::size);
        room[12] = static_cast<std::uint8_t>(type >> 8);
        room[13] = static_cast<std::uint8_t>(type);
    }
    *frame++ = {room.data(), static_cast<std::uint32_t>(header + length)};
    room = room.subspan(header + static_cast<std::size_t>(length));
    return slots;
}

std::size_t ReceiveRing::take(std::span<RxFrame> frames, std::span<std::uint8_t>& room) noexcept {
    const std::uint16_t first = next_.load(std::memory_order_relaxed);
    const std::uint16_t given = count_given();
    const bool in_place = mode_ == Mode::ethernet;
    RxFrame* frame = frames.data();
    RxFrame* const end = frame + frames.size();
    std::uint16_t used = 0;
    while (used < given && frame != end) {
        const auto at = static_cast<std::uint16_t>(first + used);
        if (in_place) {
            const auto most = std::min<std::size_t>(given - used, static_cast<std::size_t>(end - frame));
            const std::uint16_t count = take_in_place(at, most, frame, room);
            used = static_cast<std::uint16_t>(used + count);
            frame += count;
            if (count != 0) [[likely]]
                continue;
        }
        const std::uint16_t slots = take_copied(at, static_cast<std::uint16_t>(given - used), frame, room);
        if (slots == 0) break;
        used = static_cast<std::uint16_t>(used + slots);
    }
    taken_ = used;
    return static_cast<std::size_t>(frame - frames.data());
}

void ReceiveRing::release() noexcept {
    if (taken_ == 0) return;
    const std::uint16_t first = next_.load(std::memory_order_relaxed);
    const auto next = static_cast<std::uint16_t>(first + taken_);
    taken_ = 0;
    give_back(first, next);
    next_.store(next, std::memory_order_relaxed);
    // The frames must be read before the peer may write there again.
    if (own_)
        ring_.head().store(static_cast<std::uint16_t>(next + ring_.slots()), std::memory_order_release);
    else
        ring_.tail().store(next, std::memory_order_release);
}

void ReceiveRing::want_events(bool on) const noexcept {
    ring_.set_masked(!on);
    std::atomic_thread_fence(std::memory_order_seq_cst);
}

}  // namespace pktverbs::soft::memif
