// SPDX-License-Identifier: Apache-2.0
#include "interface_counters.hpp"

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>
#include <string_view>

namespace pktverbs {

namespace {

struct Field {
    const char* name;
    __u64 rtnl_link_stats64::*member;
};
constexpr Field kernel_fields[] = {{"rx_errors", &rtnl_link_stats64::rx_errors},
                                   {"rx_dropped", &rtnl_link_stats64::rx_dropped},
                                   {"rx_missed_errors", &rtnl_link_stats64::rx_missed_errors},
                                   {"rx_over_errors", &rtnl_link_stats64::rx_over_errors},
                                   {"rx_fifo_errors", &rtnl_link_stats64::rx_fifo_errors},
                                   {"rx_crc_errors", &rtnl_link_stats64::rx_crc_errors},
                                   {"rx_frame_errors", &rtnl_link_stats64::rx_frame_errors},
                                   {"rx_length_errors", &rtnl_link_stats64::rx_length_errors},
                                   {"rx_nohandler", &rtnl_link_stats64::rx_nohandler},
                                   {"tx_errors", &rtnl_link_stats64::tx_errors},
                                   {"tx_dropped", &rtnl_link_stats64::tx_dropped}};

/// Drivers name their statistics as they like.
bool tells_of_loss(std::string name) {
    std::ranges::transform(name, name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    constexpr std::string_view words[] = {"drop",    "discard", "miss",     "out_of_buffer", "no_buf",
                                          "no_desc", "overrun", "overflow", "fifo",          "err"};
    return std::ranges::any_of(words, [&](std::string_view word) { return name.find(word) != name.npos; });
}

}  // namespace

InterfaceCounters::InterfaceCounters(const std::string& interface) : ethtool_{interface} {
    if (interface.empty()) return;
    index_ = static_cast<int>(::if_nametoindex(interface.c_str()));
    netlink_ = FileDescriptor{::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)};
    for (Counters::OfInterface& counter : read_all())
        before_.emplace(std::pair{std::move(counter.source), std::move(counter.name)}, counter.value);
}

/// RTM_GETLINK of one interface (rtnetlink(7)): the answer is there when the question has been sent.
void InterfaceCounters::append_kernel(std::vector<Counters::OfInterface>& all) const {
    if (!netlink_ || index_ == 0) return;
    struct {
        nlmsghdr header;
        ifinfomsg link;
    } question{};
    question.header.nlmsg_len = sizeof question;
    question.header.nlmsg_type = RTM_GETLINK;
    question.header.nlmsg_flags = NLM_F_REQUEST;
    question.link.ifi_index = index_;
    if (::send(netlink_.get(), &question, sizeof question, 0) < 0) return;
    alignas(nlmsghdr) std::array<char, 32768> answer;
    const ssize_t got = ::recv(netlink_.get(), answer.data(), answer.size(), MSG_DONTWAIT);
    const auto* const header = reinterpret_cast<const nlmsghdr*>(answer.data());
    if (got < static_cast<ssize_t>(NLMSG_LENGTH(sizeof(ifinfomsg))) ||
        header->nlmsg_len > static_cast<std::size_t>(got) || header->nlmsg_type != RTM_NEWLINK)
        return;
    // By hand: the macros of rtnetlink(3) cast const away.
    constexpr auto align = [](std::size_t bytes) { return (bytes + RTA_ALIGNTO - 1) & ~std::size_t{RTA_ALIGNTO - 1}; };
    for (std::size_t at = NLMSG_LENGTH(sizeof(ifinfomsg)); at + sizeof(rtattr) <= header->nlmsg_len;) {
        rtattr attribute{};
        std::memcpy(&attribute, answer.data() + at, sizeof attribute);
        if (attribute.rta_len < sizeof attribute || at + attribute.rta_len > header->nlmsg_len) return;
        if (attribute.rta_type == IFLA_STATS64) {
            rtnl_link_stats64 stats{};  // older kernels have fewer
            std::memcpy(&stats, answer.data() + at + sizeof attribute,
                        std::min(sizeof stats, attribute.rta_len - sizeof attribute));
            for (const Field& field : kernel_fields) all.push_back({"kernel", field.name, stats.*field.member});
            return;
        }
        at += align(attribute.rta_len);
    }
}

std::vector<Counters::OfInterface> InterfaceCounters::read_all() const {
    std::vector<Counters::OfInterface> all;
    const std::lock_guard lock{mutex_};
    append_kernel(all);
    for (auto& [name, value] : ethtool_.statistics())
        if (tells_of_loss(name)) all.push_back({"driver", std::move(name), value});
    return all;
}

std::vector<Counters::OfInterface> InterfaceCounters::read() const {
    if (index_ == 0) return {};
    std::vector<Counters::OfInterface> all = read_all();
    for (Counters::OfInterface& counter : all) {
        const auto at = before_.find({counter.source, counter.name});
        // A driver that was loaded anew counts from 0.
        if (at != before_.end() && at->second <= counter.value) counter.value -= at->second;
    }
    std::erase_if(all, [](const Counters::OfInterface& counter) { return counter.value == 0; });
    return all;
}

}  // namespace pktverbs
