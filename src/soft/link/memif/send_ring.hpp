// SPDX-License-Identifier: Apache-2.0
// SendRing: the ring that frames are written to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/file_descriptor.hpp"
#include "soft/link/link.hpp"
#include "soft/link/memif/message.hpp"
#include "soft/link/memif/regions.hpp"
#include "soft/link/memif/ring.hpp"

namespace pktverbs::soft::memif {

/// A client's buffers of one ring: buffer i belongs to slot i for good.
struct OwnBuffers {
    std::byte* base;
    std::uint32_t offset;  ///< of the first, in region 0
    std::uint32_t bytes;   ///< of each
    std::uint32_t stride;

    std::byte* at(std::size_t slot) const noexcept { return base + slot * stride; }
    Descriptor descriptor(std::size_t slot, std::uint16_t flags, std::uint32_t length) const noexcept {
        return {flags, 0, length, offset + static_cast<std::uint32_t>(slot) * stride, 0};
    }
};

/// One thread at a time. A client writes to its own buffers and gives them at the head; a server fills the buffers that
/// the client has posted, and gives them at the tail.
class SendRing {
public:
    /// With `own`, as the client. The regions must stay.
    SendRing(const Ring& ring, const Regions& regions, std::optional<OwnBuffers> own, FileDescriptor event, Mode mode);

    /// Writes frames in order, and gives the peer those that it wrote whole. Returns how many it took: fewer means that
    /// there is no room, or a fault.
    std::size_t send(std::span<const TxFrame> frames) noexcept;

    /// What the peer did wrong; null if nothing. From then on nothing is sent.
    const char* fault() const noexcept { return fault_; }
    /// The last send() was short of room, and there is enough now.
    bool has_wanted_room() noexcept {
        look_for_room();
        return wanted_slots_ != 0 && room() >= wanted_slots_;
    }
    bool is_stalled() const noexcept { return wanted_slots_ != 0; }
    /// Frames taken that can never be sent: longer than the ring's buffers, or not IP in IP mode.
    std::uint64_t lost() const noexcept { return lost_; }
    /// Frames that the peer has not taken yet.
    std::uint64_t count_left_over() noexcept;

private:
    enum class Put { done, full, hopeless, fault };

    /// Slots that may be written, as far as is known.
    std::uint16_t room() const noexcept { return static_cast<std::uint16_t>(limit_ - next_); }
    bool look_for_room() noexcept;
    std::size_t put_whole(std::span<const TxFrame> frames) noexcept;
    bool put_whole_posted(const TxFrame& frame) noexcept;
    Put put(const TxFrame& frame) noexcept;
    Put put_own(const TxFrame& frame, std::uint32_t skip) noexcept;
    Put put_posted(const TxFrame& frame, std::uint32_t skip) noexcept;
    Put full(std::size_t slots) noexcept;
    void give() noexcept;

    Ring ring_;
    const Regions& regions_;
    std::optional<OwnBuffers> own_;
    FileDescriptor event_;
    Mode mode_;
    std::uint16_t next_ = 0;   ///< slot to write
    std::uint16_t limit_ = 0;  ///< of room(): by the peer's index when it was last read, which is as rarely as possible
    std::uint16_t wanted_slots_ = 0;
    std::uint32_t written_slots_ = 0;       ///< since the start, no more than a ring's
    std::vector<Descriptor> posted_;        ///< private copies
    std::vector<std::uint8_t> frame_ends_;  ///< by slot
    std::uint64_t lost_ = 0;
    const char* fault_ = nullptr;
};

}  // namespace pktverbs::soft::memif
