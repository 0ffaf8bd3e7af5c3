// SPDX-License-Identifier: Apache-2.0
#include "soft/link/host/tc_request.hpp"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "interface/rtnetlink.hpp"

namespace pktverbs::soft::host {

TcRequest::TcRequest(std::uint16_t type, std::uint16_t flags, int interface) noexcept {
    header_.nlmsg_type = type;
    header_.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
    subject_.tcm_family = AF_UNSPEC;
    subject_.tcm_ifindex = interface;
}

void TcRequest::append(std::uint16_t attribute, std::span<const std::byte> value) noexcept {
    const rtattr head{static_cast<std::uint16_t>(sizeof(rtattr) + value.size()), attribute};
    std::memcpy(&bytes_[used_], &head, sizeof head);
    if (!value.empty()) std::memcpy(&bytes_[used_ + sizeof head], value.data(), value.size());
    used_ += NLMSG_ALIGN(head.rta_len);
}

void TcRequest::add(std::uint16_t attribute, std::uint32_t value) noexcept {
    append(attribute, std::as_bytes(std::span{&value, 1}));
}

void TcRequest::add(std::uint16_t attribute, std::string_view text) noexcept {
    std::array<std::byte, 32> ended{};  // by a zero
    std::memcpy(ended.data(), text.data(), text.size());
    append(attribute, std::span{ended}.first(text.size() + 1));
}

std::size_t TcRequest::enter(std::uint16_t attribute) noexcept {
    const std::size_t at = used_;
    append(attribute, {});
    return at;
}

void TcRequest::leave(std::size_t entered) noexcept {
    const auto bytes = static_cast<std::uint16_t>(used_ - entered);
    std::memcpy(&bytes_[entered], &bytes, sizeof bytes);  // rta_len comes first
}

int TcRequest::send(int socket) noexcept {
    header_.nlmsg_len = static_cast<std::uint32_t>(used_);
    std::memcpy(bytes_.data(), &header_, sizeof header_);
    std::memcpy(&bytes_[NLMSG_ALIGN(sizeof header_)], &subject_, sizeof subject_);
    if (::send(socket, bytes_.data(), used_, 0) < 0) return errno;
    alignas(nlmsghdr) std::array<std::byte, 4096> answer;
    // The kernel has answered when send() returns (netlink_rcv_skb()).
    for (int tries = 0; tries < 64; ++tries) {
        auto rest = rtnetlink::receive(socket, answer);
        if (!rest && errno == EINTR) continue;
        if (!rest) return errno;
        while (const auto message = rtnetlink::take_message(*rest))
            if (message->header.nlmsg_type == NLMSG_ERROR)
                return -rtnetlink::read<nlmsgerr>(message->payload)
                            .value_or(nlmsgerr{.error = -EPROTO, .msg = {}})
                            .error;
    }
    return EPROTO;
}

}  // namespace pktverbs::soft::host
