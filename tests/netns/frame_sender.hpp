// SPDX-License-Identifier: Apache-2.0
// FrameSender: whole frames from the left end of a veth pair.
#pragma once

#include <gtest/gtest.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/file_descriptor.hpp"
#include "network_namespace.hpp"

namespace pktverbs::test {

class FrameSender {
public:
    explicit FrameSender(const VethPair& veth)
        : socket_{veth.left.run([] { return FileDescriptor{::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)}; })} {
        sockaddr_ll address{};
        address.sll_family = AF_PACKET;
        address.sll_ifindex =
            static_cast<int>(veth.left.run([&] { return ::if_nametoindex(veth.left.interface.c_str()); }));
        EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    }
    void send(const std::vector<std::uint8_t>& frame) const {
        ASSERT_EQ(::send(socket_.get(), frame.data(), frame.size(), 0), static_cast<ssize_t>(frame.size()))
            << std::strerror(errno);
    }

private:
    FileDescriptor socket_;
};

}  // namespace pktverbs::test
