// SPDX-License-Identifier: Apache-2.0
// ReceiveRing: the ring that frames are read from.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/counter.hpp"
#include "base/file_descriptor.hpp"
#include "soft/link/link.hpp"
#include "soft/link/memif/message.hpp"
#include "soft/link/memif/regions.hpp"
#include "soft/link/memif/ring.hpp"
#include "soft/link/memif/send_ring.hpp"

namespace pktverbs::soft::memif {

/// A frame in one buffer is given from where it is, in the shared memory, with a copy of its head; others are copied
/// out of it.
///
/// One thread at a time, except for what says otherwise.
class ReceiveRing {
public:
    /// With `own`, as the client. The regions must stay. `mac` is the destination of frames that come without a header,
    /// in IP mode.
    ReceiveRing(const Ring& ring, const Regions& regions, std::optional<OwnBuffers> own, FileDescriptor event,
                Mode mode, const MacAddress& mac, std::uint32_t max_frame);

    /// A client's empty buffers, for a server that has just connected.
    void post_all() noexcept;

    /// What must be copied goes to the beginning of `room`, which this makes smaller; it must have at least
    /// max_frame bytes. Returns how many there are, and 0 only if there are no more whole frames, or after a fault.
    /// They are valid until release(), which must follow. `frames` are as RxFrame{} but for what earlier calls wrote.
    std::size_t take(std::span<RxFrame> frames, std::span<std::uint8_t>& room) noexcept;
    /// The peer may have the buffers of the frames that were taken.
    void release() noexcept;
    /// What was given until now is taken, and nothing that comes later.
    void freeze() noexcept;

    const char* fault() const noexcept { return fault_; }
    /// Frames that are too long, or whose descriptors are wrong.
    std::uint64_t lost() const noexcept { return lost_; }

    int event_fd() const noexcept { return event_.get(); }

    // Any thread.
    /// With a fence behind it: a frame that comes later is announced, or has_frames() sees it.
    void want_events(bool on) const noexcept;
    bool has_frames() const noexcept {
        return peers_index().load(std::memory_order_acquire) != next_.load(std::memory_order_relaxed);
    }

private:
    std::atomic_ref<std::uint16_t> peers_index() const noexcept { return own_ ? ring_.tail() : ring_.head(); }
    std::uint16_t count_given() noexcept;
    /// Takes up to `most` frames of one buffer each. Fewer: take_copied() must take the next one.
    std::uint16_t take_in_place(std::uint16_t at, std::size_t most, RxFrame* frames,
                                std::span<std::uint8_t>& room) noexcept;
    /// Takes a frame of several buffers, or of few bytes, or one that gets a header. Returns the slots that it has; 0
    /// if it is not there yet, or has no room.
    std::uint16_t take_copied(std::uint16_t at, std::uint16_t given, RxFrame*& frame,
                              std::span<std::uint8_t>& room) noexcept;
    std::uint16_t read_chain(std::uint16_t first, std::uint16_t given, bool& complete) noexcept;
    /// A client knows its buffers, whatever the descriptor says; it is the server that fills them in order.
    const std::byte* find(const Descriptor& piece, std::uint16_t index) const noexcept {
        if (!own_) return regions_.find(piece.region, piece.offset, piece.length);
        return piece.length <= own_->bytes ? own_->at(index & (ring_.slots() - 1U)) : nullptr;
    }
    void give_back(std::uint16_t from, std::uint16_t to) noexcept;

    Ring ring_;
    const Regions& regions_;
    std::optional<OwnBuffers> own_;
    FileDescriptor event_;
    Mode mode_;
    MacAddress mac_;
    std::uint32_t max_frame_;
    std::atomic<std::uint16_t> next_{0};  ///< slot to release; one thread writes it
    std::uint16_t taken_ = 0;             ///< slots from there on
    std::optional<std::uint16_t> last_ = {};
    std::vector<Descriptor> chain_;  ///< private copies
    std::uint64_t lost_ = 0;
    const char* fault_ = nullptr;
};

}  // namespace pktverbs::soft::memif
