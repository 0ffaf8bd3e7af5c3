// SPDX-License-Identifier: Apache-2.0
// SendOffloads: expands a packet into the work requests that its offloads need.
#pragma once

#include <infiniband/verbs.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include <pktverbs/memory/memory.hpp>
#include <pktverbs/packet/layout.hpp>
#include <pktverbs/send_pkt.hpp>
#include <pktverbs/verbs/handle.hpp>

#include "net/frame_sizes.hpp"
#include "offload/granted_offloads.hpp"
#include "verbs/port.hpp"

namespace pktverbs {

/// One queue's, used by its sending thread. Rewritten headers, and the work requests of all segments but the last, live
/// in entries of a ring: used in the order of sending, and free again when the packet is.
class SendOffloads {
public:
    /// The longest header of segments.
    static constexpr std::uint32_t max_header = 256;

    SendOffloads() noexcept = default;
    /// Registers the ring. Throws std::system_error.
    SendOffloads(const verbs::Port& port, const GrantedOffloads& granted, std::size_t chunks, std::uint32_t packets,
                 std::uint32_t max_work_requests);

    /// The work requests, besides the packets' own, for which the queue pair must have room.
    std::uint32_t extra_work_requests() const noexcept { return splits_ ? capacity_ : 0; }
    bool has_entries() const noexcept { return capacity_ != 0; }

    /// Applies the packet's offloads to its work request, adds to its flags, and links further ones before it: `first`
    /// becomes the first of its work requests. Returns 0, or an errno and leaves the packet unchanged: EOPNOTSUPP for
    /// an offload that the queue was not opened for, EINVAL for invalid headers, EMSGSIZE for a packet that can never
    /// be sent, ENOBUFS if the ring is full.
    int shape(SendPkt& pkt, unsigned& flags, ibv_send_wr*& first) noexcept;
    /// Undoes it after posting, for a chain that begins with `first`: packets are linked to packets again.
    void unshape(ibv_send_wr* first) noexcept;
    /// The packet to which this work request belongs.
    static SendPkt* packet_of(const ibv_send_wr* wr) noexcept { return packet_of(wr->wr_id); }
    static SendPkt* packet_of(std::uint64_t wr_id) noexcept {
        return reinterpret_cast<SendPkt*>(wr_id & ~std::uint64_t{part});
    }
    /// Whether a completion is for a part of a packet: only failed ones are reported, and the packet's own follows.
    static bool is_part(std::uint64_t wr_id) noexcept { return (wr_id & part) != 0; }

    std::uint32_t used() const noexcept { return used_; }
    /// Frees all entries up to this one.
    void free_until(std::uint32_t entry) noexcept { freed_ = entry; }
    /// The device refused the work request `bad` (null: all), which belongs to `refused`; entries from `first` on were
    /// for that packet and those after it. They become free again, except for parts that the device took before: it may
    /// still read them, and sends them before anything that is posted later.
    void take_back(const ibv_send_wr* bad, const SendPkt& refused, std::uint32_t first) noexcept;

private:
    static constexpr std::uint64_t part = 1;

    struct Entry {
        ibv_send_wr wr;
        ibv_sge sges[Layout::max_chunks + 1];
        std::uint8_t head[max_header + vlan_tag_bytes];
    };

    Entry& entry(std::uint32_t index) const noexcept;
    std::uint32_t available() const noexcept { return capacity_ - (used_ - freed_); }
    bool is_entry(const ibv_send_wr* wr) const noexcept;
    std::span<const ibv_sge> chunks_of(const SendPkt& pkt) const noexcept { return {pkt.sges_, chunks_}; }
    void fill(SendPkt& pkt) const noexcept;
    int insert_vlan(SendPkt& pkt) noexcept;
    int segment(SendPkt& pkt, unsigned& flags, ibv_send_wr*& first) noexcept;
    int segment_by_device(SendPkt& pkt, std::span<const std::uint8_t> header) noexcept;
    void split(SendPkt& pkt, std::span<const std::uint8_t> header, std::uint32_t count, ibv_send_wr*& first) noexcept;
    void use(ibv_send_wr& wr, Entry& from, std::uint32_t head_bytes, std::span<const ibv_sge> sges,
             std::uint32_t offset, std::uint32_t length) const noexcept;

    Offloads granted_{};
    std::uint32_t max_tso_ = 0;
    std::uint32_t may_ask_ = 0;  ///< bits of SendPkt::asks()
    bool splits_ = false;
    std::size_t chunks_ = 1;  ///< per packet
    std::uint32_t capacity_ = 0;
    std::uint32_t used_ = 0;  ///< free-running, like freed_
    std::uint32_t freed_ = 0;
    Memory memory_;
    verbs::MrHandle mr_;
};

}  // namespace pktverbs
