// SPDX-License-Identifier: Apache-2.0
#include "soft/link/packet_ring.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "net/frame_sizes.hpp"
#include "soft/link/segment_cutter.hpp"
#include "soft/link/vnet_header.hpp"

namespace pktverbs::soft {
namespace {

/// Puts the tag back that the kernel took out, by moving the addresses into the room before the frame.
std::uint8_t* restore_tag(std::uint8_t* frame, const tpacket3_hdr& header) noexcept {
    const std::uint16_t type = (header.tp_status & TP_STATUS_VLAN_TPID_VALID) ? header.hv1.tp_vlan_tpid : 0x8100;
    const auto tci = static_cast<std::uint16_t>(header.hv1.tp_vlan_tci);
    frame -= vlan_tag_bytes;
    std::memmove(frame, frame + vlan_tag_bytes, mac_pair_bytes);
    frame[mac_pair_bytes] = static_cast<std::uint8_t>(type >> 8);
    frame[mac_pair_bytes + 1] = static_cast<std::uint8_t>(type & 0xff);
    frame[mac_pair_bytes + 2] = static_cast<std::uint8_t>(tci >> 8);
    frame[mac_pair_bytes + 3] = static_cast<std::uint8_t>(tci & 0xff);
    return frame;
}

/// It stands before the frame. Its offsets are those of the frame as it stands here, without the tag that was taken
/// out.
VnetHeader header_before(const std::uint8_t* frame) noexcept {
    VnetHeader left;
    std::memcpy(&left, frame - sizeof left, sizeof left);
    return left;
}

}  // namespace

PacketRing::PacketRing(const PacketSocket& socket, std::chrono::milliseconds block_time, bool leaves_super_frames)
    : leaves_super_frames_{leaves_super_frames} {
    socket.set(PACKET_VERSION, int{TPACKET_V3}, "get a TPACKET_V3 ring on");
    socket.set(PACKET_RESERVE, static_cast<unsigned>(vlan_tag_bytes), "make room for VLAN tags on");
    socket.set(PACKET_VNET_HDR, 1, "learn which checksums are unfinished on");
    tpacket_req3 request{};
    request.tp_block_size = block_bytes;
    request.tp_block_nr = block_count;
    request.tp_frame_size = 2048;  // only has to divide the block: a frame takes what it needs
    request.tp_frame_nr = request.tp_block_size / request.tp_frame_size * request.tp_block_nr;
    request.tp_retire_blk_tov = static_cast<unsigned>(block_time.count());
    socket.set(PACKET_RX_RING, request, "make a receive ring on");
    void* const memory =
        ::mmap(nullptr, block_bytes * block_count, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, socket.fd(), 0);
    if (memory == MAP_FAILED) socket.fail(errno, "map the receive ring of");
    memory_ = static_cast<std::uint8_t*>(memory);
    // The kernel has opened the first block, and the others will be like it. All else is still 0.
    first_frame_ = block(0)->hdr.bh1.offset_to_first_pkt;
    begin_block();
}

PacketRing::~PacketRing() { ::munmap(memory_, block_bytes * block_count); }

tpacket_block_desc* PacketRing::block(std::size_t index) const noexcept {
    return reinterpret_cast<tpacket_block_desc*>(memory_ + index * block_bytes);
}

bool PacketRing::is_ours(std::size_t index) const noexcept {
    // Acquire: no frame is read before the kernel has said that the block is written.
    return (std::atomic_ref{block(index)->hdr.bh1.block_status}.load(std::memory_order_acquire) & TP_STATUS_USER) != 0;
}

/// The kernel numbers blocks as it opens them.
std::uint64_t PacketRing::sequence(std::size_t index) const noexcept {
    return std::atomic_ref<unsigned long long>{block(index)->hdr.bh1.seq_num}.load(std::memory_order_acquire);
}

/// The kernel adds a frame to its block's length before it copies the frame (prb_fill_curr_block() in
/// net/packet/af_packet.c). It sets the length to that of no frames a moment after it has numbered the block: so
/// release() leaves none of before there.
std::uint64_t PacketRing::end() const noexcept {
    std::size_t newest = newest_.load(std::memory_order_relaxed);
    std::uint64_t number = sequence(newest);
    for (std::size_t i = 1; i < block_count; ++i) {
        const std::size_t next = (newest + 1) % block_count;
        const std::uint64_t after = sequence(next);
        if (after <= number) break;
        newest = next;
        number = after;
    }
    newest_.store(newest, std::memory_order_relaxed);
    return number * block_bytes + std::atomic_ref{block(newest)->hdr.bh1.blk_len}.load(std::memory_order_relaxed);
}

bool PacketRing::read(std::uint8_t* at, RxFrame& frame) noexcept {
    const auto& header = *reinterpret_cast<const tpacket3_hdr*>(at);
    // A place that the kernel took and then didn't fill, because it can't describe the segments (tpacket_rcv() in
    // net/packet/af_packet.c): all else in it is from before. The kernel has counted it.
    if ((header.tp_status & TP_STATUS_USER) == 0) return false;
    if (header.tp_snaplen < header.tp_len) {
        cut_.store(cut_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
        return false;
    }
    std::uint8_t* data = at + header.tp_mac;
    frame.length = header.tp_snaplen;
    frame.checksum_ok = (header.tp_status & TP_STATUS_CSUM_VALID) != 0;
    frame.segment_bytes = 0;
    if (header.tp_status & TP_STATUS_CSUMNOTREADY) {
        const VnetHeader left = header_before(data);
        const std::span bytes{data, frame.length};
        if (leaves_super_frames_ && SegmentCutter::can_cut(bytes, left))
            frame.segment_bytes = left.segment_bytes;
        else
            frame.checksum_ok = left.finish(bytes);
    }
    if ((header.tp_status & TP_STATUS_VLAN_VALID) && frame.length >= mac_pair_bytes) {
        data = restore_tag(data, header);
        frame.length += vlan_tag_bytes;
    }
    frame.data = data;
    frame.timestamp_ns = std::uint64_t{header.tp_sec} * 1'000'000'000 + header.tp_nsec;
    return true;
}

/// In a block that the kernel still fills, and that was all 0: whether the frame at a place is complete. The kernel
/// copies the frame and then writes these fields, each once and in no certain order; what it writes of the header
/// earlier, and before the frame, is there as well then. It writes the link-layer address later, which is not read
/// here, and closes the block after that (tpacket_rcv(), prb_fill_curr_block() and prb_retire_current_block() in
/// net/packet/af_packet.c). A frame of a nanosecond 0 comes with its block.
bool PacketRing::is_written(const std::uint8_t* at) const noexcept {
    if (at == nullptr) return false;
    auto& header = *reinterpret_cast<tpacket3_hdr*>(const_cast<std::uint8_t*>(at));
    const auto is_set = [](auto& field) {
        // Acquire: the frame is read after this.
        return std::atomic_ref{field}.load(std::memory_order_acquire) != 0;
    };
    return (std::atomic_ref{header.tp_status}.load(std::memory_order_acquire) & TP_STATUS_USER) != 0 &&
           is_set(header.tp_len) && is_set(header.tp_snaplen) && is_set(header.tp_mac) && is_set(header.tp_sec) &&
           is_set(header.tp_nsec);
}

std::size_t PacketRing::take_in_place(std::span<RxFrame> frames) noexcept {
    const std::uint8_t* const end = memory_ + (block_ + 1) * block_bytes;
    std::size_t taken = 0;
    std::uint32_t passed = 0;
    for (; taken < frames.size() && is_written(next_frame_); ++passed) {
        auto& header = *reinterpret_cast<tpacket3_hdr*>(next_frame_);
        // The kernel sets it to 0 in the last frame when it closes the block.
        const std::uint32_t offset = std::atomic_ref{header.tp_next_offset}.load(std::memory_order_relaxed);
        if (read(next_frame_, frames[taken])) ++taken;
        const auto room = static_cast<std::size_t>(end - next_frame_);
        next_frame_ = offset != 0 && offset + sizeof(tpacket3_hdr) <= room ? next_frame_ + offset : nullptr;
    }
    read_in_place_ += passed;
    times_in_place_ += passed != 0;
    return taken;
}

std::size_t PacketRing::take(std::span<RxFrame> frames) noexcept {
    std::size_t taken = 0;
    while (taken == 0) {
        if (left_in_block_ == 0) {
            if (!is_ours(block_)) return reads_in_place_ ? take_in_place(frames) : 0;
            const auto& header = block(block_)->hdr.bh1;
            left_in_block_ = header.num_pkts - std::min(header.num_pkts, read_in_place_);
            if (next_frame_ == nullptr) left_in_block_ = 0;
        }
        for (; left_in_block_ != 0 && taken < frames.size(); --left_in_block_) {
            if (read(next_frame_, frames[taken])) ++taken;
            next_frame_ += reinterpret_cast<const tpacket3_hdr*>(next_frame_)->tp_next_offset;
        }
        all_taken_ = left_in_block_ == 0;
        if (taken == 0) release();  // a block of nothing but cut frames, or all were read in place
    }
    return taken;
}

/// Whether it's worth clearing the block: its time was up, with few frames, or with frames that were found one by one.
bool PacketRing::is_light(const tpacket_hdr_v1& header) const noexcept {
    constexpr std::uint32_t few = 64;
    constexpr std::uint32_t many = 512;
    if ((header.block_status & TP_STATUS_BLK_TMO) == 0) return false;
    return header.num_pkts <= few || (header.num_pkts <= many && header.num_pkts <= 2 * times_in_place_);
}

/// Whether wakening a waiter for each frame cost little: there were few, or nearly each was waited for.
bool PacketRing::is_quiet(const tpacket_hdr_v1& header) const noexcept {
    constexpr std::uint32_t few = 32;
    return header.num_pkts <= few || header.num_pkts <= 2 * waits_;
}

void PacketRing::release() noexcept {
    if (!all_taken_) return;
    all_taken_ = false;
    auto& header = block(block_)->hdr.bh1;
    std::uint32_t& used = used_[block_];
    used = std::max(used, std::min(header.blk_len, static_cast<std::uint32_t>(block_bytes)));
    if (may_read_in_place_ && is_light(header)) {
        std::memset(memory_ + block_ * block_bytes + first_frame_, 0, used - std::min(used, first_frame_));
        used = 0;
    }
    is_quiet_ = is_quiet(header);
    gave_back_ = true;
    std::atomic_ref{header.blk_len}.store(0, std::memory_order_relaxed);
    // Release: what was read and written in the block is done before the kernel fills it again.
    std::atomic_ref{header.block_status}.store(TP_STATUS_KERNEL, std::memory_order_release);
    block_ = (block_ + 1) % block_count;
    begin_block();
}

void PacketRing::begin_block() noexcept {
    reads_in_place_ = may_read_in_place_ && used_[block_] == 0;
    read_in_place_ = 0;
    times_in_place_ = 0;
    waits_ = 0;
    next_frame_ = memory_ + block_ * block_bytes + first_frame_;
}

}  // namespace pktverbs::soft
