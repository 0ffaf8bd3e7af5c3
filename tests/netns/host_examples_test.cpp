// SPDX-License-Identifier: Apache-2.0
// host_recv and host_send with the kernel's network stack.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string>
#include <system_error>

#include <pktverbs/pktverbs.hpp>

#include "network_namespace.hpp"

namespace pktverbs {
namespace {

using test::NetworkNamespace;
using test::VethPair;

std::string line_of(std::FILE* pipe) {
    std::string text(1024, '\0');
    if (!std::fgets(text.data(), static_cast<int>(text.size()), pipe)) return {};
    text.resize(text.find('\0'));
    return text;
}

TEST(HostExamples, HearTheHostAndSpeakToIt) {
    if (!NetworkNamespace::unavailable().empty()) GTEST_SKIP() << "NOT TESTED: " << NetworkNamespace::unavailable();
    const VethPair veth;
    veth.left.run([&] {
        try {
            const Context probe{"host:left0"};
        } catch (const std::system_error& error) {
            if (error.code().value() != EPERM && error.code().value() != ENOENT) throw;
            GTEST_SKIP() << "NOT TESTED: " << error.what();
        }
        const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        sockaddr_in any{};
        any.sin_family = AF_INET;
        any.sin_port = htons(7148);
        ASSERT_EQ(::bind(socket, reinterpret_cast<const sockaddr*>(&any), sizeof any), 0);
        const timeval patience{20, 0};
        ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);

        std::FILE* const receiver = ::popen(HOST_RECV " host:left0 -c 1 --seconds 20 2>&1", "re");
        ASSERT_EQ(line_of(receiver), "receiving on host:left0\n");
        std::FILE* const sender = ::popen(HOST_SEND " host:left0 10.77.0.1 --source 10.77.0.9 --text hello 2>&1", "re");
        EXPECT_EQ(line_of(sender), "sent 1 datagrams of 5 bytes to 10.77.0.1 (02:00:00:00:00:01)\n");
        EXPECT_EQ(WEXITSTATUS(::pclose(sender)), 0);
        std::string text(100, '\0');
        const ssize_t bytes = ::recv(socket, text.data(), text.size(), 0);
        text.resize(static_cast<std::size_t>(bytes < 0 ? 0 : bytes));
        EXPECT_EQ(text, "hello");
        // The host's answer to the sender's question.
        EXPECT_NE(line_of(receiver).find(": 42 bytes, arp for 10.77.0.9"), std::string::npos);
        EXPECT_EQ(line_of(receiver), "1 frames, 0 lost\n");
        EXPECT_EQ(WEXITSTATUS(::pclose(receiver)), 0);
        ::close(socket);
    });
}

}  // namespace
}  // namespace pktverbs
