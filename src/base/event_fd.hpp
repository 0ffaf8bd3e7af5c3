// SPDX-License-Identifier: Apache-2.0
// EventFd: a descriptor that is readable from set() until clear(), for threads that poll.
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

#include "base/file_descriptor.hpp"

namespace pktverbs {

class EventFd {
public:
    /// False if there was none left; errno says why.
    explicit operator bool() const noexcept { return static_cast<bool>(fd_); }
    int get() const noexcept { return fd_.get(); }

    /// Any thread. Fails only where it is readable anyway (eventfd(2)).
    void set() const noexcept {
        const std::uint64_t one = 1;
        [[maybe_unused]] const auto put = write(get(), &one, sizeof one);
    }
    void clear() const noexcept {
        std::uint64_t count;
        [[maybe_unused]] const auto got = read(get(), &count, sizeof count);
    }

private:
    FileDescriptor fd_{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
};

}  // namespace pktverbs
