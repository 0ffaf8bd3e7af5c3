// SPDX-License-Identifier: Apache-2.0
// Values: endpoints and regions as bytes, GIDs, slices, and the release of rdma-core.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <limits>
#include <vector>

#include "expect_error.hpp"
#include "verbs/rdma_core.hpp"
#include "world.hpp"

namespace pktverbs::testing {
namespace {

using namespace verbs;  // NOLINT(google-build-using-namespace): all of it is on trial here

Endpoint full_endpoint() {
    Endpoint endpoint;
    endpoint.gid = Ipv6Address{"::ffff:10.0.0.1"};
    endpoint.queue_pair = 0xfffffe;
    endpoint.psn = 0x010203;
    endpoint.qkey = 0x80010000;
    endpoint.lid = 0x1234;
    endpoint.mtu = IBV_MTU_4096;
    return endpoint;
}

TEST(Endpoint, ComesBackFromItsBytes) {
    for (const auto mtu : {IBV_MTU_256, IBV_MTU_512, IBV_MTU_1024, IBV_MTU_2048, IBV_MTU_4096}) {
        Endpoint endpoint = full_endpoint();
        endpoint.mtu = mtu;
        EXPECT_EQ(Endpoint::from_bytes(endpoint.to_bytes()), endpoint);
    }
    EXPECT_EQ(Endpoint::from_bytes(Endpoint{}.to_bytes()), Endpoint{});
}

TEST(Endpoint, IsInNetworkOrder) {
    EXPECT_EQ(
        full_endpoint().to_bytes(),
        (std::array<std::uint8_t, 32>{0,    0,    0,    0,    0, 0, 0, 0, 0,    0, 0xff, 0xff, 10, 0, 0, 1,  // gid
                                      0,    0xff, 0xff, 0xfe, 0, 1, 2, 3, 0x80, 1, 0,    0,                  // numbers
                                      0x12, 0x34, 0,    5}));
}

TEST(Endpoint, RefusesAnotherNumberOfBytes) {
    const auto bytes = full_endpoint().to_bytes();
    std::vector<std::uint8_t> longer(bytes.begin(), bytes.end());
    longer.push_back(0);
    EXPECT_FALSE(Endpoint::from_bytes(longer));
    for (std::size_t length = 0; length < bytes.size(); ++length)
        EXPECT_FALSE(Endpoint::from_bytes(std::span{bytes}.first(length)));
}

TEST(Endpoint, RefusesNumbersOutOfRange) {
    const auto with = [](std::size_t at, std::uint8_t byte) {
        auto bytes = full_endpoint().to_bytes();
        bytes[at] = byte;
        return Endpoint::from_bytes(bytes);
    };
    EXPECT_FALSE(with(16, 1));  // a queue pair of 25 bits
    EXPECT_FALSE(with(20, 1));  // a sequence number
    EXPECT_FALSE(with(31, 0));  // an invalid MTU
    EXPECT_FALSE(with(31, 6));
    EXPECT_FALSE(with(30, 1));
    EXPECT_TRUE(with(31, 1));
}

TEST(Endpoint, SaysWhereItIs) { EXPECT_EQ(full_endpoint().to_string(), "queue pair 16777214 at ::ffff:10.0.0.1"); }

TEST(RemoteSlice, ComesBackFromItsBytes) {
    const RemoteSlice slice{0x0102030405060708, 0x1112131415161718, 0x21222324};
    const auto bytes = slice.to_bytes();
    EXPECT_EQ(bytes, (std::array<std::uint8_t, 20>{1,    2,    3,    4,    5,    6,    7,    8,    0x11, 0x12,
                                                   0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x21, 0x22, 0x23, 0x24}));
    const auto back = RemoteSlice::from_bytes(bytes);
    ASSERT_TRUE(back);
    EXPECT_EQ(back->address(), slice.address());
    EXPECT_EQ(back->size(), slice.size());
    EXPECT_EQ(back->key(), slice.key());
}

TEST(RemoteSlice, RefusesBadBytes) {
    const auto bytes = RemoteSlice{1, 2, 3}.to_bytes();
    for (std::size_t length = 0; length < bytes.size(); ++length)
        EXPECT_FALSE(RemoteSlice::from_bytes(std::span{bytes}.first(length)));
    std::vector<std::uint8_t> longer(bytes.begin(), bytes.end());
    longer.push_back(0);
    EXPECT_FALSE(RemoteSlice::from_bytes(longer));
}

TEST(RemoteSlice, RefusesToWrapAroundTheAddressSpace) {
    constexpr auto most = std::numeric_limits<std::uint64_t>::max();
    EXPECT_TRUE(RemoteSlice::from_bytes(RemoteSlice(most - 10, 10, 0).to_bytes()));
    EXPECT_FALSE(RemoteSlice::from_bytes(RemoteSlice(most - 10, 11, 0).to_bytes()));
    EXPECT_FALSE(RemoteSlice::from_bytes(RemoteSlice(1, most, 0).to_bytes()));
    EXPECT_TRUE(RemoteSlice::from_bytes(RemoteSlice(0, most, 0).to_bytes()));
}

TEST(RemoteSlice, DoesNotLeaveItself) {
    const RemoteSlice slice{1000, 100, 7};
    const auto inner = slice.slice(10, 20);
    EXPECT_EQ(inner.address(), 1010U);
    EXPECT_EQ(inner.size(), 20U);
    EXPECT_EQ(inner.key(), 7U);
    EXPECT_EQ(slice.slice(100, 0).address(), 1100U);
    EXPECT_EQ(slice.slice(0, 100).size(), 100U);
    constexpr auto most = std::numeric_limits<std::uint64_t>::max();
    EXPECT_THROW(slice.slice(0, 101), std::out_of_range);
    EXPECT_THROW(slice.slice(101, 0), std::out_of_range);
    EXPECT_THROW(slice.slice(50, most), std::out_of_range);
    EXPECT_THROW(slice.slice(most, 2), std::out_of_range);
    EXPECT_THROW(inner.slice(20, 1), std::out_of_range);
}

class SliceTest : public ::testing::Test {
protected:
    FakeVerbs fake_;
    World world_{fake_};
    MemoryRegion& region_ = *world_.region;
};

TEST_F(SliceTest, IsAPartOfItsRegion) {
    const auto slice = region_.slice(100, 50);
    EXPECT_EQ(slice.bytes().data(), world_.memory.data() + 100);
    EXPECT_EQ(slice.size(), 50U);
    EXPECT_EQ(slice.bytes().size(), 50U);
    EXPECT_EQ(slice.raw().lkey, 17U);
    EXPECT_EQ(region_.slice().size(), 4096U);
    EXPECT_EQ(region_.slice(4096, 0).size(), 0U);
    const auto inner = slice.slice(10, 5);
    EXPECT_EQ(inner.bytes().data(), world_.memory.data() + 110);
    EXPECT_EQ(inner.raw().lkey, 17U);
}

TEST_F(SliceTest, DoesNotLeaveItsRegion) {
    constexpr auto most = std::numeric_limits<std::size_t>::max();
    for (const auto& [offset, length] : {std::pair<std::size_t, std::size_t>{0, 4097},
                                         {1, 4096},
                                         {4096, 1},
                                         {4097, 0},
                                         {most, 1},
                                         {1, most},
                                         {most, most}}) {
        EXPECT_THROW(region_.slice(offset, length), std::out_of_range) << offset << ' ' << length;
        EXPECT_THROW(region_.slice().slice(offset, length), std::out_of_range) << offset << ' ' << length;
    }
    EXPECT_THROW(region_.slice(10, 10).slice(5, 6), std::out_of_range);
    try {
        region_.slice(4000, 97);
    } catch (const std::out_of_range& error) {
        EXPECT_STREQ(error.what(), "cannot slice 97 bytes at 4000: there are 4096");
    }
}

TEST_F(SliceTest, IsNoLongerThanAnElementCanSay) {
    constexpr std::size_t five_gib = 5ULL << 30;
    const std::span<std::uint8_t> large{world_.memory.data(), five_gib};  // the fake doesn't check
    const MemoryRegion region{*world_.pd, large};
    EXPECT_EQ(region.slice(five_gib - 10, 10).size(), 10U);
    EXPECT_EQ(region.slice(0, 0xffffffff).size(), 0xffffffffU);
    EXPECT_THROW(region.slice(0, 0x100000000), std::out_of_range);
    EXPECT_THROW(region.slice(), std::out_of_range);
    EXPECT_EQ(region.remote().size(), five_gib);
}

TEST_F(SliceTest, GivesAPeerTheOtherKey) {
    const RemoteSlice remote = region_.remote();
    EXPECT_EQ(remote.address(), reinterpret_cast<std::uintptr_t>(world_.memory.data()));
    EXPECT_EQ(remote.size(), 4096U);
    EXPECT_EQ(remote.key(), 18U);
}

TEST_F(SliceTest, CountsFromTheAddressThatADmabufWasGiven) {
    const auto region = MemoryRegion::from_dmabuf(*world_.pd, 3, 64, 1000, 0x10000);
    EXPECT_EQ(region.size(), 1000U);
    EXPECT_EQ(region.slice(8, 8).raw().addr, 0x10008U);
    EXPECT_EQ(region.remote().address(), 0x10000U);
    EXPECT_THROW(region.slice(993, 8), std::out_of_range);
}

TEST(Gid, IsAnAddress) {
    ibv_gid gid{};
    for (std::uint8_t i = 0; i < 16; ++i) gid.raw[i] = static_cast<std::uint8_t>(i + 1);
    const Ipv6Address address = to_address(gid);
    EXPECT_EQ(address, Ipv6Address{"102:304:506:708:90a:b0c:d0e:f10"});
    const ibv_gid back = to_gid(address);
    EXPECT_TRUE(std::equal(std::begin(gid.raw), std::end(gid.raw), std::begin(back.raw)));
}

TEST(Gid, MapsIpv4Addresses) {
    const Ipv4Address address{"192.0.2.33"};
    EXPECT_EQ(to_mapped(address), Ipv6Address{"::ffff:192.0.2.33"});
    EXPECT_EQ(from_mapped(to_mapped(address)), address);
    for (const char* text : {"::", "::192.0.2.33", "fe80::1", "::fffe:c000:221", "64:ff9b::192.0.2.33", "1::ffff:0:0"})
        EXPECT_EQ(from_mapped(Ipv6Address{text}), std::nullopt) << text;
}

TEST(Gid, SaysWhatItIs) {
    GidEntry entry{3, Ipv6Address{"::ffff:10.0.0.1"}, GidType::roce_v2, 0};
    EXPECT_EQ(entry.to_string(), "3: ::ffff:10.0.0.1, RoCE v2");
    entry.type = GidType::roce_v1;
    EXPECT_EQ(entry.to_string(), "3: ::ffff:10.0.0.1, RoCE v1");
    entry.type = GidType::infiniband;
    EXPECT_EQ(entry.to_string(), "3: ::ffff:10.0.0.1, InfiniBand");
}

class GidTableTest : public ::testing::Test {
protected:
    void add(const char* gid, std::uint32_t type) {
        ibv_gid_entry entry{};
        entry.gid = to_gid(Ipv6Address{gid});
        entry.gid_type = type;
        entry.ndev_ifindex = 6;
        fake_.gids.push_back(entry);
    }
    std::string chosen() const { return device_.default_gid().to_string(); }

    FakeVerbs fake_;
    OpenDevice device_{[this] {
        fake_.gids.clear();
        return fake_.device();
    }()};
};

TEST_F(GidTableTest, ListsWhatIsInUse) {
    add("fe80::1", IBV_GID_TYPE_ROCE_V1);
    add("::", IBV_GID_TYPE_ROCE_V2);
    add("fe80::1", IBV_GID_TYPE_ROCE_V2);
    for (const bool lists_empty : {false, true}) {  // as some kernels and drivers do
        fake_.lists_empty_gids = lists_empty;
        const auto gids = device_.gids();
        ASSERT_EQ(gids.size(), 2U) << lists_empty;
        EXPECT_EQ(gids[0].to_string(), "0: fe80::1, RoCE v1");
        EXPECT_EQ(gids[1].to_string(), "2: fe80::1, RoCE v2");
        EXPECT_EQ(gids[1].interface_index, 6U);
    }
}

TEST_F(GidTableTest, ListsThePortsOwn) {
    for (std::uint32_t i = 0; i < 300; ++i) {  // more than are asked for first
        add("fd00::1", IBV_GID_TYPE_ROCE_V2);
        fake_.gids.back().port_num = 1 + i % 2;
    }
    const auto gids = device_.gids();
    ASSERT_EQ(gids.size(), 150U);
    for (std::uint32_t i = 0; i < 150; ++i) EXPECT_EQ(gids[i].index, 2 * i);
    ASSERT_EQ(device_.gids(2).size(), 150U);
    EXPECT_EQ(device_.gids(2).front().index, 1U);
    EXPECT_TRUE(device_.gids(3).empty());
    fake_.fail("query_port", EINVAL);
    expect_error(EINVAL, [&] { device_.gids(3); });  // a port that is not there is no empty table
}

TEST_F(GidTableTest, PrefersRoceVersion2WithIpv4) {
    add("fe80::1", IBV_GID_TYPE_ROCE_V1);
    EXPECT_EQ(chosen(), "0: fe80::1, RoCE v1");
    add("fe80::1", IBV_GID_TYPE_ROCE_V2);
    EXPECT_EQ(chosen(), "1: fe80::1, RoCE v2");
    add("fd00::1", IBV_GID_TYPE_ROCE_V2);
    EXPECT_EQ(chosen(), "1: fe80::1, RoCE v2");
    add("::ffff:10.0.0.1", IBV_GID_TYPE_ROCE_V1);
    EXPECT_EQ(chosen(), "1: fe80::1, RoCE v2");
    add("::ffff:10.0.0.1", IBV_GID_TYPE_ROCE_V2);
    EXPECT_EQ(chosen(), "4: ::ffff:10.0.0.1, RoCE v2");
    add("::ffff:10.0.0.2", IBV_GID_TYPE_ROCE_V2);
    EXPECT_EQ(chosen(), "4: ::ffff:10.0.0.1, RoCE v2");
}

TEST_F(GidTableTest, GivesOneOfThePeersKind) {
    const auto towards = [&](const char* peer) { return device_.gid_towards(Ipv6Address{peer}).index; };
    add("fe80::1", IBV_GID_TYPE_ROCE_V1);
    add("fe80::1", IBV_GID_TYPE_ROCE_V2);
    EXPECT_EQ(towards("2001:db8::2"), 1U);  // the nearest to it
    add("::ffff:10.0.0.1", IBV_GID_TYPE_ROCE_V2);
    add("2001:db8::1", IBV_GID_TYPE_ROCE_V2);
    EXPECT_EQ(towards("::ffff:10.0.0.2"), 2U);
    EXPECT_EQ(towards("::ffff:239.1.2.3"), 2U);
    EXPECT_EQ(towards("2001:db8::2"), 3U);
    EXPECT_EQ(towards("ff15::1"), 3U);
    EXPECT_EQ(towards("fe80::2"), 1U);
    EXPECT_EQ(towards("ff02::1"), 1U);
    EXPECT_EQ(device_.default_gid().index, 2U);
}

TEST(Gid, OfASenderIsInTheHeaderBeforeItsDatagram) {
    ibv_grh grh{};
    auto* const bytes = reinterpret_cast<std::uint8_t*>(&grh);
    bytes[0] = 0x60;
    grh.sgid = to_gid(Ipv6Address{"2001:db8::1"});
    EXPECT_EQ(source_of(grh), Ipv6Address{"2001:db8::1"});
    grh = {};
    bytes[20] = 0x45;  // the IPv4 header at the end; what is before it is not written
    bytes[32] = 10;
    bytes[35] = 7;
    EXPECT_EQ(source_of(grh), Ipv6Address{"::ffff:10.0.0.7"});
}

TEST_F(GidTableTest, TakesTheFirstOnInfiniband) {
    add("fe80::1", IBV_GID_TYPE_IB);
    add("fe80::2", IBV_GID_TYPE_IB);
    EXPECT_EQ(chosen(), "0: fe80::1, InfiniBand");
}

TEST(RdmaCore, HasItsReleaseInTheNameOfItsLibrary) {
    EXPECT_EQ(rdma_core_release_in("/usr/lib/x86_64-linux-gnu/libibverbs.so.1.14.44.0"), 44);
    EXPECT_EQ(rdma_core_release_in("libibverbs.so.1.14.55.0"), 55);
    EXPECT_EQ(rdma_core_release_in("/opt/a.so.1.2.3.4/libibverbs.so.1.15.100.12"), 100);
    for (const char* name : {"", "libibverbs.so", "libibverbs.so.1", "libibverbs.so.1.14", "libibverbs.so.1.14.44",
                             "libibverbs.so.1.14.x.0", "libibverbs.so.1.14.44x.0", "libibverbs.so.1.14..0",
                             "libibverbs.so.1.14.99999999999.0", "a/program"})
        EXPECT_EQ(rdma_core_release_in(name), std::nullopt) << name;
}

TEST(RdmaCore, IsTheOneThatIsLoaded) {
    const auto release = rdma_core_release();
    if (!release) GTEST_SKIP() << "NOT TESTED: this program's libibverbs does not report its release";
    EXPECT_GE(*release, 17);  // the first of rdma-core that had ibv_query_gid_ex's forerunners
    EXPECT_LT(*release, 1000);
}

TEST(RdmaCore, CannotPollExtendedQueuesOfOldSoftRoce) {
    ibv_device_attr rxe{};
    rxe.vendor_id = 0xffffff;
    EXPECT_FALSE(extended_polling_works(rxe, 44));
    EXPECT_FALSE(extended_polling_works(rxe, 54));
    EXPECT_TRUE(extended_polling_works(rxe, 55));
    EXPECT_TRUE(extended_polling_works(rxe, 100));
    EXPECT_FALSE(extended_polling_works(rxe, std::nullopt));
    ibv_device_attr mellanox{};
    mellanox.vendor_id = 0x2c9;
    EXPECT_TRUE(extended_polling_works(mellanox, 44));
    EXPECT_TRUE(extended_polling_works(mellanox, std::nullopt));
}

TEST(RdmaCore, DecidesWhichQueueIsMade) {
    FakeVerbs fake;
    fake.attributes.vendor_id = 0xffffff;
    const World world{fake, true};
    EXPECT_EQ(world.cq->is_extended(), world.device->extended_polling_works());
    EXPECT_EQ(world.cq->is_extended(), rdma_core_release().value_or(0) >= 55);
}

}  // namespace
}  // namespace pktverbs::testing
