// SPDX-License-Identifier: Apache-2.0
// Limits: which options a Context accepts, what it grants, and where its buffers lie.
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>

#include <pktverbs/memory/memory.hpp>

#include "expect_error.hpp"
#include "wired.hpp"

namespace pktverbs::testing {
namespace {

class LimitsOf : public Wired {
protected:
    std::string refused(int error, const Options& options) {
        std::string text = expect_error(error, [&] { open(options); });
        expect_words(text, {("wire:" + name).c_str()});
        return text;
    }
};

Options packet_size(std::uint32_t bytes) {
    Options options = small;
    options.max_packet_size = bytes;
    return options;
}
Options counts(std::uint32_t send, std::uint32_t recv) {
    return {.send_packets = send, .recv_packets = recv, .max_packet_size = 64};
}

TEST_F(LimitsOf, PacketSizeIsBoundOnBothSides) {
    for (const std::uint32_t bytes : {0U, 1U, 13U, 1U << 24, 0xffffffffU})
        expect_words(refused(EINVAL, packet_size(bytes)),
                     {("max_packet_size " + std::to_string(bytes)).c_str(), "not between 14 and 16777215"});
    EXPECT_EQ(open(packet_size(14)).limits().max_packet_size, 14u);
    Options longest = counts(1, 1);
    longest.max_packet_size = (1U << 24) - 1;
    EXPECT_EQ(open(longest).acquire(1).front().buffer().size(), (1u << 24) - 1);
}

TEST_F(LimitsOf, AbsurdPacketCountsAreRefused) {
    for (const std::uint32_t count : {32769U, 4'000'000'000U, device_maximum - 1}) {
        const std::string text = std::to_string(count);
        expect_words(refused(EINVAL, counts(8, count)),
                     {("cannot have " + text + " receive packets").c_str(), "at most 32768"});
        expect_words(refused(EINVAL, counts(count, 8)),
                     {("cannot have " + text + " send packets").c_str(), "at most 32768"});
    }
}

TEST_F(LimitsOf, QueueCountsAreBound) {
    expect_words(refused(EINVAL, with_queues(0)), {"0 queues is not between 1 and 1024"});
    expect_words(refused(EINVAL, with_queues(1025)), {"1025 queues is not between 1 and 1024"});
    expect_words(refused(EINVAL, with_queues(0xffffffff)), {"4294967295 queues"});
    EXPECT_EQ(open(with_queues(3)).queue_count(), 3u);
}

TEST_F(LimitsOf, OneSideIsNeeded) {
    expect_words(refused(EINVAL, counts(none, none)), {"neither send nor receive packets"});
}

TEST_F(LimitsOf, ReceiveOnlyHasNoSendSide) {
    Context ctx = open(counts(none, 16));
    const Flow flow = ctx.install(FlowRule{});
    EXPECT_EQ(ctx.limits().send_packets, 0u);
    EXPECT_EQ(ctx.queue(0).raw_send_cq(), nullptr);
    plant(3);
    EXPECT_EQ(ctx.recv(0ns).size(), 3u);
}

TEST_F(LimitsOf, SendOnlyHasNoReceiveSide) {
    Context ctx = open(counts(8, none));
    EXPECT_EQ(ctx.limits().recv_packets, 0u);
    EXPECT_EQ(ctx.queue(0).raw_recv_cq(), nullptr);
    EXPECT_TRUE(ctx.send(filled(ctx.acquire(8), 0)).empty());
    EXPECT_TRUE(ctx.flush(0ns));
    EXPECT_EQ(world.receive().size(), 8u);
}

TEST_F(LimitsOf, SendOnlyAndReceiveOnlyRecover) {
    Context receiver = open(counts(none, 16)), sender = open(counts(8, none));
    receiver.queue(0).recover();
    sender.queue(0).recover();
    const Flow flow = receiver.install(FlowRule{});
    sender.send(filled(sender.acquire(2), 0));
    EXPECT_EQ(numbers(receiver.recv(0ns)), (Numbers{0, 1}));
}

TEST_F(LimitsOf, ZeroIsNone) {
    static_assert(none == 0);
    const Context receiver = open(counts(0, 16)), sender = open(counts(8, 0));
    EXPECT_EQ(receiver.limits().send_packets, 0u);
    EXPECT_EQ(receiver.limits().buffer_bytes, open(counts(none, 16)).limits().buffer_bytes);
    EXPECT_EQ(sender.limits().recv_packets, 0u);
    EXPECT_EQ(sender.limits().buffer_bytes, open(counts(8, none)).limits().buffer_bytes);
}

TEST_F(LimitsOf, DeviceMaximumIsTheMostOfTheDevice) {
    const Context ctx = open(counts(device_maximum, device_maximum));
    EXPECT_EQ(ctx.limits().send_packets, 32768u);
    EXPECT_EQ(ctx.limits().recv_packets, 32768u);
    EXPECT_EQ(ctx.stats().posted_now, 32768u);
    EXPECT_EQ(ctx.limits().max_batch, 16384u);
}

TEST_F(LimitsOf, GrantedValuesAreReadBack) {
    Context ctx = open();
    const Limits& limits = ctx.limits();
    EXPECT_EQ(limits.send_packets, 8u);
    EXPECT_EQ(limits.recv_packets, 16u);
    EXPECT_EQ(limits.max_packet_size, 256u);
    EXPECT_EQ(limits.max_batch, 8u);
    EXPECT_EQ(limits.mtu, 9000u);
    EXPECT_FALSE(limits.mac.is_zero());
    EXPECT_GE(limits.buffer_bytes, 24 * Memory::stride(256));
    EXPECT_EQ(ctx.queue(0).limits().recv_packets, 16u);
    EXPECT_EQ(ctx.port().state, IBV_PORT_ACTIVE);
}

TEST_F(LimitsOf, WhatIsUnderneathIsLent) {
    Context ctx = open();
    EXPECT_EQ(ctx.raw_pd()->context, ctx.raw());
    EXPECT_EQ(ctx.queue(0).raw()->pd, ctx.raw_pd());
    EXPECT_EQ(ctx.queue(0).raw()->recv_cq, ctx.queue(0).raw_recv_cq());
    EXPECT_EQ(ctx.queue(0).raw()->send_cq, ctx.queue(0).raw_send_cq());
    EXPECT_EQ(ctx.queue(0).raw()->qp_type, IBV_QPT_RAW_PACKET);
    EXPECT_EQ(ctx.device().name, "wire:" + name);
}

TEST_F(LimitsOf, HugePagesAreTakenOrMissed) {
    Options options = small;
    options.pages = PageSize::huge_2m;
    try {
        EXPECT_EQ(open(options).limits().buffer_bytes, std::size_t{2} * (2 << 20));
    } catch (const std::system_error& error) {
        EXPECT_EQ(error.code().value(), ENOMEM);
        expect_words(error.what(), {"of huge pages", "vm.nr_hugepages"});
    }
}

TEST_F(LimitsOf, NumaNodeIsAWishOfDevicesThatHaveOne) {
    const auto policy_of = [](const void* at) {
        int policy = -1;
        const long result = ::syscall(SYS_get_mempolicy, &policy, nullptr, 0UL, at, 2UL /* MPOL_F_ADDR */);
        return result == 0 ? policy : -errno;
    };
    const Memory placed{4096, {.pages = PageSize::normal, .numa_node = 0}};
    if (policy_of(placed.data()) <= 0) GTEST_SKIP() << "memory can't be placed here, or the kernel doesn't tell";
    Options options = small;
    options.local_numa_node = true;
    Context ctx = open(options);
    const SendList list = ctx.acquire(1);
    EXPECT_EQ(policy_of(list.front().buffer().data()), 0) << "MPOL_DEFAULT: a wire is on no node";
}

TEST_F(LimitsOf, BufferBytesCountAllQueues) {
    EXPECT_EQ(open(with_queues(3)).limits().buffer_bytes, 3 * open().limits().buffer_bytes);
}

TEST_F(LimitsOf, BuffersAreAlignedAndApart) {
    for (const std::uint32_t bytes : {14U, 64U, 65U, 9216U}) {
        Options options = counts(64, 16);
        options.max_packet_size = bytes;
        Context ctx = open(options);
        const SendList list = ctx.acquire(64);
        std::set<std::uintptr_t> starts;
        for (SendPkt& pkt : list) starts.insert(reinterpret_cast<std::uintptr_t>(pkt.buffer().data()));
        ASSERT_EQ(starts.size(), 64u);
        for (auto at = starts.begin(); std::next(at) != starts.end(); ++at) EXPECT_GE(*std::next(at) - *at, bytes);
        EXPECT_TRUE(std::ranges::all_of(starts, [](std::uintptr_t start) { return start % 64 == 0; }));
    }
}

/// Past 4 GiB of buffers: a product in 32 bits would lay them over each other. Only touched pages cost memory.
TEST_F(LimitsOf, BuffersPast4GiBDoNotAlias) {
    Options options = counts(520, none);
    options.max_packet_size = (1U << 23) + 1;
    Context ctx = open(options);
    EXPECT_GT(ctx.limits().buffer_bytes, std::size_t{1} << 32);
    const SendList list = ctx.acquire(520);
    ASSERT_EQ(list.size(), 520u);
    const auto low = reinterpret_cast<std::uintptr_t>(list.front().buffer().data());
    std::uint32_t number = 0;
    for (SendPkt& pkt : list) {
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(pkt.buffer().data()),
                  low + number * Memory::stride(options.max_packet_size));
        std::memcpy(pkt.buffer().data(), &number, sizeof number);
        std::memcpy(pkt.buffer().last(4).data(), &number, sizeof number);
        ++number;
    }
    number = 0;
    for (SendPkt& pkt : list) {
        EXPECT_EQ(std::memcmp(pkt.buffer().data(), &number, sizeof number), 0);
        EXPECT_EQ(std::memcmp(pkt.buffer().last(4).data(), &number, sizeof number), 0);
        ++number;
    }
}

TEST_F(LimitsOf, ReceiveBuffersPast4GiBDoNotAlias) {
    Options options = counts(none, 520);
    options.max_packet_size = (1U << 23) + 1;
    options.max_batch = 520;
    Context ctx = open(options);
    const Flow flow = ctx.install(FlowRule{});
    plant(520);
    const RecvList list = ctx.recv(0ns);
    ASSERT_EQ(list.size(), 520u);
    std::uint32_t number = 0;
    for (const RecvPkt& pkt : list) EXPECT_EQ(number_of(pkt.bytes()), number++);
}

TEST_F(LimitsOf, MoreMemoryThanThereIsSaysSo) {
    Options options = counts(8, 32768);
    options.max_packet_size = (1U << 24) - 1;
    expect_words(expect_error(ENOMEM, [&] { open(options); }), {"cannot map 54", "Cannot allocate memory"});
}

TEST_F(LimitsOf, DeviceMaximumComesDownToWhatThereIs) {
    Options options = counts(device_maximum, device_maximum);
    options.max_packet_size = 1U << 22;  // 128 GiB a side, were it for the device alone
    const Context ctx = open(options);
    EXPECT_GE(ctx.limits().recv_packets, 16u);
    EXPECT_LT(ctx.limits().recv_packets, 32768u);
    EXPECT_EQ(ctx.stats().posted_now, ctx.limits().recv_packets);
}

TEST_F(LimitsOf, UnknownDeviceStringsAreRefused) {
    expect_words(expect_error(EINVAL, [] { Context{"", small}; }), {"it is empty"});
    expect_words(expect_error(EINVAL, [] { Context{"token:ring", small}; }), {"token:", "isn't known"});
    expect_words(expect_error(EINVAL, [] { Context{"wire:", small}; }), {"no name"});
    expect_words(expect_error(EINVAL, [] { Context{"wire:a?speed=9", small}; }), {"no option of wire:"});
    expect_words(expect_error(ENODEV, [] { Context{"not-there0", small}; }), {"not-there0", "no such interface"});
    expect_words(expect_error(ENODEV, [] { Context{"packet:not-there0", small}; }), {"not-there0"});
}

TEST_F(LimitsOf, LinkThatIsDownIsRefused) {
    wire.set_link(false);
    expect_words(refused(ENETDOWN, small), {"the link of port 1 is down", "require_link = false"});
}

TEST_F(LimitsOf, LinkThatIsDownIsTakenIfSaidSo) {
    wire.set_link(false);
    Options options = small;
    options.require_link = false;
    Context ctx = open(options);
    const Flow flow = ctx.install(FlowRule{});
    EXPECT_EQ(ctx.port().state, IBV_PORT_DOWN);
    plant();
    EXPECT_TRUE(ctx.recv(0ns).empty());
    wire.set_link(true);
    EXPECT_EQ(ctx.port().state, IBV_PORT_ACTIVE);
    plant();
    EXPECT_EQ(ctx.recv(0ns).size(), 1u);
}

}  // namespace
}  // namespace pktverbs::testing
