// SPDX-License-Identifier: Apache-2.0
// RecvPkt: a received frame's buffer together with its receive work request.
#pragma once

#include <infiniband/verbs.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>

#include <pktverbs/export.hpp>
#include <pktverbs/packet/layout.hpp>
#include <pktverbs/verbs/local_slice.hpp>

namespace pktverbs {

/// A received frame or datagram: its bytes, status, timestamp and what the device reported about it.
///
/// A Context owns it, and a RecvList gives access to it; it is never made, copied or kept alone. It begins with its
/// ibv_recv_wr, so a list of packets is a chain of work requests.
class RecvPkt {
public:
    RecvPkt(const RecvPkt&) = delete;
    RecvPkt& operator=(const RecvPkt&) = delete;

    /// Returns exactly the bytes received: a frame from its Ethernet header on, without FCS, or the payload of a
    /// datagram. Empty if !ok(). With a Layout of several chunks, only the bytes in the first chunk.
    std::span<std::uint8_t> bytes() noexcept { return {data(), first_length()}; }
    std::span<const std::uint8_t> bytes() const noexcept { return {data(), first_length()}; }
    /// Returns the bytes received in all chunks together.
    std::size_t length() const noexcept { return length_and_status_ & 0xffffff; }

    /// Returns the number of chunks in the Layout; 1 without a Layout.
    std::size_t chunk_count() const noexcept { return grh() ? 1 : static_cast<std::size_t>(wr_.num_sge); }
    /// Returns the bytes received in chunk `index`; empty for chunks that the frame did not reach, and from
    /// chunk_count() on.
    std::span<std::uint8_t> chunk(std::size_t index) noexcept {
        if (!has_chunk(index)) return {};
        std::size_t before = 0;
        for (std::size_t i = 0; i < index; ++i) before += sges_[i].length;
        const std::size_t left = length() > before ? length() - before : 0;
        return {reinterpret_cast<std::uint8_t*>(sges_[index].addr),
                left < sges_[index].length ? left : sges_[index].length};
    }
    /// Returns the memory that chunk `index` is received into: all of it, not only the part that was filled. Empty from
    /// chunk_count() on.
    verbs::LocalSlice target(std::size_t index = 0) const noexcept {
        return verbs::LocalSlice::unchecked(has_chunk(index) ? sges_[index] : ibv_sge{});
    }
    /// Makes the next frame go to other memory, so that the program can keep this frame's. Only while the packet is in
    /// a list. The memory of `slice` must be registered with the packet's Context (see Context::slice()) and must stay
    /// until the packet has another target or the Context is closed. From now on bytes() and chunk() refer to the new
    /// memory. A dmabuf must be mapped if the library works on the frame (Offloads: recv_checksums, strip_vlan in
    /// software). Throws std::out_of_range from chunk_count() on, and for a datagram.
    void retarget(const verbs::LocalSlice& slice, std::size_t index = 0) {
        if (grh() || !has_chunk(index)) [[unlikely]]
            refuse_target(index);
        sges_[index] = slice.raw();
    }

    /// Returns how the receive completed: IBV_WC_SUCCESS for a whole frame.
    ibv_wc_status status() const noexcept { return static_cast<ibv_wc_status>(length_and_status_ >> 24); }
    /// Whether the receive succeeded.
    bool ok() const noexcept { return length_and_status_ >> 24 == IBV_WC_SUCCESS; }

    /// Returns when the frame was received, in nanoseconds of the clock that Limits::timestamp_clock names:
    /// CLOCK_REALTIME, or the NIC's own, which DeviceClock converts to a system clock. Zero without Limits::timestamps,
    /// and for a failed packet.
    std::chrono::nanoseconds timestamp() const noexcept {
        return std::chrono::nanoseconds{static_cast<std::int64_t>(timestamp_)};
    }
    /// Whether the IPv4 and TCP or UDP checksums were verified and found right, by the device or, if
    /// Offloads::recv_checksums says so, by the library. False also means "not verified".
    bool checksum_ok() const noexcept { return (tag_and_flags_ >> 24 & IBV_WC_IP_CSUM_OK) != 0; }
    /// Returns the VLAN tag that Offloads::strip_vlan took out: priority in the upper three bits, VLAN id in the lower
    /// twelve. If the device takes tags out, a tag of all zeros looks like no tag.
    std::optional<std::uint16_t> vlan() const noexcept {
        if ((vlan_ & has_vlan) == 0) return std::nullopt;
        return static_cast<std::uint16_t>(vlan_);
    }
    /// Returns the FlowRule::tag() of the rule that steered the frame here, if the device reports it; else 0. Frames
    /// only.
    std::uint32_t flow_tag() const noexcept { return tag_and_flags_ & 0xffffff; }

    /// Returns the number of the queue pair that sent a datagram; Datagrams::peer(packet) is the way to reply. It has
    /// no meaning for a frame.
    std::uint32_t source_queue_pair() const noexcept { return tag_and_flags_ & 0xffffff; }
    /// Returns the header that precedes a datagram; null for a frame.
    const ibv_grh* grh() const noexcept {
        return wr_.sg_list != sges_ ? reinterpret_cast<const ibv_grh*>(wr_.sg_list[0].addr) : nullptr;
    }

    /// Returns the work request underneath. Its wr_id belongs to the library.
    ibv_recv_wr* raw() noexcept { return &wr_; }

private:
    friend class RecvPool;
    friend class RecvSide;
    friend class ReceiveOffloads;
    template <class Pkt>
    friend class PacketChain;
    friend class RecvList;

    RecvPkt() noexcept = default;
    /// What the lists rely on: the work request comes first, and a packet of one chunk needs one cache line only.
    static void check_layout() noexcept {
        static_assert(std::is_standard_layout_v<RecvPkt>);
        static_assert(offsetof(RecvPkt, wr_) == 0);
        static_assert(offsetof(RecvPkt, sges_) == 48);
        static_assert(sizeof(RecvPkt) == 128);
    }
    /// Index 0, which most callers use, needs no look at the number of chunks.
    bool has_chunk(std::size_t index) const noexcept { return index == 0 || index < chunk_count(); }
    [[noreturn]] PKTVERBS_EXPORT void refuse_target(std::size_t index) const;
    void set_result(std::uint32_t length, ibv_wc_status status, std::uint32_t flow_tag, unsigned flags) noexcept {
        length_and_status_ = (length & 0xffffff) | static_cast<std::uint32_t>(status) << 24;
        tag_and_flags_ = (flow_tag & 0xffffff) | flags << 24;
    }
    void set_checksum_ok() noexcept { tag_and_flags_ |= unsigned{IBV_WC_IP_CSUM_OK} << 24; }
    void shorten(std::uint32_t bytes) noexcept { length_and_status_ -= bytes; }
    static constexpr std::uint64_t has_vlan = 1U << 16;
    void set_vlan(std::uint16_t tci, bool there) noexcept { vlan_ = there ? has_vlan | tci : 0; }
    std::uint8_t* data() const noexcept { return reinterpret_cast<std::uint8_t*>(sges_[0].addr); }
    std::size_t first_length() const noexcept { return length() < sges_[0].length ? length() : sges_[0].length; }
    RecvPkt* next() const noexcept { return reinterpret_cast<RecvPkt*>(wr_.next); }
    void set_next(RecvPkt* pkt) noexcept { wr_.next = reinterpret_cast<ibv_recv_wr*>(pkt); }

    ibv_recv_wr wr_{};
    // Packed by hand, not as bit fields: each word is written whole, per packet, without being read first.
    std::uint32_t length_and_status_ = 0;  ///< length below, status in the high 8 bits
    std::uint32_t tag_and_flags_ = 0;      ///< flow tag or source queue pair below, wc_flags in the high 8 bits
    std::uint64_t timestamp_ = 0;
    // The first ends the first cache line: a packet of one chunk needs no other. A datagram's header is elsewhere.
    ibv_sge sges_[Layout::max_chunks]{};
    std::uint64_t vlan_ = 0;  ///< written only where tags are taken out
    std::uint64_t reserved_ = 0;
};

}  // namespace pktverbs
