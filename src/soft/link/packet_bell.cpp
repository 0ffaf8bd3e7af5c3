// SPDX-License-Identifier: Apache-2.0
#include "soft/link/packet_bell.hpp"

#include <linux/if_packet.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <system_error>
#include <utility>

#include "base/epoll.hpp"
#include "soft/link/packet_filter.hpp"

namespace pktverbs::soft {
namespace {

constexpr std::uint16_t bell_protocol = 0x0003;  // ETH_P_ALL

bool control(const FileDescriptor& epoll, int operation, int fd, std::uint32_t events) noexcept {
    return control_epoll(epoll.get(), operation, fd, events) == 0;
}

}  // namespace

PacketBell::PacketBell(std::shared_ptr<const Interface> interface, std::span<const int> rings)
    : socket_{std::move(interface)}, epoll_{::epoll_create1(EPOLL_CLOEXEC)} {
    if (!epoll_) socket_.fail(errno, "make an epoll instance for packet sockets on");
    socket_.set(PACKET_IGNORE_OUTGOING, 1, "leave out what is sent on");
    if (const int error = attach_filter(compile_packet_filter({}))) socket_.fail(error, "filter frames on");
    const int least = 0;  // the kernel makes it SOCK_MIN_RCVBUF
    ::setsockopt(socket_.fd(), SOL_SOCKET, SO_RCVBUF, &least, sizeof least);
    bool watches = control(epoll_, EPOLL_CTL_ADD, socket_.fd(), 0);
    for (const int ring : rings) watches = watches && control(epoll_, EPOLL_CTL_ADD, ring, EPOLLIN);
    if (!watches) socket_.fail(errno, "wait for packet sockets on");
}

void PacketBell::listen(bool on) noexcept {
    if (listens_ == on || has_failed_) return;
    try {
        if (!is_bound_) socket_.bind(bell_protocol);
        is_bound_ = true;
    } catch (const std::system_error&) {
        has_failed_ = true;
        return;
    }
    if (control(epoll_, EPOLL_CTL_MOD, socket_.fd(), on ? static_cast<std::uint32_t>(EPOLLIN) : 0U)) listens_ = on;
}

bool PacketBell::silence() noexcept {
    std::array<mmsghdr, 4> frames{};  // of no bytes: what they are is in the ring
    bool had_rung = false;
    for (int tries = 0; tries < 4; ++tries) {
        const int count = ::recvmmsg(socket_.fd(), frames.data(), frames.size(), MSG_DONTWAIT, nullptr);
        if (count > 0) had_rung = true;
        if (count < 0 ? errno == EAGAIN : count < static_cast<int>(frames.size())) break;
    }
    return had_rung;
}

void PacketBell::clear_error() const noexcept {
    if (!is_bound_) return;
    int error = 0;
    socklen_t bytes = sizeof error;
    ::getsockopt(socket_.fd(), SOL_SOCKET, SO_ERROR, &error, &bytes);
}

}  // namespace pktverbs::soft
