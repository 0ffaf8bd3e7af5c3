// SPDX-License-Identifier: Apache-2.0
#include "soft/link/memif/send_ring.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <utility>

#include "base/prefetch.hpp"
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

/// Reads the peer's index. Returns whether there is more room than was known.
bool SendRing::look_for_room() noexcept {
    if (fault_) return false;
    const std::uint16_t limit =
        own_ ? static_cast<std::uint16_t>(ring_.tail().load(std::memory_order_acquire) + ring_.slots())
             : ring_.head().load(std::memory_order_acquire);
    if (static_cast<std::uint16_t>(limit - next_) > ring_.slots()) {
        fault_ = own_ ? "the tail of a ring to the server is not behind its head"
                      : "the head of a ring to the client is not before its tail";
        return false;
    }
    const std::uint16_t known = room();
    limit_ = limit;
    return room() > known;
}

std::size_t SendRing::send(std::span<const TxFrame> frames) noexcept {
    wanted_slots_ = 0;
    const std::uint16_t first = next_;
    std::size_t taken = 0;
    while (taken < frames.size() && !fault_) {
        taken += put_whole(frames.subspan(taken));
        if (taken == frames.size() || fault_) break;
        const Put result = put(frames[taken]);
        if (result == Put::full && look_for_room()) {
            wanted_slots_ = 0;
            continue;
        }
        if (result == Put::full || result == Put::fault) break;
        if (result == Put::hopeless) ++lost_;
        ++taken;
    }
    if (next_ == first) return taken;
    written_slots_ = std::min<std::uint32_t>(written_slots_ + static_cast<std::uint16_t>(next_ - first), ring_.slots());
    give();
    // For the next frame, while the peer has this one.
    if (own_ && room() != 0) prefetch_to_write(own_->at(next_ & (ring_.slots() - 1U)));
    return taken;
}

/// Writes usual frames: of one piece, for one buffer. Returns how many; put() must look at the next one.
std::size_t SendRing::put_whole(std::span<const TxFrame> frames) noexcept {
    if (mode_ != Mode::ethernet) return 0;
    if (room() < frames.size()) look_for_room();
    const std::size_t most = fault_ ? 0 : std::min<std::size_t>(frames.size(), room());
    std::size_t count = 0;
    if (!own_) {
        while (count < most && put_whole_posted(frames[count])) ++count;
        return count;
    }
    const OwnBuffers own = *own_;
    const std::uint32_t last_slot = ring_.slots() - 1U;
    std::uint8_t* const frame_ends = frame_ends_.data();
    const std::uint32_t next = next_;
    // The peer has read these lines: they are taken from it several at a time, as many as a core can wait for.
    constexpr std::size_t ahead = 16;
    for (std::size_t i = 1; i < std::min(most, ahead); ++i) prefetch_to_write(own.at((next + i) & last_slot));
    for (; count < most; ++count) {
        const TxFrame& frame = frames[count];
        if (frame.sge_count != 1 || frame.length > own.bytes) break;
        if (most - count > ahead) prefetch_to_write(own.at((next + count + ahead) & last_slot));
        const std::size_t slot = (next + count) & last_slot;
        std::memcpy(own.at(slot), reinterpret_cast<const std::byte*>(frame.sges->addr), frame.length);
        ring_.write(static_cast<std::uint16_t>(slot), own.descriptor(slot, 0, frame.length));
        frame_ends[slot] = 1;
    }
    next_ = static_cast<std::uint16_t>(next + count);
    return count;
}

bool SendRing::put_whole_posted(const TxFrame& frame) noexcept {
    Descriptor buffer = ring_.read(next_);
    std::byte* const to = regions_.find(buffer.region, buffer.offset, buffer.length);
    if (!to || frame.sge_count != 1 || frame.length > buffer.length) return false;
    buffer.flags = 0;
    buffer.length = frame.length;
    std::memcpy(to, reinterpret_cast<const std::byte*>(frame.sges->addr), frame.length);
    ring_.write(next_, buffer);
    frame_ends_[next_ & (ring_.slots() - 1U)] = 1;
    ++next_;
    return true;
}

SendRing::Put SendRing::put(const TxFrame& frame) noexcept {
    std::uint32_t skip = 0;
    if (mode_ == Mode::ip) {
        if (!is_ip_frame(frame)) return Put::hopeless;
        skip = ethernet_bytes;
    }
    return own_ ? put_own(frame, skip) : put_posted(frame, skip);
}

SendRing::Put SendRing::full(std::size_t slots) noexcept {
    if (slots > ring_.slots()) return Put::hopeless;
    wanted_slots_ = static_cast<std::uint16_t>(slots);
    return Put::full;
}

SendRing::Put SendRing::put_own(const TxFrame& frame, std::uint32_t skip) noexcept {
    std::uint32_t left = frame.length - skip;
    const std::uint32_t slots = (left + own_->bytes - 1) / own_->bytes;
    if (slots > room()) return full(slots);
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
SendRing::Put SendRing::put_posted(const TxFrame& frame, std::uint32_t skip) noexcept {
    const std::uint32_t bytes = frame.length - skip;
    std::uint64_t capacity = 0;
    std::uint16_t slots = 0;
    for (; capacity < bytes && slots < room(); ++slots) {
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
    look_for_room();
    // With a fault, nothing is known of what the peer took.
    const std::uint32_t slots =
        fault_ ? written_slots_ : std::min<std::uint32_t>(ring_.slots() - room(), written_slots_);
    std::uint64_t frames = 0;
    for (std::uint32_t i = 1; i <= slots; ++i) frames += frame_ends_[(next_ - i) & (ring_.slots() - 1U)];
    return frames;
}

}  // namespace pktverbs::soft::memif
