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

/// A frame or datagram to send: its buffer, and what the device is to do with it.
///
/// A Context owns it, and a SendList gives access to it; it is never made, copied or kept alone. It begins with its
/// ibv_send_wr, so a list of packets is a chain of work requests. The buffer keeps its content from use to use: headers
/// that never change can be written once.
class SendPkt {
public:
    SendPkt(const SendPkt&) = delete;
    SendPkt& operator=(const SendPkt&) = delete;

    /// Returns the whole buffer, Options::max_packet_size bytes, whatever the length is set to. With a Layout of
    /// several chunks, returns chunk `index`; empty from chunk_count() on.
    std::span<std::uint8_t> buffer(std::size_t index = 0) noexcept {
        return has_chunk(index) ? std::span{data(index), capacities_[index]} : std::span<std::uint8_t>{};
    }
    /// Returns the bytes of a chunk that will be sent; without a Layout, those of the packet.
    std::span<std::uint8_t> bytes(std::size_t index = 0) noexcept { return sent_of(index); }
    std::span<const std::uint8_t> bytes(std::size_t index = 0) const noexcept { return sent_of(index); }
    /// Returns how many bytes will be sent, all chunks together.
    std::size_t length() const noexcept { return length_; }
    /// Returns the number of chunks in the Layout; 1 without a Layout.
    std::size_t chunk_count() const noexcept { return static_cast<std::size_t>(wr_.num_sge); }

    /// Sets how many bytes of the buffer to send: a frame from its Ethernet header on, without FCS. Kept from use to
    /// use. Throws std::length_error if the buffer is shorter, and std::out_of_range from chunk_count() on.
    void set_length(std::size_t bytes, std::size_t index = 0) {
        if (!has_chunk(index) || bytes > capacities_[index]) [[unlikely]]
            refuse_length(bytes, index);
        const auto now = static_cast<std::uint32_t>(bytes);
        length_ += now - sges_[index].length;
        sges_[index].length = now;
    }
    /// Sends all of `slice` as a chunk, from the program's memory, without a copy. Kept from use to use. The memory
    /// must be registered with the packet's Context (see Context::slice()) and must not change until the packet is
    /// sent, which flush(), or acquire() returning the same packet, shows. A dmabuf must be mapped if the packet is
    /// short enough to be copied into the work request (Limits::max_inline), or if the library works on its bytes
    /// (Offloads: checksums or segmentation in software; headers in any case). Throws std::out_of_range from
    /// chunk_count() on.
    void attach(const verbs::LocalSlice& slice, std::size_t index = 0) {
        if (!has_chunk(index)) [[unlikely]]
            refuse_chunk(index);
        length_ += slice.raw().length - sges_[index].length;
        sges_[index] = slice.raw();
        capacities_[index] = slice.raw().length;
    }

    // Requests that the packet's queue must have been opened for: see Offloads. Kept from use to use.

    /// Requests that the checksums be filled in.
    void set_checksums(bool on = true) noexcept { ask(asks_checksums, on); }
    /// Requests a VLAN tag: priority in the upper three bits, VLAN id in the lower twelve. nullopt: no tag.
    void set_vlan(std::optional<std::uint16_t> tci) noexcept {
        ask(asks_vlan, tci.has_value());
        wr_.imm_data = (wr_.imm_data & 0xffff) | static_cast<std::uint32_t>(tci.value_or(0)) << 16;
    }
    /// Requests that the packet be cut into frames, each with up to `mss` bytes of what follows the first
    /// `header_bytes`. Those are the Ethernet, IP and TCP or UDP headers, up to 256 bytes. Each frame starts with a
    /// copy of them, adjusted where frames differ (lengths, IPv4 identification, TCP sequence number and flags,
    /// checksums). 0: don't cut. A packet to cut may be longer than the MTU.
    void set_segmentation(std::uint16_t mss, std::uint16_t header_bytes) noexcept {
        ask(asks_segments, mss != 0);
        wr_.tso.mss = mss;
        wr_.tso.hdr_sz = header_bytes;
    }

    /// Sets the destination of a datagram. Kept from use to use. The peer must belong to the same Context. Needs
    /// <pktverbs/datagram/peer.hpp>.
    inline void set_peer(const Peer& peer) noexcept;

    /// Returns the work request underneath. Its wr_id and send_flags belong to the library.
    ibv_send_wr* raw() noexcept { return &wr_; }

private:
    friend class SendPool;
    friend class SendSide;
    friend class SendOffloads;
    template <class Pkt>
    friend class PacketChain;
    friend class SendList;

    // Kept in a field that verbs use for other opcodes only; the VLAN tag is in its upper 16 bits.
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
    /// Index 0, which most callers use, needs no look at the number of chunks.
    bool has_chunk(std::size_t index) const noexcept { return index == 0 || index < chunk_count(); }
    std::span<std::uint8_t> sent_of(std::size_t index) const noexcept {
        return has_chunk(index) ? std::span{data(index), sges_[index].length} : std::span<std::uint8_t>{};
    }
    [[noreturn]] PKTVERBS_EXPORT void refuse_length(std::size_t bytes, std::size_t index) const;
    [[noreturn]] PKTVERBS_EXPORT void refuse_chunk(std::size_t index) const;

    ibv_send_wr wr_{};
    std::uint32_t capacities_[Layout::max_chunks]{};
    std::uint32_t length_ = 0;
    // Position in the order of posting: shows how many packets a completion retires.
    std::uint32_t sequence_ = 0;
    // Bytes posted on the queue up to and including this packet.
    std::uint64_t bytes_until_ = 0;
    // In the first packet of a chain of free packets: the chain, so that it is handed out whole without walking it.
    SendPkt* chain_last_ = nullptr;
    SendPkt* next_chain_ = nullptr;
    // Only the first element shares a cache line with the members above.
    ibv_sge sges_[Layout::max_chunks]{};
    std::uint32_t chain_size_ = 0;
    // Entries of SendOffloads used up to and including this packet; written only where there are any.
    std::uint32_t entries_until_ = 0;
    std::uint64_t reserved_ = 0;
};

}  // namespace pktverbs
