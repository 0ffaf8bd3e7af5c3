// SPDX-License-Identifier: Apache-2.0
// PacketSocket: an AF_PACKET socket that is still bound to nothing, and the interface it is meant for.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <memory>
#include <span>

#include "interface/interface.hpp"

namespace pktverbs::soft {

class PacketSocket {
public:
    /// In the interface's network namespace. Its protocol is 0: it receives nothing before bind(). Throws
    /// std::system_error: EPERM without CAP_NET_RAW, or if the calling thread is in another network namespace and may
    /// not enter the interface's.
    explicit PacketSocket(std::shared_ptr<const Interface> interface);
    ~PacketSocket();
    PacketSocket(const PacketSocket&) = delete;
    PacketSocket& operator=(const PacketSocket&) = delete;

    int fd() const noexcept { return fd_; }

    /// setsockopt() at SOL_PACKET. Returns 0 or an errno.
    template <class Value>
    int set(int option, const Value& value) const noexcept {
        return set_bytes(option, &value, sizeof value);
    }
    /// The same, but throws: "cannot WHAT INTERFACE".
    template <class Value>
    void set(int option, const Value& value, const char* what) const {
        if (const int error = set(option, value)) fail(error, what);
    }

    /// Replaces the socket's filter in one step. Returns 0 or an errno.
    int attach_filter(std::span<const sock_filter> program) const noexcept;
    /// To the interface, and to frames of a protocol, or to none of them if that is 0. Throws.
    void bind(std::uint16_t protocol) const;

    /// Throws std::system_error: "cannot WHAT INTERFACE".
    [[noreturn]] void fail(int error, const char* what) const;

private:
    int set_bytes(int option, const void* value, unsigned bytes) const noexcept;

    std::shared_ptr<const Interface> interface_;
    int fd_ = -1;
};

}  // namespace pktverbs::soft
