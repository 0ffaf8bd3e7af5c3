// SPDX-License-Identifier: Apache-2.0
// WriteQueue: takes writes to a file and gives them back when they are done, in any order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "stream.hpp"

namespace capture {

/// A piece of memory on its way to a place in a file. Stays where it is until the queue has given it back.
struct Write {
    const std::uint8_t* data = nullptr;
    std::size_t bytes = 0;
    std::uint64_t offset = 0;
    /// What became of it: as write(2) counts, or a negative errno.
    std::int64_t result = 0;
};

/// Used by one thread at a time. Writes that were never taken back have ended when it has.
class WriteQueue {
public:
    virtual ~WriteQueue() = default;
    /// The caller never has more underway than the queue was made for.
    virtual void submit(int file, Write& write) = 0;
    /// One that is done; null if none is, and, unless `wait`, if none is yet.
    virtual Write* take_done(bool wait) = 0;
    /// Of what the queue itself has open: 0, or an errno.
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
