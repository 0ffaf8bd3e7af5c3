// SPDX-License-Identifier: Apache-2.0
#include "soft/nic/send_entries.hpp"

#include <cstring>

#include "net/segment.hpp"

namespace pktverbs::soft {

void SendEntries::allow_segmentation(std::uint16_t header_bytes) {
    const std::uint32_t depth = mask_ + 1;  // 0 without entries
    headers_ = std::make_unique<std::uint8_t[]>(std::size_t{header_bytes} * depth);
    header_bytes_ = std::make_unique<std::uint16_t[]>(depth);
    max_header_ = header_bytes;
}

std::span<std::uint8_t> SendEntries::header(std::uint32_t index) noexcept {
    const std::size_t slot = index & mask_;
    return {&headers_[slot * max_header_], header_bytes_[slot]};
}

// mlx5 refuses a header shorter than Ethernet's, or longer than requested (rdma-core's set_tso_eth_seg).
int SendEntries::set_segmentation(std::uint32_t index, const void* header, std::uint16_t header_bytes,
                                  std::uint16_t mss) noexcept {
    if (header_bytes < ethernet_bytes || header_bytes > max_header_ || mss == 0) return EINVAL;
    header_bytes_[index & mask_] = header_bytes;
    std::memcpy(this->header(index).data(), header, header_bytes);
    (*this)[index].mss = mss;
    return 0;
}

int SendEntries::set_sges(std::uint32_t index, std::span<const ibv_sge> sges) noexcept {
    Entry& entry = (*this)[index];
    const std::uint64_t length = put_sges(entry, sges);
    entry.inlined = false;
    return entry.mss != 0 && length > max_tso ? EINVAL : 0;
}

int SendEntries::set_inline_data(std::uint32_t index, std::span<const ibv_data_buf> buffers) noexcept {
    std::uint8_t* const copy = inline_data(index);
    std::size_t length = 0;
    for (const ibv_data_buf& buffer : buffers) {
        if (buffer.length > max_inline_ - length) return EINVAL;
        if (buffer.length == 0) continue;
        std::memcpy(copy + length, buffer.addr, buffer.length);
        length += buffer.length;
    }
    Entry& entry = (*this)[index];
    entry.length = static_cast<std::uint32_t>(length);
    entry.sge_count = 1;
    entry.sges()[0] = {reinterpret_cast<std::uint64_t>(copy), entry.length, 0};
    entry.inlined = true;
    return 0;
}

/// After this the caller may reuse its memory, and needs no lkey for it.
int SendEntries::copy_inline(std::uint32_t index, std::uint64_t length) noexcept {
    if (length > max_inline_) return EINVAL;
    Entry& entry = (*this)[index];
    std::uint8_t* const copy = inline_data(index);
    std::uint8_t* at = copy;
    for (const ibv_sge& sge : std::span{entry.sges(), entry.sge_count}) {
        if (sge.length == 0) continue;
        std::memcpy(at, reinterpret_cast<const void*>(sge.addr), sge.length);
        at += sge.length;
    }
    entry.sge_count = 1;
    entry.sges()[0] = {reinterpret_cast<std::uint64_t>(copy), entry.length, 0};
    return 0;
}

ibv_wc_status SendEntries::check_segments(std::uint32_t index, std::uint32_t longest) noexcept {
    const Entry& entry = (*this)[index];
    // Not UDP: the send would become several datagrams instead of one.
    const auto header = this->header(index);
    const FrameHeaders headers = find_segment_headers(header);
    if (headers.protocol != net::ip_protocol::tcp) return IBV_WC_LOC_QP_OP_ERR;
    const std::size_t payload = std::min<std::size_t>(entry.mss, entry.length);
    const bool fits = Segment::fits(header.size(), headers.ip_offset, payload);
    return !fits || header.size() + payload > longest ? IBV_WC_LOC_LEN_ERR : IBV_WC_SUCCESS;
}

}  // namespace pktverbs::soft
