// SPDX-License-Identifier: Apache-2.0
#include "soft/link/memif/send_ring.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <utility>

#include "net/frame_sizes.hpp"

namespace pktverbs::soft::memif {

namespace {

/// Reads a frame from its pieces.
class PieceReader {
public:
    explicit PieceReader(const TxFrame& frame) noexcept : piece_{frame.sges}, left_{frame.sges->length} {
        at_ = reinterpret_cast<const std::byte*>(piece_->addr);
    }

    /// The frame has that many bytes left.
    void copy(std::byte* to, std::size_t bytes) noexcept {
        while (bytes > 0) {
            if (left_ == 0) {
                ++piece_;
                at_ = reinterpret_cast<const std::byte*>(piece_->addr);
                left_ = piece_->length;
                continue;
            }
            const std::size_t part = std::min(bytes, left_);
            std::memcpy(to, at_, part);
            to += part;
            at_ += part;
            bytes -= part;
            left_ -= part;
        }
    }

private:
    const ibv_sge* piece_;
    const std::byte* at_;
    std::size_t left_;
};

/// Untagged IPv4 or IPv6: what a link without Ethernet headers can carry.
bool is_ip_frame(const TxFrame& frame) noexcept {
    std::array<std::byte, ethernet_bytes> header;
    if (frame.length <= header.size()) return false;
    PieceReader{frame}.copy(header.data(), header.size());
    const unsigned type = std::to_integer<unsigned>(header[12]) << 8 | std::to_integer<unsigned>(header[13]);
    return type == 0x0800 || type == 0x86dd;
}

}  // namespace

SendRing::SendRing(const Ring& ring, const Regions& regions, std::optional<OwnBuffers> own, FileDescriptor event,
                   Mode mode)
    : ring_{ring},
      regions_{regions},
      own_{own},
      event_{std::move(event)},
      mode_{mode},
      posted_(own ? 0 : ring.slots()),
      frame_ends_(ring.slots()) {}

/// Slots that may be written now.
std::uint16_t SendRing::count_room() noexcept {
    if (fault_) return 0;
    const std::uint16_t limit =
        own_ ? static_cast<std::uint16_t>(ring_.tail().load(std::memory_order_acquire) + ring_.slots())
             : ring_.head().load(std::memory_order_acquire);
    const auto room = static_cast<std::uint16_t>(limit - next_);
    if (room <= ring_.slots()) return room;
    fault_ = own_ ? "the tail of a ring to the server is not behind its head"
                  : "the head of a ring to the client is not before its tail";
    return 0;
}

std::size_t SendRing::send(std::span<const TxFrame> frames) noexcept {
    wanted_slots_ = 0;
    const std::uint16_t first = next_;
    const std::uint16_t at_first = count_room();
    std::size_t taken = 0;
    for (; taken < frames.size() && !fault_; ++taken) {
        const auto room = static_cast<std::uint16_t>(at_first - static_cast<std::uint16_t>(next_ - first));
        if (room != 0 && put_whole(frames[taken])) [[likely]]
            continue;
        const Put result = put(frames[taken], room);
        if (result == Put::hopeless) ++lost_;
        if (result == Put::full || result == Put::fault) break;
    }
    if (next_ == first) return taken;
    written_slots_ = std::min<std::uint32_t>(written_slots_ + static_cast<std::uint16_t>(next_ - first), ring_.slots());
    give();
    return taken;
}

/// The usual frame: one piece, for one buffer. False: nothing was done.
bool SendRing::put_whole(const TxFrame& frame) noexcept {
    if (frame.sge_count != 1 || mode_ != Mode::ethernet) return false;
    const std::size_t slot = next_ & (ring_.slots() - 1U);
    Descriptor buffer;
    std::byte* to;
    if (own_) {
        if (frame.length > own_->bytes) return false;
        buffer = own_->descriptor(slot, 0, frame.length);
        to = own_->at(slot);
    } else {
        buffer = ring_.read(next_);
        to = regions_.find(buffer.region, buffer.offset, buffer.length);
        if (!to || frame.length > buffer.length) return false;
        buffer.flags = 0;
        buffer.length = frame.length;
    }
    std::memcpy(to, reinterpret_cast<const std::byte*>(frame.sges->addr), frame.length);
    ring_.write(next_, buffer);
    frame_ends_[slot] = 1;
    ++next_;
    return true;
}

SendRing::Put SendRing::put(const TxFrame& frame, std::uint16_t room) noexcept {
    std::uint32_t skip = 0;
    if (mode_ == Mode::ip) {
        if (!is_ip_frame(frame)) return Put::hopeless;
        skip = ethernet_bytes;
    }
    return own_ ? put_own(frame, skip, room) : put_posted(frame, skip, room);
}

SendRing::Put SendRing::full(std::size_t slots) noexcept {
    if (slots > ring_.slots()) return Put::hopeless;
    wanted_slots_ = static_cast<std::uint16_t>(slots);
    return Put::full;
}

SendRing::Put SendRing::put_own(const TxFrame& frame, std::uint32_t skip, std::uint16_t room) noexcept {
    std::uint32_t left = frame.length - skip;
    const std::uint32_t slots = (left + own_->bytes - 1) / own_->bytes;
    if (slots > room) return full(slots);
    PieceReader reader{frame};
    std::array<std::byte, ethernet_bytes> skipped;
    reader.copy(skipped.data(), skip);
    while (left > 0) {
        const std::uint32_t part = std::min(left, own_->bytes);
        const std::size_t slot = next_ & (ring_.slots() - 1U);
        reader.copy(own_->at(slot), part);
        left -= part;
        ring_.write(next_, own_->descriptor(slot, left > 0 ? Descriptor::next : std::uint16_t{0}, part));
        frame_ends_[slot] = left == 0;
        ++next_;
    }
    return Put::done;
}

/// Buffers are counted first and written then: what a frame did not fill stays as the client posted it.
SendRing::Put SendRing::put_posted(const TxFrame& frame, std::uint32_t skip, std::uint16_t room) noexcept {
    const std::uint32_t bytes = frame.length - skip;
    std::uint64_t capacity = 0;
    std::uint16_t slots = 0;
    for (; capacity < bytes && slots < room; ++slots) {
        posted_[slots] = ring_.read(static_cast<std::uint16_t>(next_ + slots));
        capacity += posted_[slots].length;
    }
    if (capacity < bytes) return full(std::size_t{slots} + 1);
    for (std::uint16_t i = 0; i < slots; ++i) {
        if (regions_.find(posted_[i].region, posted_[i].offset, posted_[i].length)) continue;
        fault_ = "an empty buffer reaches out of its region";
        return Put::fault;
    }

    PieceReader reader{frame};
    std::array<std::byte, ethernet_bytes> skipped;
    reader.copy(skipped.data(), skip);
    std::uint32_t left = bytes;
    for (std::uint16_t i = 0; i < slots; ++i, ++next_) {
        Descriptor& buffer = posted_[i];
        buffer.length = std::min(left, buffer.length);
        reader.copy(regions_.find(buffer.region, buffer.offset, buffer.length), buffer.length);
        left -= buffer.length;
        const bool ends = i + 1 == slots;
        buffer.flags = ends ? std::uint16_t{0} : Descriptor::next;
        ring_.write(next_, buffer);
        frame_ends_[next_ & (ring_.slots() - 1U)] = ends;
    }
    return Put::done;
}

void SendRing::give() noexcept {
    (own_ ? ring_.head() : ring_.tail()).store(next_, std::memory_order_release);
    // The index must be stored before the flag is loaded. The peer clears the flag first and then looks at the index
    // once more: one of the two sees the other.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (ring_.is_masked()) return;
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto put = ::write(event_.get(), &one, sizeof one);
}

std::uint64_t SendRing::count_left_over() noexcept {
    const std::uint16_t room = count_room();
    // With a fault, nothing is known of what the peer took.
    const std::uint32_t slots = fault_ ? written_slots_ : std::min<std::uint32_t>(ring_.slots() - room, written_slots_);
    std::uint64_t frames = 0;
    for (std::uint32_t i = 1; i <= slots; ++i) frames += frame_ends_[(next_ - i) & (ring_.slots() - 1U)];
    return frames;
}

}  // namespace pktverbs::soft::memif
