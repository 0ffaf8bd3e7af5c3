// SPDX-License-Identifier: Apache-2.0
#include "soft/link/packet_socket.hpp"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include "base/capability_hints.hpp"

namespace pktverbs::soft {

PacketSocket::PacketSocket(std::shared_ptr<const Interface> interface) : interface_{std::move(interface)} {
    fd_ = interface_->socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0);
    if (fd_ >= 0) return;
    const int error = errno;
    if (error == EPERM && !interface_->is_in_this_threads_network())
        fail(
            EPERM,
            "open a packet socket (the calling thread is in another network namespace, and may not enter that one) on");
    if (error == EPERM) fail(EPERM, ("open a packet socket (" + std::string{net_raw_hint} + ") on").c_str());
    fail(error, "open a packet socket on");
}

PacketSocket::~PacketSocket() { ::close(fd_); }

void PacketSocket::fail(int error, const char* what) const {
    throw std::system_error{error, std::generic_category(), std::string{"cannot "} + what + " " + interface_->label()};
}

int PacketSocket::set_bytes(int option, const void* value, unsigned bytes) const noexcept {
    return ::setsockopt(fd_, SOL_PACKET, option, value, bytes) == 0 ? 0 : errno;
}

int PacketSocket::attach_filter(std::span<const sock_filter> program) const noexcept {
    sock_fprog all{};
    all.len = static_cast<unsigned short>(program.size());
    all.filter = const_cast<sock_filter*>(program.data());  // the kernel only reads it
    return ::setsockopt(fd_, SOL_SOCKET, SO_ATTACH_FILTER, &all, sizeof all) == 0 ? 0 : errno;
}

void PacketSocket::bind(std::uint16_t protocol) const {
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(protocol);
    address.sll_ifindex = interface_->index();
    if (::bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        fail(errno, "bind a packet socket to");
}

}  // namespace pktverbs::soft
