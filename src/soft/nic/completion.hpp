// SPDX-License-Identifier: Apache-2.0
// Completion: the result of a work request.
#pragma once

#include <infiniband/verbs.h>

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace pktverbs::soft {

/// The source of completions: one side of a queue pair, or a work queue.
struct CompletionSource {
    explicit CompletionSource(std::uint32_t qp_num) noexcept : number{qp_num} {}

    std::uint32_t number;  ///< its number in completions
    /// All entries of its ring before this one may be posted to again. Polling advances it.
    std::atomic<std::uint32_t> reclaimed{0};
};

/// What ibv_poll_cq() gives, ready to be copied, in a cache line.
struct alignas(64) Completion {
    ibv_wc wc{};
    CompletionSource* source = nullptr;
    /// The source's `reclaimed`, once this has been polled.
    std::uint32_t reclaim = 0;

    /// What differs from one to the next.
    struct Result {
        std::uint64_t wr_id;
        std::uint32_t byte_len = 0;
        ibv_wc_status status = IBV_WC_SUCCESS;
        ibv_wc_opcode opcode = IBV_WC_SEND;
        unsigned flags = 0;  ///< ibv_wc_flags
    };

    /// In whole words: a poller that comes soon copies vectors, and a processor holds up a load of several younger
    /// stores (Intel's optimization reference manual, store forwarding).
    void write(const Result& result, CompletionSource& from, std::uint32_t reclaims) noexcept {
        static_assert(offsetof(ibv_wc, opcode) == offsetof(ibv_wc, status) + 4);
        static_assert(offsetof(ibv_wc, byte_len) == offsetof(ibv_wc, vendor_err) + 4);
        static_assert(offsetof(ibv_wc, qp_num) == offsetof(ibv_wc, imm_data) + 4);
        static_assert(offsetof(ibv_wc, wc_flags) == offsetof(ibv_wc, src_qp) + 4);
        static_assert(offsetof(ibv_wc, pkey_index) == 40 && sizeof(ibv_wc) == 48);
        auto* const words = reinterpret_cast<Word*>(&wc);
        words[0] = result.wr_id;
        words[1] = pair(result.status, result.opcode);
        words[2] = pair(0, result.byte_len);
        words[3] = pair(0, from.number);
        words[4] = pair(0, result.flags);
        words[5] = 0;
        source = &from;
        reclaim = reclaims;
    }
    /// It has been polled.
    void free_entries() const noexcept { source->reclaimed.store(reclaim, std::memory_order_release); }

private:
    using Word [[gnu::may_alias]] = std::uint64_t;
    /// Two neighbours of 32 bits as one word.
    static constexpr std::uint64_t pair(std::uint32_t first, std::uint32_t second) noexcept {
        if constexpr (std::endian::native == std::endian::little) return first | std::uint64_t{second} << 32;
        return std::uint64_t{first} << 32 | second;
    }
};
static_assert(sizeof(Completion) == 64);

/// What only extended completion queues report.
struct CompletionDetails {
    std::uint64_t timestamp_ns = 0;
    std::uint32_t flow_tag = 0;
    std::uint16_t vlan_tci = 0;  ///< the tag removed from a received frame
};

}  // namespace pktverbs::soft
