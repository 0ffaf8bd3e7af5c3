// SPDX-License-Identifier: Apache-2.0
// SendPkt: the buffer of a frame to send together with its send work request.
#pragma once

#include <infiniband/verbs.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>

#include <pktverbs/export.hpp>
#include <pktverbs/packet/layout.hpp>
#include <pktverbs/verbs/local_slice.hpp>

namespace pktverbs {

class Peer;

/// Owned by a Context and reached through a SendList; never made, copied or kept by
/// itself. Starts with its ibv_send_wr, so that a list of packets is a work-request chain.
/// Its buffer keeps its content from use to use: headers that never change can be written once.
class SendPkt {
public:
    SendPkt(const SendPkt&) = delete;
    SendPkt& operator=(const SendPkt&) = delete;

    /// The whole capacity, Options::max_packet_size bytes, whatever the length is set to. With a Layout of
    /// several chunks, that of chunk `index`; empty from chunk_count() on.
    std::span<std::uint8_t> buffer(std::size_t index = 0) noexcept {
        return has_chunk(index) ? std::span{data(index), capacities_[index]} : std::span<std::uint8_t>{};
    }
    /// The bytes of a chunk that will be sent; of a packet without a Layout, all.
    std::span<std::uint8_t> bytes(std::size_t index = 0) noexcept { return sent_of(index); }
    std::span<const std::uint8_t> bytes(std::size_t index = 0) const noexcept { return sent_of(index); }
    /// Bytes that will be sent, of all chunks.
    std::size_t length() const noexcept { return length_; }
    /// As many as the Layout has; 1 without.
    std::size_t chunk_count() const noexcept { return static_cast<std::size_t>(wr_.num_sge); }

    /// How many bytes of the buffer to send, of a frame Ethernet header first, no FCS; kept from use to
    /// use. Throws std::length_error if the buffer is shorter, and std::out_of_range from chunk_count() on.
    void set_length(std::size_t bytes, std::size_t index = 0) {
        if (!has_chunk(index) || bytes > capacities_[index]) [[unlikely]]
            refuse_length(bytes, index);
        const auto now = static_cast<std::uint32_t>(bytes);
        length_ += now - sges_[index].length;
        sges_[index].length = now;
    }
    /// Sends a chunk from other memory, all of `slice`, without a copy; kept from use to use. The memory is registered
    /// with the packet's Context, such as Context::slice() gives, and must stay as it is until the packet is sent:
    /// until flush() said so, or acquire() gave the same packet again. Not a dmabuf that isn't mapped if the packet is
    /// short enough to be copied into the work request (Limits::max_inline), or the library is to do something with its
    /// bytes (Offloads: checksums or segmentation in software; headers in any case). Throws std::out_of_range from
    /// chunk_count() on.
    void attach(const verbs::LocalSlice& slice, std::size_t index = 0) {
        if (!has_chunk(index)) [[unlikely]]
            refuse_chunk(index);
        length_ += slice.raw().length - sges_[index].length;
        sges_[index] = slice.raw();
        capacities_[index] = slice.raw().length;
    }

    // What the packet's queue was opened for: see Offloads. Kept from use to use.

    /// Have its checksums filled in.
    void set_checksums(bool on = true) noexcept { ask(asks_checksums, on); }
    /// Have a VLAN tag inserted: priority in the upper three bits, VLAN in the lower twelve. nullopt: no tag.
    void set_vlan(std::optional<std::uint16_t> tci) noexcept {
        ask(asks_vlan, tci.has_value());
        wr_.imm_data = (wr_.imm_data & 0xffff) | static_cast<std::uint32_t>(tci.value_or(0)) << 16;
    }
    /// Have it cut into frames, each with at most `mss` of the bytes that come after the first `header_bytes`: those
    /// are Ethernet, IP and TCP or UDP headers, up to 256 bytes, and stand before each, with what must differ written
    /// anew (lengths, IPv4's identification, TCP's sequence number and flags, checksums). 0: not cut. The packet may be
    /// longer than the MTU then.
    void set_segmentation(std::uint16_t mss, std::uint16_t header_bytes) noexcept {
        ask(asks_segments, mss != 0);
        wr_.tso.mss = mss;
        wr_.tso.hdr_sz = header_bytes;
    }

    /// Where to, if it is a datagram; kept from use to use. The peer must be of the same Context. Needs
    /// <pktverbs/datagram/peer.hpp>.
    inline void set_peer(const Peer& peer) noexcept;

    /// The work request underneath. Its wr_id and send_flags are the library's.
    ibv_send_wr* raw() noexcept { return &wr_; }

private:
    friend class Queue;
    friend class SendOffloads;
    template <class Pkt>
    friend class PacketChain;
    friend class SendList;

    // Kept where verbs have a number that goes with other opcodes only; a VLAN tag is in the upper 16 bits.
    static constexpr std::uint32_t asks_checksums = 1, asks_vlan = 2, asks_segments = 4;
    std::uint32_t asks() const noexcept { return wr_.imm_data & 0xffff; }
    void ask(std::uint32_t what, bool on) noexcept { wr_.imm_data = on ? wr_.imm_data | what : wr_.imm_data & ~what; }

    SendPkt() noexcept = default;
    /// What the lists rely on: the work request comes first, and a packet is whole cache lines.
    static void check_layout() noexcept {
        static_assert(std::is_standard_layout_v<SendPkt>);
        static_assert(offsetof(SendPkt, wr_) == 0);
        static_assert(offsetof(SendPkt, sges_) == 176);
        static_assert(sizeof(SendPkt) == 256);
    }
    std::uint8_t* data(std::size_t index) const noexcept { return reinterpret_cast<std::uint8_t*>(sges_[index].addr); }
    SendPkt* next() const noexcept { return reinterpret_cast<SendPkt*>(wr_.next); }
    void set_next(SendPkt* pkt) noexcept { wr_.next = reinterpret_cast<ibv_send_wr*>(pkt); }
    /// Nothing is asked of a packet of one chunk, whose index nobody gives.
    bool has_chunk(std::size_t index) const noexcept { return index == 0 || index < chunk_count(); }
    std::span<std::uint8_t> sent_of(std::size_t index) const noexcept {
        return has_chunk(index) ? std::span{data(index), sges_[index].length} : std::span<std::uint8_t>{};
    }
    [[noreturn]] PKTVERBS_EXPORT void refuse_length(std::size_t bytes, std::size_t index) const;
    [[noreturn]] PKTVERBS_EXPORT void refuse_chunk(std::size_t index) const;

    ibv_send_wr wr_{};
    std::uint32_t capacities_[Layout::max_chunks]{};
    std::uint32_t length_ = 0;
    // Position in the order of posting: tells how many packets a completion retires.
    std::uint32_t sequence_ = 0;
    // Bytes posted on the queue up to and including this packet.
    std::uint64_t bytes_until_ = 0;
    // On the first of a chain of free packets: the chain, so that it is handed out whole without walking it.
    SendPkt* chain_last_ = nullptr;
    SendPkt* next_chain_ = nullptr;
    // Of several, only the first is in the same cache line as the rest.
    ibv_sge sges_[Layout::max_chunks]{};
    std::uint32_t chain_size_ = 0;
    // Entries of SendOffloads used up to and including this packet; written only where there are any.
    std::uint32_t entries_until_ = 0;
    std::uint64_t reserved_ = 0;
};

}  // namespace pktverbs
