// SPDX-License-Identifier: Apache-2.0
// Coroutines over the packet link: the kernel's frames wake them through the device's descriptors.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include <pktverbs/async/recv.hpp>
#include <pktverbs/async/sleep.hpp>
#include <pktverbs/pktverbs.hpp>

#include "base/file_descriptor.hpp"
#include "cable.hpp"
#include "network_namespace.hpp"

namespace pktverbs {
namespace {

using namespace std::chrono_literals;
using test::NetworkNamespace;
using test::patience;
using test::port;
using test::VethPair;

/// Sends numbers in the kernel's datagrams.
class UdpSender {
public:
    explicit UdpSender(const VethPair& veth) {
        to_.sin_family = AF_INET;
        inet_pton(AF_INET, veth.left.ipv4.c_str(), &to_.sin_addr);
        socket_ = veth.right.run([] { return FileDescriptor{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)}; });
    }
    void send(std::uint32_t number, std::uint16_t to_port) {
        to_.sin_port = htons(to_port);
        ASSERT_EQ(sendto(socket_.get(), &number, sizeof number, 0, reinterpret_cast<const sockaddr*>(&to_), sizeof to_),
                  static_cast<ssize_t>(sizeof number));
    }

private:
    sockaddr_in to_{};
    FileDescriptor socket_;
};

class AsyncOnCable : public ::testing::Test {
protected:
    void SetUp() override {
        if (!NetworkNamespace::unavailable().empty()) GTEST_SKIP() << "NOT TESTED: " << NetworkNamespace::unavailable();
        veth.emplace();
        sender.emplace(*veth);
    }
    Context open(std::uint32_t queues) {
        return veth->left.run([&] {
            return Context{"packet:left0", {.recv_packets = 256, .max_packet_size = 2048, .queues = queues}};
        });
    }
    template <class Source>
    static async::Task<> receive(Source& from, std::size_t count, std::vector<std::uint32_t>& numbers) {
        while (numbers.size() < count) {
            const RecvList list = co_await async::recv(from, patience);
            EXPECT_FALSE(list.empty()) << to_string(list.outcome());
            if (list.empty()) co_return;
            for (const RecvPkt& pkt : list) {
                std::uint32_t number = 0;
                std::memcpy(&number, pkt.bytes().data() + 42, sizeof number);
                numbers.push_back(number);
            }
        }
    }
    static std::vector<std::uint32_t> counted(std::uint32_t count) {
        std::vector<std::uint32_t> all(count);
        for (std::uint32_t i = 0; i < count; ++i) all[i] = i;
        return all;
    }

    std::optional<VethPair> veth;
    std::optional<UdpSender> sender;
    async::Executor executor;
};

TEST_F(AsyncOnCable, WakesForBurstsOfTheKernels) {
    Context ctx = open(1);
    const Flow flow = ctx.install(FlowRule{}.own_mac().udp().dst_port(port));
    std::vector<std::uint32_t> numbers;
    executor.spawn(receive(ctx, 300, numbers));
    for (std::uint32_t burst = 0; burst < 10; ++burst) {
        // Suspended first: everything readable has been read.
        while (executor.step(0ns)) continue;
        EXPECT_EQ(numbers.size(), 30 * burst);
        for (std::uint32_t i = 0; i < 30; ++i) sender->send(30 * burst + i, port);
        while (numbers.size() < 30 * (burst + 1)) ASSERT_TRUE(executor.step(patience));
    }
    EXPECT_TRUE(executor.run());
    EXPECT_EQ(numbers, counted(300));
}

TEST_F(AsyncOnCable, WakesTasksOnSeveralQueues) {
    Context ctx = open(2);
    std::vector<std::uint32_t> numbers[2];
    std::vector<Flow> flows;
    for (std::uint16_t i = 0; i < 2; ++i) {
        flows.push_back(ctx.install(FlowRule{}.own_mac().udp().dst_port(static_cast<std::uint16_t>(port + i)), i));
        executor.spawn(receive(ctx.queue(i), 100, numbers[i]));
    }
    for (std::uint32_t number = 0; number < 100; ++number) {
        sender->send(number, port);
        sender->send(number, port + 1);
        executor.step(0ns);
    }
    EXPECT_TRUE(executor.run());
    for (const auto& got : numbers) EXPECT_EQ(got, counted(100));
}

TEST_F(AsyncOnCable, StopsWhileTheLinkIsSilent) {
    Context ctx = open(2);
    const Flow flow = ctx.install(FlowRule{}.own_mac().udp().dst_port(port));
    std::stop_source stop;
    std::optional<Outcome> outcome;
    const auto wait = [](Context& from, std::stop_token token, std::optional<Outcome>& how) -> async::Task<> {
        const RecvList list = co_await async::recv(from, no_timeout, token);
        how = list.outcome();
    };
    executor.spawn(wait(ctx, stop.get_token(), outcome));
    EXPECT_FALSE(executor.run_for(5ms));
    stop.request_stop();
    EXPECT_TRUE(executor.run_for(patience));
    EXPECT_EQ(outcome, Outcome::stopped);
}

}  // namespace
}  // namespace pktverbs
