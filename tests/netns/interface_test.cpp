// SPDX-License-Identifier: Apache-2.0
// Interface and InterfaceWatch: renaming, another network namespace, another interface of the same name.
#include "interface/interface.hpp"

#include <gtest/gtest.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <pktverbs/address/ipv4_address.hpp>
#include <pktverbs/verbs/gid.hpp>

#include "interface/interface_sysfs.hpp"
#include "interface/interface_watch.hpp"
#include "network_namespace.hpp"

namespace pktverbs::test {
namespace {

using InterfacePtr = std::shared_ptr<const Interface>;

class InterfaceNet : public ::testing::Test {
protected:
    void SetUp() override {
        if (!NetworkNamespace::unavailable().empty()) GTEST_SKIP() << NetworkNamespace::unavailable();
        veth.emplace();
        left = find(veth->left, "left0");
        ASSERT_TRUE(left);
    }
    static InterfacePtr find(const VethPair::End& end, std::string_view name) {
        return end.run([&] { return Interface::find(name); });
    }
    void ip(std::vector<std::string> arguments) const { veth->left.name_space.ip(std::move(arguments)); }
    /// Renames left0 to other0, and names another interface left0.
    void replace() const {
        ip({"link", "set", "left0", "down"});
        ip({"link", "set", "left0", "name", "other0"});
        ip({"link", "add", "left0", "mtu", "1300", "type", "bridge"});
        ip({"address", "add", "192.0.2.9/24", "dev", "left0"});
        ip({"link", "set", "other0", "up"});
        veth->right.wait_for_carrier(true);
    }

    std::optional<VethPair> veth;
    InterfacePtr left;
};

TEST_F(InterfaceNet, IsFoundWithWhatItIs) {
    EXPECT_EQ(left->label(), "left0");
    EXPECT_EQ(left->index(), static_cast<int>(veth->left.run([] { return ::if_nametoindex("left0"); })));
    EXPECT_EQ(left->found().mac, veth->left.mac);
    EXPECT_EQ(left->found().mtu, 1500u);
    EXPECT_TRUE(left->found().is_up());
    EXPECT_FALSE(left->found().is_loopback());
    EXPECT_TRUE(find(veth->left, "lo")->found().is_loopback());
    EXPECT_FALSE(find(veth->left, "right0"));
    EXPECT_FALSE(find(veth->left, ""));
    EXPECT_FALSE(find(veth->left, std::string(200, 'n')));
}

TEST_F(InterfaceNet, IsFoundByAlternativeNamesOfAnyLength) {
    const std::string longest(127, 'n');
    for (const std::string& name : {std::string{"short0"}, std::string{"sixteen__letters"}, longest}) {
        ip({"link", "property", "add", "dev", "left0", "altname", name});
        const auto found = find(veth->left, name);
        ASSERT_TRUE(found) << name;
        EXPECT_EQ(found->index(), left->index());
        EXPECT_EQ(found->label(), "left0");
    }
}

TEST_F(InterfaceNet, ListsAllOfItsNamespace) {
    std::vector<std::string> names;
    for (const auto& interface : veth->left.run([] { return Interface::list(); })) names.push_back(interface->label());
    EXPECT_NE(std::ranges::find(names, "left0"), names.end());
    EXPECT_NE(std::ranges::find(names, "lo"), names.end());
    EXPECT_EQ(std::ranges::find(names, "right0"), names.end());
}

TEST_F(InterfaceNet, StaysItselfUnderAnyName) {
    replace();
    const auto state = left->state();
    ASSERT_TRUE(state);
    EXPECT_EQ(state->name(), "other0");
    EXPECT_EQ(state->mac, veth->left.mac);
    EXPECT_EQ(state->mtu, 1500u);
    EXPECT_TRUE(left->is_up());
    EXPECT_EQ(left->label(), "left0");
    ifreq answer;
    EXPECT_EQ(left->ask(SIOCGIFMTU, answer), 0);
    EXPECT_EQ(answer.ifr_mtu, 1500);
    const auto addresses = left->addresses();
    EXPECT_EQ(addresses, std::vector{verbs::to_mapped(Ipv4Address{veth->left.ipv4})});
    EXPECT_TRUE(left->statistics());
}

TEST_F(InterfaceNet, IsGoneForEver) {
    ip({"link", "delete", "left0"});
    ip({"link", "add", "left0", "type", "bridge"});
    EXPECT_FALSE(left->state());
    EXPECT_FALSE(left->is_up());
    EXPECT_FALSE(left->statistics());
    EXPECT_TRUE(left->addresses().empty());
    ifreq answer;
    EXPECT_EQ(left->ask(SIOCGIFMTU, answer), ENODEV);
}

TEST_F(InterfaceNet, OpensSocketsInItsNamespaceFromAnother) {
    EXPECT_FALSE(left->is_in_this_threads_network());
    veth->right.run([&] {
        EXPECT_FALSE(left->is_in_this_threads_network());
        const FileDescriptor socket{left->socket(AF_INET, SOCK_DGRAM, 0)};
        ASSERT_TRUE(socket);
        ifreq request{};
        std::string{"left0"}.copy(request.ifr_name, IFNAMSIZ - 1);
        EXPECT_EQ(::ioctl(socket.get(), SIOCGIFINDEX, &request), 0);
        EXPECT_EQ(::if_nametoindex("left0"), 0u) << "the calling thread stayed where it was";
    });
    veth->left.run([&] { EXPECT_TRUE(left->is_in_this_threads_network()); });
}

/// The index is 1 in every namespace, and so is the name.
TEST_F(InterfaceNet, IsNotWhatSysfsShowsOfAnotherNamespace) {
    const auto ours = Interface::find("lo");
    if (!ours || !std::filesystem::exists("/sys/class/net/lo")) GTEST_SKIP() << "/sys is of another namespace";
    EXPECT_EQ(interface_folder(*ours), "/sys/class/net/lo");
    EXPECT_TRUE(interface_folder(*left).empty());
    EXPECT_TRUE(device_folder(*left).empty());
}

class Watch : public InterfaceNet {
protected:
    void SetUp() override {
        InterfaceNet::SetUp();
        if (IsSkipped() || HasFatalFailure()) return;
        watch.emplace(left);
        state = left->found();
    }
    bool is_readable() const {
        pollfd one{watch->fd(), POLLIN, 0};
        return ::poll(&one, 1, 0) == 1;
    }
    /// All changes until now.
    std::string news_of() {
        bool changed = false, addresses = false, gone = false;
        for (InterfaceWatch::News news = watch->next(state); news.any; news = watch->next(state)) {
            changed |= news.state;
            addresses |= news.addresses;
            gone |= news.gone;
        }
        return std::string{changed ? "state " : ""} + (addresses ? "addresses " : "") + (gone ? "gone " : "");
    }

    std::optional<InterfaceWatch> watch;
    LinkState state;
};

TEST_F(Watch, ReportsTheState) {
    EXPECT_FALSE(is_readable());
    ip({"link", "set", "left0", "mtu", "1400"});
    EXPECT_TRUE(is_readable());
    EXPECT_EQ(news_of(), "state ");
    EXPECT_EQ(state.mtu, 1400u);
    EXPECT_FALSE(is_readable());
    ip({"link", "set", "left0", "address", "02:00:00:00:00:77"});
    EXPECT_EQ(news_of(), "state ");
    EXPECT_EQ(state.mac, MacAddress{"02:00:00:00:00:77"});
    ip({"link", "set", "left0", "down"});
    EXPECT_EQ(news_of().substr(0, 6), "state ");
    EXPECT_FALSE(state.is_up());
    ip({"link", "set", "left0", "name", "other0"});
    EXPECT_EQ(news_of().substr(0, 6), "state ");  // addresses, too: their labels have the name
    EXPECT_EQ(state.name(), "other0");
}

TEST_F(Watch, ReportsAddresses) {
    ip({"address", "add", "192.0.2.1/24", "dev", "left0"});
    EXPECT_EQ(news_of(), "addresses ");
    ip({"address", "delete", "192.0.2.1/24", "dev", "left0"});
    EXPECT_EQ(news_of(), "addresses ");
}

TEST_F(Watch, ReportsNothingOfOthers) {
    ip({"link", "add", "other0", "type", "bridge"});
    ip({"address", "add", "192.0.2.1/24", "dev", "other0"});
    ip({"link", "delete", "other0"});
    EXPECT_FALSE(is_readable());
}

TEST_F(Watch, ReportsNothingOfPromiscuity) {
    ip({"link", "set", "left0", "promisc", "on"});
    ip({"link", "set", "left0", "allmulticast", "on"});
    EXPECT_FALSE(is_readable());
}

/// A bridge sends, for a port that leaves it, the message for interfaces that are removed.
TEST_F(Watch, DistinguishesAPortThatLeavesItsBridgeFromAnInterfaceThatIsGone) {
    ip({"link", "add", "bridge0", "type", "bridge"});
    ip({"link", "set", "left0", "master", "bridge0"});
    ip({"link", "set", "left0", "nomaster"});
    EXPECT_EQ(news_of().find("gone"), std::string::npos);
    ip({"link", "delete", "left0"});
    EXPECT_NE(news_of().find("gone"), std::string::npos);
}

TEST_F(Watch, ReportsAMoveToAnotherNamespace) {
    const NetworkNamespace elsewhere;
    ip({"link", "set", "left0", "netns",
        "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(elsewhere.fd())});
    EXPECT_NE(news_of().find("gone"), std::string::npos);
    EXPECT_FALSE(left->state());
}

TEST_F(Watch, ReadsEverythingAnewWhenMessagesWereDropped) {
    const int least = 1;
    ASSERT_EQ(::setsockopt(watch->fd(), SOL_SOCKET, SO_RCVBUF, &least, sizeof least), 0);
    for (int mtu = 1000; mtu < 1020; ++mtu) ip({"link", "set", "left0", "mtu", std::to_string(mtu)});
    EXPECT_EQ(news_of(), "state addresses ");
    EXPECT_EQ(state.mtu, 1019u);
}

}  // namespace
}  // namespace pktverbs::test
