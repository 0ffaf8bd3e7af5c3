// SPDX-License-Identifier: Apache-2.0
// The GIDs and partition keys of a soft device's port.
#include "soft/nic/gid_table.hpp"

#include <fmt/core.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "soft/verbs/control_verbs.hpp"
#include "verbs_end.hpp"

namespace pktverbs::testing {
namespace {

const MacAddress mac{MacAddress::Bytes{0x02, 0, 0, 0, 0, 0x07}};
const Ipv6Address link_local{"fe80::ff:fe00:7"};

EndOptions with(const std::vector<Ipv6Address>& addresses) {
    std::string wire = "mac=" + mac.to_string();
    for (const auto& address : addresses) wire += "&ip=" + address.to_string();
    return {.wire = wire};
}

Ipv6Address address_of(const ibv_gid& gid) {
    Ipv6Address::Bytes bytes;
    std::copy_n(gid.raw, bytes.size(), bytes.begin());
    return Ipv6Address{bytes};
}

TEST(GidTable, BeginsWithTheLinkLocalAddressInBothVersions) {
    VerbsEnd end{with({})};
    const auto entries = soft::list_gids(end.context.get());
    ASSERT_EQ(entries.size(), 2U);
    for (std::uint32_t i = 0; i < 2; ++i) {
        EXPECT_EQ(address_of(entries[i].gid), link_local);
        EXPECT_EQ(entries[i].gid_index, i);
        EXPECT_EQ(entries[i].port_num, 1U);
        EXPECT_EQ(entries[i].ndev_ifindex, 0U);
    }
    EXPECT_EQ(entries[0].gid_type, std::uint32_t{IBV_GID_TYPE_ROCE_V1});
    EXPECT_EQ(entries[1].gid_type, std::uint32_t{IBV_GID_TYPE_ROCE_V2});
}

TEST(GidTable, GoesOnWithTheAddressesOfTheInterface) {
    const Ipv6Address ipv4{"::ffff:192.0.2.1"};
    const Ipv6Address ipv6{"2001:db8::1"};
    VerbsEnd end{with({ipv4, ipv6})};
    const Ipv6Address expected[] = {link_local, link_local, ipv4, ipv4, ipv6, ipv6};
    for (std::uint32_t i = 0; i < std::size(expected); ++i) {
        ibv_gid_entry entry;
        ASSERT_EQ(end.verbs.query_gid_ex(end.context.get(), 1, i, &entry, 0), 0);
        EXPECT_EQ(address_of(entry.gid), expected[i]);
        EXPECT_EQ(entry.gid_index, i);
        EXPECT_EQ(entry.gid_type, std::uint32_t{i % 2 == 0 ? IBV_GID_TYPE_ROCE_V1 : IBV_GID_TYPE_ROCE_V2});
        ibv_gid gid;
        ASSERT_EQ(end.verbs.query_gid(end.context.get(), 1, static_cast<int>(i), &gid), 0);
        EXPECT_EQ(address_of(gid), expected[i]);
    }
}

TEST(GidTable, ListsAnAddressOnce) {
    VerbsEnd end{with({link_local, Ipv6Address{"2001:db8::1"}, Ipv6Address{"2001:db8::1"}})};
    EXPECT_EQ(soft::list_gids(end.context.get()).size(), 4U);
}

TEST(GidTable, HoldsNoMoreThanItsLength) {
    std::vector<Ipv6Address> many;
    for (int i = 1; i <= 40; ++i) many.push_back(Ipv6Address{fmt::format("2001:db8::{}", i)});
    VerbsEnd end{with(many)};
    ibv_port_attr port;
    ASSERT_EQ(end.verbs.query_port(end.context.get(), 1, &port), 0);
    EXPECT_EQ(soft::list_gids(end.context.get()).size(), static_cast<std::size_t>(port.gid_tbl_len));
}

TEST(GidTable, IsEmptyBehindItsEntries) {
    VerbsEnd end{with({})};
    ibv_port_attr port;
    ASSERT_EQ(end.verbs.query_port(end.context.get(), 1, &port), 0);
    ASSERT_EQ(port.gid_tbl_len, 32);
    for (const std::uint32_t index : {2U, 31U}) {
        ibv_gid_entry entry;
        EXPECT_EQ(end.verbs.query_gid_ex(end.context.get(), 1, index, &entry, 0), ENODATA);
        ibv_gid gid;
        std::fill(std::begin(gid.raw), std::end(gid.raw), std::uint8_t{0x5a});
        ASSERT_EQ(end.verbs.query_gid(end.context.get(), 1, static_cast<int>(index), &gid), 0);
        EXPECT_TRUE(address_of(gid).is_zero());
    }
}

TEST(GidTable, IsReadByOneCall) {
    VerbsEnd end{with({Ipv6Address{"2001:db8::1"}})};
    std::array<ibv_gid_entry, 8> entries{};
    const auto read = [&](std::size_t room, std::uint32_t flags = 0) {
        return end.verbs.query_gid_table(end.context.get(), entries.data(), room, flags);
    };
    EXPECT_EQ(read(3), -EINVAL);
    EXPECT_EQ(entries[0].port_num, 0U) << "nothing is written";
    EXPECT_EQ(read(4, 1), -EOPNOTSUPP);
    for (const std::size_t room : {4U, 8U}) {
        ASSERT_EQ(read(room), 4);
        for (std::uint32_t i = 0; i < 4; ++i) {
            ibv_gid_entry entry;
            ASSERT_EQ(end.verbs.query_gid_ex(end.context.get(), 1, i, &entry, 0), 0);
            EXPECT_EQ(std::memcmp(&entries[i], &entry, sizeof entry), 0);
        }
    }
}

TEST(GidTable, EndsAtItsLength) {
    VerbsEnd end{with({})};
    ibv_gid_entry entry;
    EXPECT_EQ(end.verbs.query_gid_ex(end.context.get(), 1, 32, &entry, 0), EINVAL);
    EXPECT_EQ(end.verbs.query_gid_ex(end.context.get(), 2, 0, &entry, 0), EINVAL);
    EXPECT_EQ(end.verbs.query_gid_ex(end.context.get(), 1, 0, &entry, 1), EOPNOTSUPP);
    for (const auto& [port, index] : {std::pair{2, 0}, {0, 0}, {1, 32}, {1, -1}}) {
        ibv_gid gid;
        errno = 0;
        EXPECT_EQ(end.verbs.query_gid(end.context.get(), static_cast<std::uint8_t>(port), index, &gid), -1);
        EXPECT_EQ(errno, EINVAL);
    }
}

TEST(PkeyTable, HasTheDefaultPartitionOnly) {
    VerbsEnd end;
    __be16 pkey = 0;
    ASSERT_EQ(soft::control::query_pkey(end.context.get(), 1, 0, &pkey), 0);
    EXPECT_EQ(pkey, 0xffff);
    for (const auto& [port, index] : {std::pair{2, 0}, {1, 1}, {1, -1}}) {
        errno = 0;
        EXPECT_EQ(soft::control::query_pkey(end.context.get(), static_cast<std::uint8_t>(port), index, &pkey), -1);
        EXPECT_EQ(errno, EINVAL);
    }
}

}  // namespace
}  // namespace pktverbs::testing
