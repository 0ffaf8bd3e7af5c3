// SPDX-License-Identifier: Apache-2.0
// SendOffloads: makes of a packet the work requests that what it asks for needs.
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

/// Of one queue, used by its sending thread. What a packet needs besides itself, for headers that are written anew and
/// for the work requests of all segments but its last, are entries of a ring: used in the order of sending, and free
/// again when the packet is.
class SendOffloads {
public:
    /// The longest header that segments have.
    static constexpr std::uint32_t max_header = 256;

    SendOffloads() noexcept = default;
    /// Registers the ring. Throws std::system_error.
    SendOffloads(const verbs::Port& port, const GrantedOffloads& granted, std::size_t chunks, std::uint32_t packets,
                 std::uint32_t max_work_requests);

    /// Work requests that the queue pair must have room for besides the packets' own.
    std::uint32_t extra_work_requests() const noexcept { return splits_ ? capacity_ : 0; }
    bool has_entries() const noexcept { return capacity_ != 0; }

    /// Gives the packet's work request what it asks for, adds to its flags, and links further ones before it: `first`
    /// is where its work requests begin. 0, or an errno, and then it is as before: EOPNOTSUPP for what the queue was
    /// not opened for, EINVAL for headers that are none, EMSGSIZE for what can never be sent, ENOBUFS when the ring is
    /// full.
    int shape(SendPkt& pkt, unsigned& flags, ibv_send_wr*& first) noexcept;
    /// Undoes it, after posting: packets are linked to packets again. Of a chain that begins with `first`.
    void unshape(ibv_send_wr* first) noexcept;
    /// The packet whose work request this is, or is part of.
    static SendPkt* packet_of(const ibv_send_wr* wr) noexcept { return packet_of(wr->wr_id); }
    static SendPkt* packet_of(std::uint64_t wr_id) noexcept {
        return reinterpret_cast<SendPkt*>(wr_id & ~std::uint64_t{part});
    }
    /// Whether a completion is of a part of a packet: only failed ones are told of, and the packet's own follows.
    static bool is_part(std::uint64_t wr_id) noexcept { return (wr_id & part) != 0; }

    std::uint32_t used() const noexcept { return used_; }
    /// All entries up to this one are free again.
    void free_until(std::uint32_t entry) noexcept { freed_ = entry; }
    /// The device refused the work request `bad` (null: all), which is `refused` or a part of it; entries from `first`
    /// on were for that packet and those behind it. They are nobody's again, except those of parts that the device took
    /// before: it may still read them, and sends them before anything that is posted later.
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
    std::size_t chunks_ = 1;  ///< of each packet
    std::uint32_t capacity_ = 0;
    std::uint32_t used_ = 0;  ///< run free, as does freed_
    std::uint32_t freed_ = 0;
    Memory memory_;
    verbs::MrHandle mr_;
};

}  // namespace pktverbs
