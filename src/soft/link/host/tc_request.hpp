// SPDX-License-Identifier: Apache-2.0
// TcRequest: a request about queueing disciplines and filters (rtnetlink(7), tc(8)).
#pragma once

#include <linux/rtnetlink.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace pktverbs::soft::host {

class TcRequest {
public:
    /// `type`: RTM_NEWQDISC and its like.
    TcRequest(std::uint16_t type, std::uint16_t flags, int interface) noexcept;

    tcmsg& subject() noexcept { return subject_; }
    void add(std::uint16_t attribute, std::uint32_t value) noexcept;
    void add(std::uint16_t attribute, std::string_view text) noexcept;
    /// Attributes added until leave() are inside this one.
    std::size_t enter(std::uint16_t attribute) noexcept;
    void leave(std::size_t entered) noexcept;

    /// Sends it on a netlink socket and waits for the answer. Returns 0 or an errno.
    int send(int socket) noexcept;

private:
    static constexpr std::size_t header_bytes = NLMSG_ALIGN(sizeof(nlmsghdr)) + NLMSG_ALIGN(sizeof(tcmsg));
    void append(std::uint16_t attribute, std::span<const std::byte> value) noexcept;

    nlmsghdr header_{};
    tcmsg subject_{};
    /// Room for all that is ever added.
    alignas(nlmsghdr) std::array<std::byte, 256> bytes_{};
    std::size_t used_ = header_bytes;
};

}  // namespace pktverbs::soft::host
