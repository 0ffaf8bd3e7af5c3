// SPDX-License-Identifier: Apache-2.0
// The part of QueuePair that sends frames which differ from the sender's memory: checksums, segments, mapped memory.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "net/frame_sizes.hpp"
#include "net/segment.hpp"
#include "soft/nic/nic.hpp"
#include "soft/nic/queue_pair.hpp"

namespace pktverbs::soft {

namespace {}  // namespace

void QueuePair::allow_segmentation(std::uint16_t header_bytes) {
    tso_headers_ = std::make_unique<std::uint8_t[]>(std::size_t{header_bytes} * cap_.max_send_wr);
    tso_header_bytes_ = std::make_unique<std::uint16_t[]>(cap_.max_send_wr);
    max_header_ = header_bytes;
}

std::span<std::uint8_t> QueuePair::tso_header(std::uint32_t index) noexcept {
    const std::size_t slot = index & send_mask_;
    return {&tso_headers_[slot * max_header_], tso_header_bytes_[slot]};
}

// mlx5 refuses a header shorter than Ethernet's, or longer than requested (rdma-core's set_tso_eth_seg).
int QueuePair::write_segmentation(std::uint32_t index, const void* header, std::uint16_t header_bytes,
                                  std::uint16_t mss) noexcept {
    if (header_bytes < ethernet_bytes || header_bytes > max_header_ || mss == 0) return EINVAL;
    tso_header_bytes_[index & send_mask_] = header_bytes;
    std::memcpy(tso_header(index).data(), header, header_bytes);
    send_entry(index).mss = mss;
    return 0;
}

ibv_wc_status QueuePair::check_length(std::uint32_t index, std::uint32_t longest) noexcept {
    const SendEntry& entry = send_entry(index);
    if (entry.mss == 0) [[likely]] {
        if (entry.length < ethernet_bytes) return IBV_WC_LOC_QP_OP_ERR;
        return entry.length > longest ? IBV_WC_LOC_LEN_ERR : IBV_WC_SUCCESS;
    }
    // Not UDP: the send would become several datagrams instead of one.
    const auto header = tso_header(index);
    const FrameHeaders headers = find_segment_headers(header);
    if (headers.protocol != net::ip_protocol::tcp) return IBV_WC_LOC_QP_OP_ERR;
    const std::size_t payload = std::min<std::size_t>(entry.mss, entry.length);
    const bool fits = Segment::fits(header.size(), headers.ip_offset, payload);
    return !fits || header.size() + payload > longest ? IBV_WC_LOC_LEN_ERR : IBV_WC_SUCCESS;
}

/// `readable` gets the scatter elements, at addresses that this process can read.
RewrittenFrames::Source QueuePair::source_of(std::uint32_t index, std::span<ibv_sge> readable) noexcept {
    const SendEntry& entry = send_entry(index);
    for (std::uint32_t i = 0; i < entry.sge_count; ++i) {
        ibv_sge& sge = readable[i] = entry.sges()[i];
        if (!entry.inlined && sge.length != 0)
            sge.addr = nic_.regions().find(sge.lkey, qp_base.pd, sge.addr, sge.length, false);
    }
    RewrittenFrames::Source source{.sges = readable.first(entry.sge_count),
                                   .length = entry.length,
                                   .checksums = entry.checksums,
                                   .mss = entry.mss,
                                   .header = {}};
    if (entry.mss != 0) source.header = tso_header(index);
    return source;
}

/// Sends a batch of frames to be rewritten, from the entry send_done_ on, which is already checked. Returns whether the
/// link took all of it.
bool QueuePair::transmit_rewritten(std::uint32_t longest) noexcept {
    RewrittenFrames batch{this};
    std::array<bool, RewrittenFrames::capacity> ends_entry{};
    std::uint32_t segment = segments_sent_;
    for (std::uint32_t i = send_done_; i != send_posted_ && !batch.full(); ++i) {
        ibv_wc_status failure{};
        if (i != send_done_ && form_of(i, longest, failure) != Form::rewritten) break;
        std::array<ibv_sge, max_sge> readable;
        const RewrittenFrames::Source source = source_of(i, readable);
        const std::uint32_t count = source.mss == 0 ? 1 : Segment::count(source.length, source.mss);
        for (; segment < count && !batch.full(); ++segment) batch.add(source, segment);
        if (segment < count) break;
        ends_entry[batch.size() - 1] = true;
        segment = 0;
    }
    const std::size_t sent = nic_.transmit(batch.frames());
    std::uint32_t ended = 0;
    for (std::size_t i = 0; i < sent; ++i) {
        segments_sent_ = ends_entry[i] ? 0 : segments_sent_ + 1;
        if (ends_entry[i]) ++ended;
    }
    complete_sends(ended);
    return sent == batch.size();
}

}  // namespace pktverbs::soft
