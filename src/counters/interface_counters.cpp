// SPDX-License-Identifier: Apache-2.0
#include "counters/interface_counters.hpp"

#include <linux/if_link.h>

#include <algorithm>
#include <cctype>
#include <string_view>
#include <utility>

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

/// Drivers choose the names of their statistics.
bool tells_of_loss(std::string name) {
    std::ranges::transform(name, name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    constexpr std::string_view words[] = {"drop",    "discard", "miss",     "out_of_buffer", "no_buf",
                                          "no_desc", "overrun", "overflow", "fifo",          "err"};
    return std::ranges::any_of(words, [&](std::string_view word) { return name.find(word) != name.npos; });
}

}  // namespace

InterfaceCounters::InterfaceCounters(std::shared_ptr<const Interface> interface)
    : interface_{std::move(interface)}, ethtool_{interface_} {
    for (Counters::OfInterface& counter : read_all())
        before_.emplace(std::pair{std::move(counter.source), std::move(counter.name)}, counter.value);
}

std::vector<Counters::OfInterface> InterfaceCounters::read_all() const {
    std::vector<Counters::OfInterface> all;
    if (!interface_) return all;
    if (const auto stats = interface_->statistics())
        for (const Field& field : kernel_fields) all.push_back({"kernel", field.name, (*stats).*field.member});
    for (auto& [name, value] : ethtool_.statistics())
        if (tells_of_loss(name)) all.push_back({"driver", std::move(name), value});
    return all;
}

std::vector<Counters::OfInterface> InterfaceCounters::read() const {
    std::vector<Counters::OfInterface> all = read_all();
    for (Counters::OfInterface& counter : all) {
        const auto at = before_.find({counter.source, counter.name});
        // A reloaded driver counts from 0.
        if (at != before_.end() && at->second <= counter.value) counter.value -= at->second;
    }
    std::erase_if(all, [](const Counters::OfInterface& counter) { return counter.value == 0; });
    return all;
}

}  // namespace pktverbs
