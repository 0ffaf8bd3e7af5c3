// SPDX-License-Identifier: Apache-2.0
#include "write_queue.hpp"

#include <unistd.h>

#include <cerrno>
#include <deque>
#include <system_error>
#include <utility>

#ifdef PKTVERBS_LIBURING
#include <liburing.h>
#endif

namespace capture {

namespace {

/// For writes that are complete when they are submitted.
class WriteAtOnce : public WriteQueue {
public:
    Write* take_done(bool) final {
        if (done_.empty()) return nullptr;
        Write* first = done_.front();
        done_.pop_front();
        return first;
    }

protected:
    void done(Write& write, std::int64_t result) {
        write.result = result;
        done_.push_back(&write);
    }

private:
    std::deque<Write*> done_;
};

class PwriteQueue final : public WriteAtOnce {
public:
    void submit(int file, Write& write) override {
        const auto written = ::pwrite(file, write.data, write.bytes, static_cast<off_t>(write.offset));
        done(write, written < 0 ? -errno : written);
    }
};

class StreamQueue final : public WriteAtOnce {
public:
    explicit StreamQueue(Stream stream) : stream_{std::move(stream)} {}
    void submit(int, Write& write) override {
        // All of it, before another one begins. It waits for the reader once: after a failure, all writes fail.
        std::size_t written = 0;
        while (written < write.bytes && failure_ == 0) {
            const std::int64_t result = stream_.write(write.data + written, write.bytes - written);
            if (result < 0)
                failure_ = result;
            else
                written += static_cast<std::size_t>(result);
        }
        done(write, written > 0 ? static_cast<std::int64_t>(written) : failure_);
    }
    int close() noexcept override { return stream_.close(); }

private:
    Stream stream_;
    std::int64_t failure_ = 0;  ///< a negative errno
};

#ifdef PKTVERBS_LIBURING
class UringQueue final : public WriteQueue {
public:
    explicit UringQueue(unsigned depth) : error_{io_uring_queue_init(depth, &ring_, 0)} {}
    UringQueue(const UringQueue&) = delete;
    UringQueue& operator=(const UringQueue&) = delete;
    ~UringQueue() override {
        if (error_ != 0) return;
        // The kernel reads the caller's memory while any is in flight.
        while (take_done(true)) {
        }
        io_uring_queue_exit(&ring_);
    }

    /// 0, or a negative errno if there is no queue.
    int error() const noexcept { return error_; }

    void submit(int file, Write& write) override {
        io_uring_sqe* entry = io_uring_get_sqe(&ring_);
        const auto bytes = static_cast<unsigned>(std::min<std::size_t>(write.bytes, max_bytes));
        io_uring_prep_write(entry, file, write.data, bytes, write.offset);
        io_uring_sqe_set_data(entry, &write);
        ++underway_;
        // Short of memory for a moment, or interrupted: the entry stays in the queue and is submitted again.
        int submitted = 0;
        do submitted = io_uring_submit(&ring_);
        while (submitted == -EINTR || submitted == -EAGAIN || submitted == -EBUSY);
        if (submitted < 0)
            throw std::system_error{-submitted, std::generic_category(), "cannot submit a write to io_uring"};
    }

    Write* take_done(bool wait) override {
        if (underway_ == 0) return nullptr;
        io_uring_cqe* entry = nullptr;
        int error = 0;
        do error = wait ? io_uring_wait_cqe(&ring_, &entry) : io_uring_peek_cqe(&ring_, &entry);
        while (error == -EINTR);
        if (error != 0) return nullptr;
        auto* write = static_cast<Write*>(io_uring_cqe_get_data(entry));
        write->result = entry->res;
        io_uring_cqe_seen(&ring_, entry);
        --underway_;
        return write;
    }

private:
    /// An entry counts in 32 bits; the kernel itself writes at most 2 GiB less a page at once (write(2), notes).
    static constexpr std::size_t max_bytes = std::size_t{1} << 30;

    io_uring ring_{};
    int error_;
    std::size_t underway_ = 0;
};
#endif

}  // namespace

std::unique_ptr<WriteQueue> make_stream_queue(Stream stream) {
    return std::make_unique<StreamQueue>(std::move(stream));
}
std::unique_ptr<WriteQueue> make_pwrite_queue() { return std::make_unique<PwriteQueue>(); }

#ifdef PKTVERBS_LIBURING
std::unique_ptr<WriteQueue> make_uring_queue(unsigned depth, std::string& why_not) {
    auto queue = std::make_unique<UringQueue>(depth);
    if (queue->error() == 0) return queue;
    why_not = "no io_uring: " + std::generic_category().message(-queue->error());
    return nullptr;
}
#else
std::unique_ptr<WriteQueue> make_uring_queue(unsigned, std::string& why_not) {
    why_not = "built without liburing";
    return nullptr;
}
#endif

}  // namespace capture
