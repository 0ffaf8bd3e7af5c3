// SPDX-License-Identifier: Apache-2.0
// The soft device's control verbs: each checks what a NIC's driver and firmware would check, then makes the object.
#pragma once

#include <infiniband/verbs.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <new>
#include <system_error>

#include "soft/nic.hpp"

namespace pktverbs::soft::control {

// What they share.

struct Domain : ibv_pd {
    int users;  ///< under the lock of the NIC's objects
};

/// Runs something that makes an object: what it throws becomes null and errno.
template <class Make>
auto guarded(Make&& make) noexcept -> decltype(make()) {
    try {
        return make();
    } catch (const std::system_error& error) {
        errno = error.code().value();
    } catch (const std::bad_alloc&) {
        errno = ENOMEM;
    }
    return nullptr;
}

template <class Object>
Object* refuse(int error) noexcept {
    errno = error;
    return nullptr;
}

/// To a caller's structure of `size` bytes: an older header's is shorter, and what a newer one's has more is zero.
template <class Structure>
void copy_sized(Structure* to, std::size_t size, const Structure& from) noexcept {
    std::memset(static_cast<void*>(to), 0, size);
    std::memcpy(static_cast<void*>(to), &from, std::min(size, sizeof from));
}

/// An object was made (1) or destroyed (-1): counts it as the NIC's, and as a user of what it was made from.
inline void count(Nic& nic, int& users, int change) noexcept {
    const std::lock_guard lock{nic.objects_mutex()};
    users += change;
    nic.objects += change;
}

inline bool in_use(Nic& nic, const int& users) noexcept {
    const std::lock_guard lock{nic.objects_mutex()};
    return users > 0;
}

}  // namespace pktverbs::soft::control
