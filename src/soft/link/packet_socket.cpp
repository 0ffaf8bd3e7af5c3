// SPDX-License-Identifier: Apache-2.0
#include "soft/link/packet_socket.hpp"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "base/capability_hints.hpp"

namespace pktverbs::soft {

PacketSocket::PacketSocket(const std::string& interface) : interface_{interface} {
    fd_ = ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd_ >= 0) return;
    if (errno == EPERM) fail(EPERM, ("open a packet socket (" + std::string{net_raw_hint} + ") on").c_str());
    fail(errno, "open a packet socket on");
}

PacketSocket::~PacketSocket() { ::close(fd_); }

void PacketSocket::fail(int error, const char* what) const {
    throw std::system_error{error, std::generic_category(), std::string{"cannot "} + what + " " + interface_};
}

int PacketSocket::ask(unsigned long request, ifreq& answer, void* data) const noexcept {
    answer = {};
    if (interface_.empty() || interface_.size() >= sizeof answer.ifr_name) return ENODEV;
    interface_.copy(answer.ifr_name, sizeof answer.ifr_name - 1);
    if (data) answer.ifr_data = static_cast<char*>(data);
    return ::ioctl(fd_, request, &answer) == 0 ? 0 : errno;
}

ifreq PacketSocket::ask(unsigned long request, const char* what) const {
    ifreq answer;
    if (const int error = ask(request, answer)) fail(error, what);
    return answer;
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

void PacketSocket::bind(int interface_index, std::uint16_t protocol) const {
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(protocol);
    address.sll_ifindex = interface_index;
    if (::bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        fail(errno, "bind a packet socket to");
}

}  // namespace pktverbs::soft
