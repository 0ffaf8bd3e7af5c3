// SPDX-License-Identifier: Apache-2.0
// Offloads of a Context: the same frames, whether the device or the library does the work.
#include <numeric>

#include "expect_error.hpp"
#include "faulty_ops.hpp"
#include "ip_frame.hpp"
#include "net/ethernet_fcs.hpp"
#include "net/internet_checksum.hpp"
#include "wired.hpp"

namespace pktverbs::testing {
namespace {

constexpr Options roomy{.send_packets = 8, .recv_packets = 16, .max_packet_size = 16'384};

Options with(const Offloads& offloads, Options options = roomy) {
    options.offloads = offloads;
    return options;
}

Bytes counted(std::size_t bytes) {
    Bytes made(bytes);
    std::iota(made.begin(), made.end(), std::uint8_t{3});
    return made;
}

Bytes tagged(const Bytes& frame, std::uint16_t tci) {
    Bytes made = frame;
    const std::uint8_t tag[] = {0x81, 0, static_cast<std::uint8_t>(tci >> 8), static_cast<std::uint8_t>(tci)};
    made.insert(made.begin() + 12, std::begin(tag), std::end(tag));
    return made;
}

Bytes right(const IpFrame& frame) {
    Bytes bytes = frame.bytes();
    EXPECT_TRUE(fill_checksums(bytes, {}));
    return bytes;
}

/// Puts bytes into a packet, over as many chunks as they take.
void put(SendPkt& pkt, const Bytes& bytes) {
    std::size_t done = 0;
    for (std::size_t i = 0; i < pkt.chunk_count(); ++i) {
        const std::size_t part = std::min(bytes.size() - done, pkt.buffer(i).size());
        std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(done), part, pkt.buffer(i).begin());
        pkt.set_length(part, i);
        done += part;
    }
    ASSERT_EQ(done, bytes.size());
}

Bytes all(RecvPkt& pkt) {
    Bytes bytes;
    for (std::size_t i = 0; i < pkt.chunk_count(); ++i) {
        const auto chunk = pkt.chunk(i);
        bytes.insert(bytes.end(), chunk.begin(), chunk.end());
    }
    return bytes;
}

class OffloadBy : public Wired, public ::testing::WithParamInterface<Offload> {
protected:
    static std::string wire_of() {
        std::string name = wire_name();
        std::ranges::replace(name, '/', '.');
        return name;
    }
    const std::string device = "wire:" + wire_of();
    soft::WireTap tap{wire_of()};

    /// One packet of these bytes, for which `ask` requests an offload.
    template <class Ask>
    int send(Context& ctx, const Bytes& bytes, Ask ask) {
        SendList list = ctx.acquire(1);
        EXPECT_EQ(list.size(), 1U);
        if (list.empty()) return -1;
        put(list.front(), bytes);
        ask(list.front());
        return ctx.send(std::move(list)).error();
    }
    std::vector<IpFrame> kinds() {
        IpFrame tcp;
        tcp.tcp = true;
        tcp.payload = counted(1001);
        return {IpFrame{}, tcp, IpFrame::v6(), IpFrame::v6(true)};
    }
};
INSTANTIATE_TEST_SUITE_P(, OffloadBy, ::testing::Values(Offload::device, Offload::software),
                         [](const auto& made) { return std::string{to_string(made.param)}; });

TEST_P(OffloadBy, FillsInChecksumsOfPacketsThatAsk) {
    Options options = with({.send_checksums = GetParam()});
    for (const bool laid_out : {false, true}) {
        if (laid_out) options.send_layout = Layout{}.chunk(61).chunk(7).chunk(4000);
        Context ctx{device, options};
        EXPECT_EQ(ctx.limits().offloads.send_checksums, GetParam());
        for (const IpFrame& frame : kinds()) {
            if (laid_out && frame.header_bytes() > 61) continue;
            EXPECT_EQ(send(ctx, frame.bytes(), [](SendPkt& pkt) { pkt.set_checksums(); }), 0);
            EXPECT_EQ(send(ctx, frame.bytes(), [](SendPkt& pkt) { pkt.set_checksums(false); }), 0);
            EXPECT_EQ(tap.receive(), (std::vector<Bytes>{right(frame), frame.bytes()}));
        }
        EXPECT_TRUE(ctx.flush(1s));
    }
}

TEST_P(OffloadBy, CutsWhatIsLongerThanAFrame) {
    Context ctx{device, with({.insert_vlan = Offload::software, .segmentation = GetParam()})};
    IpFrame header;
    header.tcp = true;
    header.tcp_flags = 0x18;
    for (const bool has_tag : {false, true})
        for (const std::size_t bytes : {0U, 1000U, 1001U, 12'345U}) {
            IpFrame whole = header;
            whole.payload = counted(bytes);
            ASSERT_EQ(send(ctx, whole.bytes(),
                           [&](SendPkt& pkt) {
                               pkt.set_segmentation(1000, static_cast<std::uint16_t>(header.header_bytes()));
                               pkt.set_vlan(has_tag ? std::optional<std::uint16_t>{0x2005} : std::nullopt);
                           }),
                      0);
            std::vector<Bytes> expected;
            for (std::size_t at = 0; at < std::max<std::size_t>(bytes, 1); at += 1000) {
                IpFrame segment = header;
                const std::size_t end = std::min(at + 1000, bytes);
                segment.payload.assign(whole.payload.begin() + static_cast<std::ptrdiff_t>(at),
                                       whole.payload.begin() + static_cast<std::ptrdiff_t>(end));
                segment.seq += static_cast<std::uint32_t>(at);
                segment.id = static_cast<std::uint16_t>(segment.id + at / 1000);
                segment.tcp_flags = end == bytes ? 0x18 : 0x10;
                expected.push_back(has_tag ? tagged(right(segment), 0x2005) : right(segment));
            }
            EXPECT_EQ(tap.receive(), expected);
        }
    EXPECT_TRUE(ctx.flush(1s));
    EXPECT_EQ(ctx.stats().sent_packets, 8U);
}

TEST_P(OffloadBy, SendsOnAndOn) {
    Context ctx{device, with({.segmentation = GetParam()})};
    IpFrame whole;
    whole.tcp = true;
    whole.payload = counted(16'000);
    std::size_t frames = 0;
    for (int round = 0; round < 200; ++round) {
        SendList list = ctx.acquire(8, 1s);
        ASSERT_EQ(list.size(), 8U);
        bool cut = false;
        for (SendPkt& pkt : list) {
            put(pkt, cut ? whole.bytes() : frame(1));
            pkt.set_segmentation(cut ? 500 : 0, cut ? 54 : 0);
            frames += cut ? 32 : 1;
            cut = !cut;
        }
        EXPECT_TRUE(ctx.send(std::move(list)).empty());
    }
    EXPECT_TRUE(ctx.flush(1s));
    EXPECT_EQ(tap.receive().size(), frames);
    EXPECT_EQ(ctx.stats().sent_packets, 1600U);
    EXPECT_EQ(ctx.stats().in_flight, 0U);
}

TEST_P(OffloadBy, RefusesHeadersThatAreNone) {
    Context ctx{device, with({.segmentation = GetParam()})};
    const auto error_of = [&](const Bytes& bytes, std::uint16_t header) {
        SendList list = ctx.acquire(1);
        put(list.front(), bytes);
        list.front().set_segmentation(100, header);
        return ctx.send(std::move(list)).error();
    };
    IpFrame tcp;
    tcp.tcp = true;
    EXPECT_EQ(error_of(tcp.bytes(), 53), EINVAL);
    EXPECT_EQ(error_of(tcp.bytes(), 1000), EINVAL);
    EXPECT_EQ(error_of(Bytes(1000), 257), EINVAL);
    EXPECT_EQ(error_of(frame(1), 14), EINVAL);
    EXPECT_EQ(error_of(tcp.bytes(), 54), 0);
    EXPECT_EQ(error_of(IpFrame{}.bytes(), 42), GetParam() == Offload::software ? 0 : EINVAL);  // UDP
    EXPECT_TRUE(ctx.flush(1s));
    EXPECT_FALSE(ctx.queue(0).in_error());
}

TEST_P(OffloadBy, TakesVlanTagsOut) {
    Options options = with({.strip_vlan = GetParam()});
    for (const bool laid_out : {false, true}) {
        if (laid_out) options.recv_layout = Layout{}.chunk(18).chunk(2).chunk(5).chunk(2000);
        Context ctx{device, options};
        const Flow flow = ctx.install(FlowRule{});
        for (const std::size_t bytes : {60U, 1000U, 1999U}) {
            tap.send(tagged(frame(7, bytes), 0x6abc));
            tap.send(frame(8, bytes));
            RecvList list = ctx.recv(1s);
            ASSERT_EQ(list.size(), 2U);
            auto pkt = list.begin();
            EXPECT_EQ(all(*pkt), frame(7, bytes));
            EXPECT_EQ(pkt->vlan(), std::uint16_t{0x6abc});
            ++pkt;
            EXPECT_EQ(all(*pkt), frame(8, bytes));
            EXPECT_EQ(pkt->vlan(), std::nullopt);
        }
        EXPECT_EQ(ctx.stats().recv_bytes, 2U * (60 + 1000 + 1999));
    }
}

TEST_P(OffloadBy, TakesVlanTagsOutWithRss) {
    Options options = with({.strip_vlan = GetParam()});
    options.queues = 2;
    options.rss = Rss{};
    Context ctx{device, options};
    const Flow flow = ctx.install(FlowRule{}.udp());
    for (std::uint16_t port = 0; port < 8; ++port) {
        IpFrame sent;
        sent.src_port = port;
        tap.send(tagged(right(sent), 5));
    }
    std::size_t got = 0;
    while (got < 8) {
        RecvList list = ctx.recv(1s);
        ASSERT_FALSE(list.empty());
        for (RecvPkt& pkt : list) {
            EXPECT_EQ(pkt.vlan(), std::uint16_t{5});
            EXPECT_TRUE(checksums_right(pkt.bytes()));
        }
        got += list.size();
    }
}

class ContextOffload : public Wired {
protected:
    /// One packet that requests all of `asks`; returns the result of send().
    template <class Ask>
    int error_of(Context& ctx, Ask ask) {
        SendList list = ctx.acquire(1);
        put(list.front(), IpFrame{}.bytes());
        ask(list.front());
        const SendList back = ctx.send(std::move(list));
        EXPECT_EQ(back.empty(), back.error() == 0);
        return back.error();
    }
};

TEST_F(ContextOffload, IsRefusedByQueuesThatWereNotOpenedForIt) {
    Context ctx = open();
    EXPECT_EQ(ctx.limits().offloads, Offloads{});
    EXPECT_EQ(error_of(ctx, [](SendPkt& pkt) { pkt.set_checksums(); }), EOPNOTSUPP);
    EXPECT_EQ(error_of(ctx, [](SendPkt& pkt) { pkt.set_vlan(1); }), EOPNOTSUPP);
    EXPECT_EQ(error_of(ctx, [](SendPkt& pkt) { pkt.set_segmentation(1, 42); }), EOPNOTSUPP);
    for (SendPkt& pkt : ctx.acquire(8)) {
        pkt.set_checksums(false);
        pkt.set_vlan(std::nullopt);
        pkt.set_segmentation(0, 0);
    }
    EXPECT_EQ(error_of(ctx, [](SendPkt&) {}), 0);
    EXPECT_EQ(world.receive().size(), 1U);
}

TEST_F(ContextOffload, SendsWhatStandsBeforeWhatIsRefused) {
    Context ctx = open();
    SendList list = filled(ctx.acquire(3), 1);
    (++list.begin())->set_vlan(1);
    SendList back = ctx.send(std::move(list));
    EXPECT_EQ(back.error(), EOPNOTSUPP);
    EXPECT_EQ(back.size(), 2U);
    EXPECT_EQ(numbers(world.receive()), Numbers{1});
    back.front().set_vlan(std::nullopt);
    EXPECT_TRUE(ctx.send(std::move(back)).empty());
    EXPECT_EQ(numbers(world.receive()), (Numbers{2, 3}));
}

TEST_F(ContextOffload, InsertsTagsWithoutTouchingThePacket) {
    Context ctx = open(with({.insert_vlan = Offload::device_or_software}));
    EXPECT_EQ(ctx.limits().offloads.insert_vlan, Offload::software);
    for (int round = 0; round < 50; ++round) {
        SendList list = filled(ctx.acquire(8, 1s), 1);
        std::uint16_t tci = 0;
        for (SendPkt& pkt : list) {
            pkt.set_vlan(tci % 2 != 0 ? std::optional<std::uint16_t>{tci} : std::nullopt);
            ++tci;
            EXPECT_EQ(pkt.chunk_count(), 1U);
        }
        EXPECT_TRUE(ctx.send(std::move(list)).empty());
        const auto frames = world.receive();
        ASSERT_EQ(frames.size(), 8U);
        for (std::uint16_t i = 0; i < 8; ++i)
            EXPECT_EQ(frames[i], i % 2 != 0 ? tagged(frame(i + 1U), i) : frame(i + 1U)) << i;
    }
}

TEST_F(ContextOffload, TagsAndChecksumsGoTogether) {
    for (const Offload by : {Offload::device, Offload::software}) {
        Context ctx = open(with({.send_checksums = by, .insert_vlan = Offload::software}));
        EXPECT_EQ(error_of(ctx,
                           [](SendPkt& pkt) {
                               pkt.set_checksums();
                               pkt.set_vlan(9);
                           }),
                  0);
        EXPECT_EQ(world.receive(), std::vector<Bytes>{tagged(right(IpFrame{}), 9)});
    }
}

TEST_F(ContextOffload, CutsUdpInSoftware) {
    Options options = with({.segmentation = Offload::software});
    options.send_layout = Layout{}.chunk(42).chunk(5000);
    Context ctx = open(options);
    IpFrame whole;
    whole.payload = counted(3000);
    SendList list = ctx.acquire(1);
    put(list.front(), whole.bytes());
    list.front().set_segmentation(1024, 42);
    ASSERT_TRUE(ctx.send(std::move(list)).empty());
    const auto frames = world.receive();
    ASSERT_EQ(frames.size(), 3U);
    for (std::size_t i = 0; i < 3; ++i) {
        IpFrame segment = whole;
        segment.payload = Bytes(whole.payload.begin() + static_cast<std::ptrdiff_t>(1024 * i),
                                whole.payload.begin() + static_cast<std::ptrdiff_t>(std::min(1024 * (i + 1), 3000UL)));
        segment.id = static_cast<std::uint16_t>(whole.id + i);
        EXPECT_EQ(frames[i], right(segment));
    }
}

TEST_F(ContextOffload, SaysWhenThereAreTooManySegments) {
    Context ctx = open(with({.segmentation = Offload::software}));
    IpFrame whole;
    whole.payload = counted(1000);
    SendList list = ctx.acquire(1);
    put(list.front(), whole.bytes());
    list.front().set_segmentation(1, 42);
    EXPECT_EQ(ctx.send(std::move(list)).error(), EMSGSIZE);
    EXPECT_TRUE(world.receive().empty());
}

TEST_F(ContextOffload, FailsAndRecoversInTheMiddleOfSegments) {
    Context ctx = open(with({.segmentation = Offload::software}));
    IpFrame whole;
    whole.payload = counted(10'000);
    const auto send = [&](std::uint16_t mss) {
        SendList list = ctx.acquire(1);
        put(list.front(), whole.bytes());
        list.front().set_segmentation(mss, 42);
        return ctx.send(std::move(list)).error();
    };
    EXPECT_EQ(send(9500), 0);  // longer than the MTU
    ctx.flush(0ns);            // takes the completions
    EXPECT_TRUE(ctx.queue(0).in_error());
    ctx.queue(0).recover();
    world.receive();
    EXPECT_EQ(send(5000), 0);
    EXPECT_TRUE(ctx.flush(1s));
    EXPECT_EQ(world.receive().size(), 2U);
    const Stats stats = ctx.stats();
    EXPECT_EQ(stats.in_flight, 0U);
    EXPECT_EQ(stats.sent_packets, 1U);
    EXPECT_EQ(stats.send_errors[IBV_WC_WR_FLUSH_ERR], 1U);
    EXPECT_EQ(stats.send_errors[IBV_WC_LOC_LEN_ERR], 0U);  // the part's, not the packet's
}

TEST_F(ContextOffload, KeepsCountOfWhatTheDeviceRefused) {
    Context ctx = open(with({.insert_vlan = Offload::software, .segmentation = Offload::software}));
    IpFrame whole;
    whole.payload = counted(8000);
    const auto send = [&](std::uint16_t mss) {
        SendList list = ctx.acquire(2, 1s);
        EXPECT_EQ(list.size(), 2U);
        for (SendPkt& pkt : list) {
            put(pkt, whole.bytes());
            pkt.set_segmentation(mss, 42);
            pkt.set_vlan(5);
        }
        return ctx.send(std::move(list)).size();
    };
    FaultyOps ops{ctx};
    // 80 work requests each, of 512 entries: any that are lost are missed soon. Refused are the first one, parts, a
    // packet's own, and of the second packet the same.
    for (const int takes : {0, 1, 40, 79, 80, 81, 120, 159}) {
        for (int round = 0; round < 20; ++round) {
            ops.send_takes = takes;
            EXPECT_EQ(send(100), takes < 80 ? 2U : 1U) << takes;
            EXPECT_EQ(world.receive().size(), static_cast<std::size_t>(takes));
            ops.send_takes = FaultyOps::always;
            EXPECT_EQ(send(100), 0U);
            const auto frames = world.receive();
            ASSERT_EQ(frames.size(), 160U);
            for (const Bytes& bytes : frames) EXPECT_EQ(bytes.size(), 146U);
            EXPECT_TRUE(ctx.flush(1s));
        }
    }
    // With nothing else sent in between, what the device took of refused packets fills the ring, until recover().
    ops.send_takes = 79;
    for (int round = 0; round < 10; ++round, ops.send_takes = 79) EXPECT_EQ(send(100), 2U);
    ops.send_takes = FaultyOps::always;
    EXPECT_EQ(send(100), 2U);
    ctx.queue(0).recover();
    world.receive();
    EXPECT_EQ(send(100), 0U);
    EXPECT_EQ(world.receive().size(), 160U);
}

TEST_F(ContextOffload, VerifiesChecksumsInSoftware) {
    Options options = with({.recv_checksums = Offload::software});
    for (const bool laid_out : {false, true}) {
        if (laid_out) options.recv_layout = Layout{}.chunk(54).chunk(10).chunk(2000);
        Context ctx = open(options);
        const Flow flow = hear(ctx);
        Bytes wrong = right(IpFrame{});
        wrong.back() ^= 1;
        world.send(right(IpFrame{}));
        world.send(wrong);
        world.send(frame(1));
        RecvList list = ctx.recv(1s);
        std::vector<bool> ok;
        for (const RecvPkt& pkt : list) ok.push_back(pkt.checksum_ok());
        EXPECT_EQ(ok, (std::vector<bool>{true, false, false}));
    }
}

TEST_F(ContextOffload, GivesTheFrameCheckSequence) {
    Context ctx = open(with({.scatter_fcs = true}));
    const Flow flow = hear(ctx);
    world.send(frame(1));
    const RecvList list = ctx.recv(1s);
    ASSERT_EQ(list.size(), 1U);
    Bytes expected = frame(1);
    for (const std::uint8_t byte : ethernet_fcs(frame(1))) expected.push_back(byte);
    EXPECT_TRUE(std::ranges::equal(list.front().bytes(), expected));
}

TEST_F(ContextOffload, GivesTagsAndTimestampsTogether) {
    Options options = with({.strip_vlan = Offload::device});
    options.timestamps = true;
    Context ctx = open(options);
    EXPECT_TRUE(ctx.limits().timestamps);
    const Flow flow = hear(ctx);
    world.send(tagged(frame(1), 3));
    const RecvList list = ctx.recv(1s);
    ASSERT_EQ(list.size(), 1U);
    EXPECT_EQ(list.front().vlan(), std::uint16_t{3});
    EXPECT_NE(list.front().timestamp(), 0ns);
    EXPECT_FALSE(open(with({.strip_vlan = Offload::device})).limits().timestamps);
}

TEST_F(ContextOffload, IsRefusedWithAReason) {
    const auto refused = [&](int error, const Options& options, std::initializer_list<const char*> words) {
        expect_words(expect_error(error, [&] { open(options); }), words);
    };
    refused(EOPNOTSUPP, with({.insert_vlan = Offload::device}), {"insert_vlan", "ask for software"});
    Options datagram = with({.send_checksums = Offload::software});
    datagram.transport = Transport::datagram;
    refused(EOPNOTSUPP, datagram, {"offloads", "raw packets"});
    Options short_chunk = with({.strip_vlan = Offload::software});
    short_chunk.recv_layout = Layout{}.chunk(17).chunk(1000);
    refused(EINVAL, short_chunk, {"strip_vlan", "first chunk must have 18 bytes"});
    Bytes memory(1 << 20);
    Options dmabuf = with({.send_checksums = Offload::software});
    dmabuf.send_layout = Layout{}.chunk(100).chunk(1000, Region::dmabuf(3, 0, memory));
    refused(EINVAL, dmabuf, {"send_checksums", "dmabuf"});
    dmabuf.offloads = {};
    dmabuf.max_inline = 64;
    refused(EINVAL, dmabuf, {"max_inline", "dmabuf"});
}

}  // namespace
}  // namespace pktverbs::testing
