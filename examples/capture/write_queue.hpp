// SPDX-License-Identifier: Apache-2.0
// WriteQueue: takes writes to a file and returns them when they are complete, in any order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "stream.hpp"

namespace capture {

/// A piece of memory to write at an offset of a file. Must not move until the queue has returned it.
struct Write {
    const std::uint8_t* data = nullptr;
    std::size_t bytes = 0;
    std::uint64_t offset = 0;
    /// Its result: the bytes written, as of write(2), or a negative errno.
    std::int64_t result = 0;
};

/// Used by one thread at a time. Its destructor waits for the writes that were not taken back.
class WriteQueue {
public:
    virtual ~WriteQueue() = default;
    /// The caller must not have more in flight than the queue was made for.
    virtual void submit(int file, Write& write) = 0;
    /// Returns a completed write; null if none is in flight or, unless `wait`, if none is complete yet.
    virtual Write* take_done(bool wait) = 0;
    /// Closes what the queue itself has opened. Returns 0 or an errno.
    virtual int close() noexcept { return 0; }
};

/// Writes within submit(), by pwrite(2).
std::unique_ptr<WriteQueue> make_pwrite_queue();

/// Writes within submit(), in the order of the calls: offsets don't matter.
std::unique_ptr<WriteQueue> make_stream_queue(Stream stream);

/// By io_uring(7), `depth` at once. Null with the reason in `why_not` where this program was built without liburing,
/// or where the kernel or its rules allow no io_uring (ENOSYS, EPERM: seccomp filters, kernel.io_uring_disabled).
std::unique_ptr<WriteQueue> make_uring_queue(unsigned depth, std::string& why_not);

}  // namespace capture
