// SPDX-License-Identifier: Apache-2.0
#include "soft/link/memif/channel.hpp"

#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstring>

namespace pktverbs::soft::memif {

Channel::Received Channel::receive() noexcept {
    constexpr std::size_t max_fds = 1;
    Received received;
    iovec piece{received.bytes.data(), received.bytes.size()};
    alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(int) * max_fds)> control{};
    msghdr header{};
    header.msg_iov = &piece;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    ssize_t size;
    do {
        size = recvmsg(fd(), &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (size < 0 && errno == EINTR);
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return received;
    // The kernel closes descriptors for which there is no room (unix(7)), but CMSG_SPACE may leave room for two.
    for (cmsghdr* at = size >= 0 ? CMSG_FIRSTHDR(&header) : nullptr; at; at = CMSG_NXTHDR(&header, at)) {
        if (at->cmsg_level != SOL_SOCKET || at->cmsg_type != SCM_RIGHTS) continue;
        const std::size_t count = (at->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int fd;
            std::memcpy(&fd, CMSG_DATA(at) + i * sizeof fd, sizeof fd);
            FileDescriptor owned{fd};
            if (!received.fd) received.fd = std::move(owned);
        }
    }
    received.what = size > 0 ? Received::What::message : Received::What::closed;
    received.size = size > 0 ? static_cast<std::size_t>(size) : 0;
    return received;
}

bool Channel::send(const Reply& reply) noexcept {
    iovec piece{const_cast<Message*>(&reply.message), sizeof reply.message};
    alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(int))> control{};
    msghdr header{};
    header.msg_iov = &piece;
    header.msg_iovlen = 1;
    if (reply.fd >= 0) {
        header.msg_control = control.data();
        header.msg_controllen = control.size();
        cmsghdr* const rights = CMSG_FIRSTHDR(&header);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof(int));
        std::memcpy(CMSG_DATA(rights), &reply.fd, sizeof reply.fd);
    }
    ssize_t sent;
    do {
        sent = sendmsg(fd(), &header, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent == static_cast<ssize_t>(sizeof reply.message);
}

}  // namespace pktverbs::soft::memif
