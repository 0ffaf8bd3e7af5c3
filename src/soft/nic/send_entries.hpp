// SPDX-License-Identifier: Apache-2.0
// SendEntries: the entries of a queue pair's send queue.
#pragma once

#include <infiniband/verbs.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "net/frame_sizes.hpp"

namespace pktverbs::soft {

/// Work requests, with copies of what they have inline and of the headers of segments. Indexes are free-running: the
/// queue pair counts what is posted. Not thread-safe.
class SendEntries {
public:
    static constexpr std::uint32_t max_tso = 262144;  ///< payload bytes of one segmented send

    // Followed by room for the granted number of scatter elements.
    struct Entry {
        std::uint64_t wr_id;
        std::uint32_t length;  ///< of the scatter elements
        std::uint16_t mss;     ///< 0: no segmentation
        std::uint8_t sge_count;
        bool signalled : 1;
        bool inlined : 1;
        bool checksums : 1;  ///< to be filled in
        ibv_sge* sges() noexcept { return reinterpret_cast<ibv_sge*>(this + 1); }
        const ibv_sge* sges() const noexcept { return reinterpret_cast<const ibv_sge*>(this + 1); }
    };
    static_assert(sizeof(Entry) == 16);

    /// `cap`: granted values; max_send_wr is a power of two or 0.
    explicit SendEntries(const ibv_qp_cap& cap)
        : max_inline_{cap.max_inline_data},
          mask_{cap.max_send_wr - 1},
          stride_{sizeof(Entry) + cap.max_send_sge * sizeof(ibv_sge)},
          entries_{std::make_unique<std::byte[]>(stride_ * cap.max_send_wr)},
          inline_data_{std::make_unique<std::uint8_t[]>(std::size_t{cap.max_inline_data} * cap.max_send_wr)} {}

    Entry& operator[](std::uint32_t index) noexcept {
        return *reinterpret_cast<Entry*>(&entries_[(index & mask_) * stride_]);
    }
    /// From now on takes segmented sends, with headers of up to this many bytes.
    void allow_segmentation(std::uint16_t header_bytes);
    /// The header of a segmented send.
    std::span<std::uint8_t> header(std::uint32_t index) noexcept;

    /// Writes a work request whose number of scatter elements is allowed. Returns 0 or EINVAL.
    int write(std::uint32_t index, const ibv_send_wr& wr, bool signalled) noexcept {
        Entry& entry = (*this)[index];
        entry.wr_id = wr.wr_id;
        entry.mss = 0;
        entry.signalled = signalled;
        entry.inlined = (wr.send_flags & IBV_SEND_INLINE) != 0;
        entry.checksums = (wr.send_flags & IBV_SEND_IP_CSUM) != 0;
        const std::uint64_t length = put_sges(entry, {wr.sg_list, static_cast<std::size_t>(wr.num_sge)});
        if (wr.opcode != IBV_WR_SEND) [[unlikely]] {
            if (wr.opcode != IBV_WR_TSO || length > max_tso) return EINVAL;
            if (const int error = set_segmentation(index, wr.tso.hdr, wr.tso.hdr_sz, wr.tso.mss)) return error;
        }
        if (entry.inlined) [[unlikely]]
            return copy_inline(index, length);
        return 0;
    }

    // An entry in steps, after its other members were set. 0 or EINVAL.
    int set_segmentation(std::uint32_t index, const void* header, std::uint16_t header_bytes,
                         std::uint16_t mss) noexcept;
    int set_sges(std::uint32_t index, std::span<const ibv_sge> sges) noexcept;
    int set_inline_data(std::uint32_t index, std::span<const ibv_data_buf> buffers) noexcept;

    /// IBV_WC_SUCCESS, or the status of a send that is shorter than an Ethernet header or longer than `longest`, or
    /// whose segments are.
    ibv_wc_status check_length(std::uint32_t index, std::uint32_t longest) noexcept {
        const Entry& entry = (*this)[index];
        if (entry.mss != 0) [[unlikely]]
            return check_segments(index, longest);
        if (entry.length < ethernet_bytes) return IBV_WC_LOC_QP_OP_ERR;
        return entry.length > longest ? IBV_WC_LOC_LEN_ERR : IBV_WC_SUCCESS;
    }

private:
    /// Returns the sum of lengths, which the entry's own field may not be able to hold.
    static std::uint64_t put_sges(Entry& entry, std::span<const ibv_sge> sges) noexcept {
        std::uint64_t length = 0;
        ibv_sge* next = entry.sges();
        for (const ibv_sge& sge : sges) {
            *next++ = sge;
            length += sge.length;
        }
        entry.sge_count = static_cast<std::uint8_t>(sges.size());
        entry.length = static_cast<std::uint32_t>(std::min<std::uint64_t>(length, UINT32_MAX));
        return length;
    }
    std::uint8_t* inline_data(std::uint32_t index) noexcept {
        return &inline_data_[std::size_t{index & mask_} * max_inline_];
    }
    int copy_inline(std::uint32_t index, std::uint64_t length) noexcept;
    ibv_wc_status check_segments(std::uint32_t index, std::uint32_t longest) noexcept;

    std::uint32_t max_inline_;
    std::uint32_t mask_;
    std::size_t stride_;
    std::unique_ptr<std::byte[]> entries_;
    std::unique_ptr<std::uint8_t[]> inline_data_;
    std::uint16_t max_header_ = 0;  ///< 0: no segmentation
    std::unique_ptr<std::uint8_t[]> headers_;
    std::unique_ptr<std::uint16_t[]> header_bytes_;
};

}  // namespace pktverbs::soft
