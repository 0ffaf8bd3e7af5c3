// SPDX-License-Identifier: Apache-2.0
// SendRequest and RecvRequest: what a queue pair is asked to do, as values.
#pragma once

#include <infiniband/verbs.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include <pktverbs/export.hpp>
#include <pktverbs/verbs/memory_region.hpp>

namespace pktverbs::verbs {

class AddressHandle;

/// How many of a batch were posted, and the errno with which the next one was refused: ENOMEM for a full queue.
struct PostResult {
    std::size_t posted = 0;
    int error = 0;
    explicit operator bool() const noexcept { return error == 0; }
};

/// The scatter or gather elements of one work request: at most `max_size`, and within the queue pair's limit.
class SliceList {
public:
    static constexpr std::size_t max_size = 4;
    /// Throws std::length_error for one too many.
    PKTVERBS_EXPORT void add(const LocalSlice& slice);
    ibv_sge* raw() noexcept { return slices_.data(); }
    int size() const noexcept { return static_cast<int>(count_); }

private:
    std::array<ibv_sge, max_size> slices_{};
    std::uint32_t count_ = 0;
};

/// One operation. Made by the function that names it, completed by the members below it; signalled unless told
/// otherwise. Local memory must stay as it is until the completion, except with inlined().
class PKTVERBS_EXPORT SendRequest {
public:
    static SendRequest send() noexcept { return SendRequest{IBV_WR_SEND}; }
    /// `immediate` in host order; the peer's completion has it.
    static SendRequest send_with_immediate(std::uint32_t immediate) noexcept;
    /// Writes to a peer's memory, which doesn't hear of it: RC and UC.
    static SendRequest write(const RemoteSlice& to) noexcept;
    /// The same, and takes one of the peer's receives to tell.
    static SendRequest write_with_immediate(const RemoteSlice& to, std::uint32_t immediate) noexcept;
    /// Reads a peer's memory: RC.
    static SendRequest read(const RemoteSlice& from) noexcept;
    /// Puts `desired` in 8 bytes of a peer's memory if they are `expected`; the local slice gets what was there: RC.
    static SendRequest compare_and_swap(const RemoteSlice& at, std::uint64_t expected, std::uint64_t desired) noexcept;
    /// Adds to 8 bytes of a peer's memory; the local slice gets what was there: RC.
    static SendRequest fetch_and_add(const RemoteSlice& at, std::uint64_t addend) noexcept;

    /// Local memory: sent, written, or filled with what was read. Several are taken in turn.
    SendRequest& with(const LocalSlice& slice) {
        slices_.add(slice);
        return *this;
    }
    /// Comes back in the completion.
    SendRequest& id(std::uint64_t id) noexcept {
        wr_.wr_id = id;
        return *this;
    }
    /// No completion, unless it fails: a later signalled request's stands for it.
    SendRequest& unsignaled() noexcept { return clear(IBV_SEND_SIGNALED); }
    /// The bytes are copied when it is posted: up to QueuePairOptions::max_inline of them, sends and writes only.
    SendRequest& inlined() noexcept { return set(IBV_SEND_INLINE); }
    /// The peer's completion makes an event also where only solicited ones do.
    SendRequest& solicited() noexcept { return set(IBV_SEND_SOLICITED); }
    /// Starts after earlier reads and atomics have ended: RC.
    SendRequest& fenced() noexcept { return set(IBV_SEND_FENCE); }
    /// Where to, on a datagram queue pair. `address` must outlive the request's completion.
    SendRequest& to(const AddressHandle& address, std::uint32_t queue_pair, std::uint32_t qkey) noexcept;

    /// sg_list and next are set when it is posted.
    ibv_send_wr& raw() noexcept { return wr_; }

private:
    friend class QueuePair;
    explicit SendRequest(ibv_wr_opcode opcode) noexcept {
        wr_.opcode = opcode;
        wr_.send_flags = IBV_SEND_SIGNALED;
    }
    SendRequest& set(unsigned flag) noexcept {
        wr_.send_flags |= flag;
        return *this;
    }
    SendRequest& clear(unsigned flag) noexcept {
        wr_.send_flags &= ~flag;
        return *this;
    }

    ibv_send_wr wr_{};
    SliceList slices_;
};

/// Memory for one message. It must stay mapped and untouched until the completion.
class PKTVERBS_EXPORT RecvRequest {
public:
    RecvRequest() noexcept = default;
    explicit RecvRequest(std::uint64_t id) noexcept { wr_.wr_id = id; }

    /// Several are filled in turn; none takes an empty message or an immediate.
    RecvRequest& into(const LocalSlice& slice) {
        slices_.add(slice);
        return *this;
    }
    RecvRequest& id(std::uint64_t id) noexcept {
        wr_.wr_id = id;
        return *this;
    }
    /// sg_list and next are set when it is posted.
    ibv_recv_wr& raw() noexcept { return wr_; }

private:
    friend class QueuePair;
    friend class SharedReceiveQueue;
    /// Makes a chain of a batch; its first work request, or null.
    static ibv_recv_wr* chain(std::span<RecvRequest> batch) noexcept;

    ibv_recv_wr wr_{};
    SliceList slices_;
};

}  // namespace pktverbs::verbs
