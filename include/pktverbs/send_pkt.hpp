// SPDX-License-Identifier: Apache-2.0
// SendPkt: the buffer of a frame to send together with its send work request.
#pragma once

#include <infiniband/verbs.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include <pktverbs/export.hpp>
#include <pktverbs/peer.hpp>

namespace pktverbs {

/// Owned by a Context and reached through a SendList; never made, copied or kept by
/// itself. Starts with its ibv_send_wr, so that a list of packets is a work-request chain.
/// Its buffer keeps its content from use to use: headers that never change can be written once.
class SendPkt {
public:
    SendPkt(const SendPkt&) = delete;
    SendPkt& operator=(const SendPkt&) = delete;

    /// The whole capacity, Options::max_packet_size bytes, whatever the length is set to.
    std::span<std::uint8_t> buffer() noexcept { return {data(), capacity_}; }
    /// The bytes that will be sent.
    std::span<std::uint8_t> bytes() noexcept { return {data(), sge_.length}; }
    std::span<const std::uint8_t> bytes() const noexcept { return {data(), sge_.length}; }
    std::size_t length() const noexcept { return sge_.length; }

    /// How many bytes of the buffer to send, of a frame Ethernet header first, no FCS; kept from use to
    /// use. Throws std::length_error if the buffer is shorter: the one throw on the data path.
    void set_length(std::size_t bytes) {
        if (bytes > capacity_) [[unlikely]]
            throw_too_long(bytes);
        sge_.length = static_cast<std::uint32_t>(bytes);
    }

    /// Where to, if it is a datagram; kept from use to use. The peer must be of the same Context.
    void set_peer(const Peer& peer) noexcept { wr_.wr.ud = {peer.raw(), peer.queue_pair(), peer.qkey()}; }

    /// The work request underneath. Its wr_id and send_flags are the library's.
    ibv_send_wr* raw() noexcept { return &wr_; }

private:
    friend class Queue;
    template <class Pkt>
    friend class PacketChain;
    friend class SendList;
    friend struct SendPktLayout;

    SendPkt() noexcept = default;
    std::uint8_t* data() const noexcept { return reinterpret_cast<std::uint8_t*>(sge_.addr); }
    SendPkt* next() const noexcept { return reinterpret_cast<SendPkt*>(wr_.next); }
    void set_next(SendPkt* pkt) noexcept { wr_.next = reinterpret_cast<ibv_send_wr*>(pkt); }
    [[noreturn]] PKTVERBS_EXPORT void throw_too_long(std::size_t bytes) const;

    ibv_send_wr wr_{};
    ibv_sge sge_{};
    std::uint32_t capacity_ = 0;
    // Position in the order of posting: tells how many packets a completion retires.
    std::uint32_t sequence_ = 0;
    // Bytes posted on the queue up to and including this packet.
    std::uint64_t bytes_until_ = 0;
    // On the first of a chain of free packets: the chain, so that it is handed out whole without walking it.
    SendPkt* chain_last_ = nullptr;
    SendPkt* next_chain_ = nullptr;
    std::uint64_t chain_size_ = 0;
    std::uint64_t reserved_ = 0;
};

/// What the lists rely on: the work request comes first, and a packet is whole cache lines.
struct SendPktLayout {
    static_assert(std::is_standard_layout_v<SendPkt>);
    static_assert(offsetof(SendPkt, wr_) == 0);
    static_assert(sizeof(SendPkt) == 192);
};

}  // namespace pktverbs
