// SPDX-License-Identifier: Apache-2.0
// SendRequest, RecvRequest: work requests for a queue pair, as values.
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

/// Reports how much of a batch was posted.
struct PostResult {
    std::size_t posted = 0;  ///< the number of requests posted
    int error = 0;           ///< the errno with which the next one was refused: ENOMEM for a full queue
    /// Whether all were posted.
    explicit operator bool() const noexcept { return error == 0; }
};

/// Holds the scatter or gather elements of a work request: at most `max_size`, and within the queue pair's limit.
class SliceList {
public:
    /// The largest number of elements.
    static constexpr std::size_t max_size = 4;
    /// Adds an element. Throws std::length_error for one too many.
    PKTVERBS_EXPORT void add(const LocalSlice& slice);
    /// Returns the first element.
    ibv_sge* raw() noexcept { return slices_.data(); }
    /// Returns the number of elements.
    int size() const noexcept { return static_cast<int>(count_); }

private:
    std::array<ibv_sge, max_size> slices_{};
    std::uint32_t count_ = 0;
};

/// Describes one operation to post: a send, an RDMA read or write, or an atomic.
///
/// Made by the function that names the operation, and completed by the members below. It is signalled by default. Local
/// memory must not change until the completion, except with inlined().
class PKTVERBS_EXPORT SendRequest {
public:
    /// Sends a message.
    static SendRequest send() noexcept { return SendRequest{IBV_WR_SEND}; }
    /// Sends a message with immediate data, in host order, which the peer's completion reports.
    static SendRequest send_with_immediate(std::uint32_t immediate) noexcept;
    /// Writes to a peer's memory without the peer's notice: RC and UC.
    static SendRequest write(const RemoteSlice& to) noexcept;
    /// Writes to a peer's memory, and uses one of its receives to report it.
    static SendRequest write_with_immediate(const RemoteSlice& to, std::uint32_t immediate) noexcept;
    /// Reads a peer's memory: RC.
    static SendRequest read(const RemoteSlice& from) noexcept;
    /// Writes `desired` to 8 bytes of a peer's memory if they are `expected`. The local slice receives the previous
    /// value: RC.
    static SendRequest compare_and_swap(const RemoteSlice& at, std::uint64_t expected, std::uint64_t desired) noexcept;
    /// Adds to 8 bytes of a peer's memory. The local slice receives the previous value: RC.
    static SendRequest fetch_and_add(const RemoteSlice& at, std::uint64_t addend) noexcept;

    /// Adds local memory to send, to write, or to read into. Several slices are used in order.
    SendRequest& with(const LocalSlice& slice) {
        slices_.add(slice);
        return *this;
    }
    /// Sets the number that the completion reports.
    SendRequest& id(std::uint64_t id) noexcept {
        wr_.wr_id = id;
        return *this;
    }
    /// Requests no completion, unless it fails. The completion of a later signalled request stands for it.
    SendRequest& unsignaled() noexcept { return clear(IBV_SEND_SIGNALED); }
    /// Copies the bytes when it is posted: up to QueuePairOptions::max_inline of them, for sends and writes only.
    SendRequest& inlined() noexcept { return set(IBV_SEND_INLINE); }
    /// Makes the peer's completion cause an event also where only solicited ones do.
    SendRequest& solicited() noexcept { return set(IBV_SEND_SOLICITED); }
    /// Starts only when earlier reads and atomics have ended: RC.
    SendRequest& fenced() noexcept { return set(IBV_SEND_FENCE); }
    /// Sets the destination, on a datagram queue pair. `address` must outlive the request's completion.
    SendRequest& to(const AddressHandle& address, std::uint32_t queue_pair, std::uint32_t qkey) noexcept;

    /// Returns the verbs structure. sg_list and next are set when it is posted.
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

/// Describes memory to receive one message into. It must stay mapped and untouched until the completion.
class PKTVERBS_EXPORT RecvRequest {
public:
    RecvRequest() noexcept = default;
    /// A request whose completion reports this number.
    explicit RecvRequest(std::uint64_t id) noexcept { wr_.wr_id = id; }

    /// Adds memory to receive into. Several slices are filled in order; a request without any takes an empty message or
    /// immediate data.
    RecvRequest& into(const LocalSlice& slice) {
        slices_.add(slice);
        return *this;
    }
    /// Sets the number that the completion reports.
    RecvRequest& id(std::uint64_t id) noexcept {
        wr_.wr_id = id;
        return *this;
    }
    /// Returns the verbs structure. sg_list and next are set when it is posted.
    ibv_recv_wr& raw() noexcept { return wr_; }

private:
    friend class QueuePair;
    friend class SharedReceiveQueue;
    /// Links a batch into a chain; returns its first work request, or null.
    static ibv_recv_wr* chain(std::span<RecvRequest> batch) noexcept;

    ibv_recv_wr wr_{};
    SliceList slices_;
};

}  // namespace pktverbs::verbs
