// SPDX-License-Identifier: Apache-2.0
// Layouts and regions: packets in the program's own memory.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <numeric>
#include <stdexcept>
#include <utility>
#include <vector>

#include <pktverbs/memory/shared_memory.hpp>

#include "expect_error.hpp"
#include "wired.hpp"

namespace pktverbs::testing {
namespace {

/// A frame of 64 bytes whose payload counts up.
Bytes counting(std::uint32_t number, std::size_t bytes = 64) {
    Bytes made = frame(number, bytes);
    std::iota(made.begin() + min_frame, made.end(), std::uint8_t{1});
    return made;
}

Bytes joined(RecvPkt& pkt) {
    Bytes all;
    for (std::size_t i = 0; i < pkt.chunk_count(); ++i) all.insert(all.end(), pkt.chunk(i).begin(), pkt.chunk(i).end());
    return all;
}

class LayoutOf : public Wired {
protected:
    std::vector<std::uint8_t> headers = std::vector<std::uint8_t>(4096);
    std::vector<std::uint8_t> payloads = std::vector<std::uint8_t>(8192);

    Options scattered() {
        Options options = small;
        options.recv_layout = Layout{}.chunk(14, headers).chunk(100, payloads, {.stride = 100, .alignment = 4});
        return options;
    }
};

TEST_F(LayoutOf, ChunksAreReceivedWhereTheirRegionsAre) {
    Context ctx = open(scattered());
    const Flow flow = hear(ctx);
    EXPECT_EQ(ctx.limits().max_packet_size, 114U);
    EXPECT_EQ(ctx.limits().buffer_bytes, Memory{Memory::stride(256) * 8}.size()) << "what is own is for sending only";
    for (std::uint32_t i = 0; i < 3; ++i) world.send(counting(i));
    RecvList list = ctx.recv();
    ASSERT_EQ(list.size(), 3U);
    std::uint32_t i = 0;
    for (RecvPkt& pkt : list) {
        EXPECT_EQ(pkt.length(), 64U);
        ASSERT_EQ(pkt.chunk_count(), 2U);
        EXPECT_EQ(pkt.bytes().size(), 14U);
        EXPECT_EQ(pkt.chunk(1).size(), 50U);
        EXPECT_EQ(joined(pkt), counting(i));
        const std::size_t apart = 64 * i;
        const auto base = reinterpret_cast<std::uintptr_t>(headers.data());
        const std::size_t aligned = (base + 63) / 64 * 64 - base;
        EXPECT_EQ(pkt.chunk(0).data(), headers.data() + aligned + apart);
        EXPECT_EQ(pkt.chunk(1).data() - payloads.data(), static_cast<std::ptrdiff_t>(100 * i));
        ++i;
    }
}

TEST_F(LayoutOf, FrameThatEndsEarlyLeavesLaterChunksEmpty) {
    Options options = small;
    options.recv_layout = Layout{}.chunk(20).chunk(44).chunk(100);
    Context ctx = open(options);
    const Flow flow = hear(ctx);
    world.send(counting(1, 20));
    world.send(counting(2, 64));
    world.send(counting(3, 65));
    RecvList list = ctx.recv();
    ASSERT_EQ(list.size(), 3U);
    std::vector<std::size_t> sizes;
    std::uint32_t number = 1;
    for (RecvPkt& pkt : list) {
        for (std::size_t i = 0; i < 3; ++i) sizes.push_back(pkt.chunk(i).size());
        EXPECT_EQ(joined(pkt), counting(number++, pkt.length()));
    }
    EXPECT_EQ(sizes, (std::vector<std::size_t>{20, 0, 0, 20, 44, 0, 20, 44, 1}));
}

TEST_F(LayoutOf, FrameThatIsLongerThanAllChunksFails) {
    Options options = small;
    options.recv_layout = Layout{}.chunk(14).chunk(46);
    Context ctx = open(options);
    const Flow flow = hear(ctx);
    world.send(counting(1, 61));
    RecvList list = ctx.recv();
    ASSERT_EQ(list.size(), 1U);
    EXPECT_EQ(list.front().status(), IBV_WC_LOC_LEN_ERR);
    EXPECT_EQ(list.front().chunk(0).size(), 0U);
    EXPECT_EQ(list.front().chunk(1).size(), 0U);
}

TEST_F(LayoutOf, QueuesShareARegionInTurn) {
    Options options = scattered();
    options.queues = 2;
    options.recv_packets = 4;
    Context ctx = open(options);
    const Flow first = hear(ctx, 0, 0x88b5);
    const Flow second = hear(ctx, 1, 0x88b6);
    Bytes other = counting(7);
    other[13] = 0xb6;
    world.send(counting(1));
    world.send(other);
    RecvList one = ctx.queue(0).recv(0s);
    RecvList two = ctx.queue(1).recv(0s);
    ASSERT_EQ(one.size() + two.size(), 2U);
    EXPECT_EQ(two.front().chunk(1).data() - one.front().chunk(1).data(), 4 * 100);
}

TEST_F(LayoutOf, RetargetedPacketReceivesElsewhereAndLeavesWhatItReceived) {
    Options options = scattered();
    options.recv_packets = 1;
    std::vector<std::uint8_t> fresh(100);
    options.regions = {Region{fresh}};
    Context ctx = open(options);
    const Flow flow = hear(ctx);
    world.send(counting(1));
    RecvList list = ctx.recv();
    ASSERT_EQ(list.size(), 1U);
    const std::span<std::uint8_t> kept = list.front().chunk(1);
    const verbs::LocalSlice old = list.front().target(1);
    EXPECT_EQ(old.size(), 100U);
    const auto slice = ctx.slice(fresh);
    ASSERT_TRUE(slice);
    list.front().retarget(*slice, 1);
    list.release();
    world.send(counting(2));
    list = ctx.recv();
    ASSERT_EQ(list.size(), 1U);
    EXPECT_EQ(list.front().chunk(1).data(), fresh.data());
    const Bytes second = counting(2);
    EXPECT_TRUE(std::equal(second.begin() + 14, second.end(), fresh.begin()));
    const Bytes first = counting(1);
    EXPECT_TRUE(std::equal(first.begin() + 14, first.end(), kept.begin(), kept.end())) << "what was kept has changed";
}

TEST_F(LayoutOf, PlainPacketIsRetargetedToo) {
    Context ctx = open();
    const Flow flow = hear(ctx);
    std::vector<std::uint8_t> fresh(256 * small.recv_packets);
    ctx.add_region(fresh);
    // All packets, one after the other, go to the new memory.
    for (std::uint32_t i = 0; i < small.recv_packets; ++i) {
        world.send(counting(i));
        RecvList list = ctx.recv();
        ASSERT_EQ(list.size(), 1U);
        list.front().retarget(*ctx.slice(std::span{fresh}.subspan(256 * i, 256)));
    }
    for (std::uint32_t i = 0; i < small.recv_packets; ++i) {
        world.send(counting(i));
        RecvList list = ctx.recv();
        ASSERT_EQ(list.size(), 1U);
        EXPECT_EQ(list.front().bytes().data(), fresh.data() + 256 * i);
        EXPECT_EQ(number_of(list.front().bytes()), i);
    }
}

TEST_F(LayoutOf, SendGathersChunksAndAttachedMemory) {
    Options options = small;
    options.send_layout = Layout{}.chunk(18, headers).chunk(0);
    Context ctx = open(options);
    std::iota(payloads.begin(), payloads.end(), std::uint8_t{});
    ctx.add_region(payloads);
    auto list = ctx.acquire(2);
    ASSERT_EQ(list.size(), 2U);
    std::uint32_t number = 0;
    for (SendPkt& pkt : list) {
        ASSERT_EQ(pkt.chunk_count(), 2U);
        EXPECT_EQ(pkt.buffer(0).size(), 18U);
        EXPECT_EQ(pkt.buffer(1).size(), 0U);
        std::ranges::copy(frame(number, 18), pkt.buffer().begin());
        pkt.set_length(18);
        pkt.attach(*ctx.slice(std::span{payloads}.subspan(100 * number, 50 + number)), 1);
        EXPECT_EQ(pkt.length(), 68U + number);
        ++number;
    }
    EXPECT_TRUE(ctx.send(std::move(list)).empty());
    const auto seen = world.receive();
    ASSERT_EQ(seen.size(), 2U);
    for (std::uint32_t i = 0; i < 2; ++i) {
        ASSERT_EQ(seen[i].size(), 68U + i);
        EXPECT_EQ(number_of(seen[i]), i);
        EXPECT_TRUE(std::equal(seen[i].begin() + 18, seen[i].end(), payloads.begin() + 100 * i));
    }
    EXPECT_TRUE(ctx.flush(no_timeout));
    EXPECT_EQ(ctx.stats().sent_bytes, 68U + 69U);
}

TEST_F(LayoutOf, AttachedLengthIsTheCapacity) {
    Options options = small;
    options.send_layout = Layout{}.chunk(18).chunk(40);
    Context ctx = open(options);
    ctx.add_region(payloads);
    auto list = ctx.acquire(1);
    SendPkt& pkt = list.front();
    pkt.set_length(40, 1);
    EXPECT_THROW(pkt.set_length(41, 1), std::length_error);
    pkt.attach(*ctx.slice(std::span{payloads}.first(60)), 1);
    EXPECT_EQ(pkt.length(), 60U);
    pkt.set_length(30, 1);
    pkt.set_length(18);
    EXPECT_EQ(pkt.length(), 48U);
    EXPECT_EQ(pkt.bytes(1).size(), 30U);
    EXPECT_THROW(pkt.set_length(61, 1), std::length_error);
}

TEST_F(LayoutOf, ChunksThatAreNotThereAreEmptyOrRefused) {
    Options options = scattered();
    options.send_layout.chunk(14).chunk(100);
    Context ctx = open(options);
    const Flow flow = hear(ctx);
    world.send(counting(0));
    RecvList received = ctx.recv();
    SendList list = ctx.acquire(1);
    ASSERT_EQ(received.size() + list.size(), 2U);
    const verbs::LocalSlice slice = ctx.slice(payloads).value();
    for (const std::size_t index : {std::size_t{2}, Layout::max_chunks - 1, Layout::max_chunks, ~std::size_t{0}}) {
        SendPkt& pkt = list.front();
        EXPECT_TRUE(pkt.buffer(index).empty() && pkt.bytes(index).empty());
        EXPECT_TRUE(std::as_const(pkt).bytes(index).empty());
        EXPECT_THROW(pkt.set_length(0, index), std::out_of_range);
        EXPECT_THROW(pkt.set_length(1, index), std::out_of_range);
        EXPECT_THROW(pkt.attach(slice, index), std::out_of_range);
        EXPECT_EQ(pkt.length(), 0U);
        RecvPkt& got = received.front();
        EXPECT_TRUE(got.chunk(index).empty());
        EXPECT_EQ(got.target(index).size(), 0U);
        EXPECT_THROW(got.retarget(slice, index), std::out_of_range);
        EXPECT_EQ(joined(got), counting(0));
    }
    try {
        list.front().set_length(1, 7);
    } catch (const std::out_of_range& error) {
        expect_words(error.what(), {"cannot send chunk 7", "it has 2"});
    }
    EXPECT_THROW(list.front().set_length(101, 1), std::length_error);
}

TEST_F(LayoutOf, ShortGatheredFrameComesBack) {
    Options options = small;
    options.send_layout = Layout{}.chunk(18).chunk(40);
    Context ctx = open(options);
    auto list = ctx.acquire(1);
    list.front().set_length(6);
    list.front().set_length(7, 1);
    SendList left = ctx.send(std::move(list));
    EXPECT_EQ(left.size(), 1U);
    EXPECT_EQ(left.error(), EMSGSIZE);
}

TEST_F(LayoutOf, RegionThatIsTooSmallIsRefusedWithBothSizes) {
    Options options = scattered();
    options.recv_packets = 100;
    const auto text = expect_error(EINVAL, [&] { open(options); });
    expect_words(text, {"cannot lay out receive buffers for wire:",
                        "a region of 4096 bytes has no room for 100 chunks of "
                        "14 bytes, 64 apart and aligned to 64"});
    // device_maximum is reduced to the packets that have room.
    options.recv_packets = device_maximum;
    Context ctx = open(options);
    EXPECT_GE(ctx.limits().recv_packets, 32U);
    EXPECT_LE(ctx.limits().recv_packets, 64U);
}

TEST_F(LayoutOf, WrongSpacingIsRefused) {
    Options options = small;
    options.recv_layout = Layout{}.chunk(64, payloads, {.stride = 63, .alignment = 64});
    expect_words(expect_error(EINVAL, [&] { open(options); }), {"chunks of 64 bytes do not fit into a stride of 63"});
    options.recv_layout = Layout{}.chunk(64, payloads, {.stride = 0, .alignment = 48});
    expect_words(expect_error(EINVAL, [&] { open(options); }), {"an alignment of 48 is not a power of two"});
    options.recv_layout = Layout{}.chunk(64, payloads, {.stride = std::size_t{1} << 62, .alignment = 64});
    expect_words(expect_error(EINVAL, [&] { open(options); }), {"has no room"});
}

TEST_F(LayoutOf, SizesAreThoseOfFrames) {
    Options options = small;
    options.recv_layout = Layout{}.chunk(13);
    expect_words(expect_error(EINVAL, [&] { open(options); }), {"the 13 bytes of recv_layout are not between 14 and"});
    options.recv_layout = Layout{}.chunk(1U << 23).chunk(1U << 23);
    expect_words(expect_error(EINVAL, [&] { open(options); }), {"16777216 bytes of recv_layout"});
    options.recv_layout = {};
    options.transport = Transport::datagram;
    options.send_layout = Layout{}.chunk(100);
    expect_words(expect_error(EOPNOTSUPP, [&] { open(options); }), {"datagrams take no send_layout"});
}

TEST(Layout, TakesFourChunks) {
    Layout layout = Layout{}.chunk(1).chunk(2).chunk(3).chunk(4);
    EXPECT_EQ(layout.bytes(), 10U);
    EXPECT_THROW(layout.chunk(5), std::length_error);
    EXPECT_EQ(layout.chunks().size(), 4U);
}

// The soft device maps any descriptor that can be mapped; a memfd stands in for a device's memory.
TEST_F(LayoutOf, DmabufIsReceivedIntoAndSentFrom) {
    const SharedMemory memory = SharedMemory::anonymous(8 * 4096);
    constexpr std::uint64_t offset = 4096;
    const Region region = Region::dmabuf(memory.fd(), offset, memory.bytes().subspan(offset, 4 * 4096));
    Options options = small;
    options.recv_layout = Layout{}.chunk(14).chunk(100, region);
    options.send_layout =
        Layout{}.chunk(64, Region::dmabuf(memory.fd(), 6 * 4096, memory.bytes().subspan(6 * 4096, 4096)));
    Context ctx = open(options);
    const Flow flow = hear(ctx);
    world.send(counting(1));
    RecvList list = ctx.recv();
    ASSERT_EQ(list.size(), 1U);
    EXPECT_EQ(list.front().chunk(1).data(), memory.data() + offset);
    const Bytes sent = counting(1);
    EXPECT_TRUE(std::equal(sent.begin() + 14, sent.end(), memory.data() + offset));

    ctx.send(filled(ctx.acquire(1), 7));
    const auto seen = world.receive();
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_EQ(number_of(seen.front()), 7U);
    EXPECT_EQ(number_of(memory.bytes().subspan(6 * 4096, 64)), 7U);
}

TEST_F(LayoutOf, DescriptorThatCannotBeMappedIsRefused) {
    int fds[2];
    ASSERT_EQ(::pipe2(fds, O_CLOEXEC), 0);
    Options options = small;
    options.regions = {Region::dmabuf(fds[0], 0, payloads)};
    EXPECT_THROW(open(options), std::system_error);
    ::close(fds[0]);
    ::close(fds[1]);
}

class RegionsOf : public Wired {
protected:
    Context ctx = open();
};

TEST_F(RegionsOf, SliceIsFoundJustInsideARegistration) {
    std::vector<std::uint8_t> memory(8U << 20);
    EXPECT_FALSE(ctx.slice(memory));
    const verbs::LocalSlice all = ctx.add_region(memory);
    EXPECT_EQ(all.size(), memory.size());
    const std::span bytes{memory};
    for (const std::size_t at :
         {std::size_t{0}, std::size_t{1}, (std::size_t{2} << 20) - 1, (std::size_t{8} << 20) - 10}) {
        const auto slice = ctx.slice(bytes.subspan(at, 10));
        ASSERT_TRUE(slice) << at;
        EXPECT_EQ(slice->bytes().data(), memory.data() + at);
        EXPECT_EQ(slice->size(), 10U);
        EXPECT_EQ(slice->raw().lkey, all.raw().lkey);
    }
    EXPECT_TRUE(ctx.slice(bytes));
    EXPECT_FALSE(ctx.slice({memory.data() + memory.size() - 9, 10}));
    EXPECT_FALSE(ctx.slice({memory.data() - 1, 2}));
}

TEST_F(RegionsOf, NeighboursInOnePageAreDistinct) {
    std::vector<std::uint8_t> memory(300);
    const std::span bytes{memory};
    const auto one = ctx.add_region(bytes.first(100));
    const auto two = ctx.add_region(bytes.subspan(100, 100));
    EXPECT_NE(one.raw().lkey, two.raw().lkey);
    EXPECT_EQ(ctx.slice(bytes.subspan(99, 1))->raw().lkey, one.raw().lkey);
    EXPECT_EQ(ctx.slice(bytes.subspan(100, 1))->raw().lkey, two.raw().lkey);
    EXPECT_FALSE(ctx.slice(bytes.subspan(99, 2))) << "no registration has both";
    EXPECT_FALSE(ctx.slice(bytes.subspan(200, 1)));
}

TEST_F(RegionsOf, AddedTwiceIsRegisteredOnceAndRemovedAtOnce) {
    std::vector<std::uint8_t> memory(100);
    const auto one = ctx.add_region(memory);
    EXPECT_EQ(ctx.add_region(memory).raw().lkey, one.raw().lkey);
    ctx.remove_region(std::span{memory}.first(99));
    EXPECT_TRUE(ctx.slice(memory)) << "other bytes were to go";
    ctx.remove_region(memory);
    EXPECT_FALSE(ctx.slice(memory));
    ctx.remove_region(memory);
    EXPECT_NE(ctx.add_region(memory).raw().lkey, one.raw().lkey);
}

TEST_F(RegionsOf, EmptyOneIsRefused) {
    expect_words(expect_error(EINVAL, [&] { ctx.add_region({}); }), {"cannot register memory with wire:", "no bytes"});
}

TEST_F(RegionsOf, ManyAreTaken) {
    std::vector<std::uint8_t> memory(100 * 900);
    for (std::size_t i = 0; i < 900; ++i) ctx.add_region(std::span{memory}.subspan(100 * i, 100));
    for (std::size_t i = 0; i < 900; ++i) EXPECT_TRUE(ctx.slice(std::span{memory}.subspan(100 * i + 10, 80)));
}

}  // namespace
}  // namespace pktverbs::testing
