// SPDX-License-Identifier: Apache-2.0
#include "interface/rtnetlink.hpp"

#include <gtest/gtest.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace pktverbs::rtnetlink {
namespace {

/// A message as the kernel writes it.
class Written {
public:
    template <class Header>
    Written(std::uint16_t type, const Header& about) {
        nlmsghdr header{};
        header.nlmsg_type = type;
        append(header);
        append(about);
        finish();
    }
    Written& add(std::uint16_t type, std::string_view value) {
        rtattr head{};
        head.rta_type = type;
        head.rta_len = static_cast<unsigned short>(sizeof head + value.size());
        append(head);
        for (const char c : value) bytes_.push_back(static_cast<std::byte>(c));
        bytes_.resize((bytes_.size() + 3) / 4 * 4);
        finish();
        return *this;
    }
    Written& add(std::uint16_t type, std::uint32_t value) {
        return add(type, std::string_view{reinterpret_cast<const char*>(&value), sizeof value});
    }
    std::vector<std::byte> bytes() const { return bytes_; }

private:
    template <class Value>
    void append(const Value& value) {
        const auto* const first = reinterpret_cast<const std::byte*>(&value);
        bytes_.insert(bytes_.end(), first, first + sizeof value);
    }
    void finish() {
        const auto length = static_cast<std::uint32_t>(bytes_.size());
        std::memcpy(bytes_.data(), &length, sizeof length);
    }

    std::vector<std::byte> bytes_;
};

ifinfomsg about_link(int index, unsigned char family = AF_UNSPEC) {
    ifinfomsg about{};
    about.ifi_family = family;
    about.ifi_index = index;
    about.ifi_flags = IFF_UP | IFF_RUNNING;
    return about;
}

Written link() {
    return Written{RTM_NEWLINK, about_link(7)}
        .add(IFLA_IFNAME, {"eth4\0", 5})
        .add(IFLA_MTU, 9000)
        .add(IFLA_ADDRESS, {"\x02\x00\x5e\x10\x00\x01", 6});
}

Message only(const std::vector<std::byte>& bytes) {
    Bytes rest{bytes};
    const auto message = take_message(rest);
    EXPECT_TRUE(message);
    return message.value_or(Message{});
}

TEST(Rtnetlink, ReadsWhatALinkIs) {
    const auto bytes = link().bytes();
    LinkState state;
    EXPECT_TRUE(update(state, only(bytes)));
    EXPECT_EQ(state.index, 7);
    EXPECT_EQ(state.name(), "eth4");
    EXPECT_EQ(state.mtu, 9000u);
    EXPECT_EQ(state.mac, MacAddress{"02:00:5e:10:00:01"});
    EXPECT_TRUE(state.is_up());
}

TEST(Rtnetlink, KeepsWhatIsNotSaid) {
    const auto bytes = link().bytes();
    LinkState state;
    update(state, only(bytes));
    const auto again = Written{RTM_NEWLINK, about_link(7)}.add(IFLA_MTU, 1500).bytes();
    EXPECT_TRUE(update(state, only(again)));
    EXPECT_EQ(state.mtu, 1500u);
    EXPECT_EQ(state.name(), "eth4");
    EXPECT_FALSE(state.mac.is_zero());
}

TEST(Rtnetlink, TakesNoBridgePortsMessage) {
    LinkState state;
    const auto bridge = Written{RTM_NEWLINK, about_link(7, AF_BRIDGE)}.add(IFLA_MTU, 1).bytes();
    EXPECT_FALSE(update(state, only(bridge)));
    const auto removal = Written{RTM_DELLINK, about_link(7)}.bytes();
    EXPECT_FALSE(update(state, only(removal)));
    EXPECT_EQ(state.index, 0);
}

TEST(Rtnetlink, TakesNoAddressOfAnotherLength) {
    const auto bytes =
        Written{RTM_NEWLINK, about_link(7)}.add(IFLA_ADDRESS, std::string_view{"12345678901234567890"}).bytes();
    LinkState state;
    EXPECT_TRUE(update(state, only(bytes)));
    EXPECT_TRUE(state.mac.is_zero());
}

TEST(Rtnetlink, ReadsAddressesOfBothFamilies) {
    ifaddrmsg about{};
    about.ifa_family = AF_INET;
    about.ifa_index = 7;
    const auto ipv4 = Written{RTM_NEWADDR, about}
                          .add(IFA_ADDRESS, {"\x0a\x00\x00\x02", 4})  // the other end's
                          .add(IFA_LOCAL, {"\x0a\x00\x00\x01", 4})
                          .bytes();
    EXPECT_EQ(address(only(ipv4)).value().address, Ipv6Address{"::ffff:10.0.0.1"});
    EXPECT_EQ(address(only(ipv4)).value().interface_index, 7);
    about.ifa_family = AF_INET6;
    const auto ipv6 = Written{RTM_NEWADDR, about}.add(IFA_ADDRESS, {"\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16}).bytes();
    EXPECT_EQ(address(only(ipv6)).value().address, Ipv6Address{"fd00::1"});
    about.ifa_family = AF_BRIDGE;
    EXPECT_FALSE(address(only(Written{RTM_NEWADDR, about}.add(IFA_LOCAL, 1U).bytes())));
    EXPECT_FALSE(address(only(link().bytes())));
}

TEST(Rtnetlink, ReadsNothingThatIsCutShort) {
    const auto whole = link().bytes();
    for (std::size_t length = 0; length < whole.size(); ++length) {
        Bytes cut{Bytes{whole}.first(length)};
        EXPECT_FALSE(take_message(cut)) << length;
        // The same with a header that claims no more than there is.
        auto shorter = std::vector<std::byte>(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
        if (length < sizeof(nlmsghdr)) continue;
        const auto claimed = static_cast<std::uint32_t>(length);
        std::memcpy(shorter.data(), &claimed, sizeof claimed);
        LinkState state;
        EXPECT_EQ(update(state, only(shorter)), length >= sizeof(nlmsghdr) + sizeof(ifinfomsg)) << length;
    }
    auto lying = whole;
    const std::uint32_t too_little = 15;
    std::memcpy(lying.data(), &too_little, sizeof too_little);
    Bytes rest{lying};
    EXPECT_FALSE(take_message(rest));
}

TEST(Rtnetlink, TakesOneMessageAfterTheOther) {
    auto two = Written{RTM_NEWLINK, about_link(1)}.bytes();
    const auto second = link().bytes();
    two.insert(two.end(), second.begin(), second.end());
    Bytes rest{two};
    EXPECT_EQ(take_message(rest).value().header.nlmsg_len, 32u);
    EXPECT_EQ(take_message(rest).value().header.nlmsg_len, second.size());
    EXPECT_TRUE(rest.empty());
    EXPECT_FALSE(take_message(rest));
}

TEST(Rtnetlink, FindsNoAttributeBehindABrokenOne) {
    for (const unsigned short broken : {std::uint16_t{0}, std::uint16_t{3}, std::uint16_t{1000}}) {
        auto bytes = link().bytes();
        std::memcpy(&bytes[32], &broken, sizeof broken);
        EXPECT_TRUE(attribute(only(bytes).payload, sizeof(ifinfomsg), IFLA_MTU).empty()) << broken;
    }
}

}  // namespace
}  // namespace pktverbs::rtnetlink
