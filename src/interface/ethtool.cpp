// SPDX-License-Identifier: Apache-2.0
#include "interface/ethtool.hpp"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <utility>

namespace pktverbs {

namespace {

std::string text_of(const char* text, std::size_t most) { return {text, ::strnlen(text, most)}; }

/// A command with an array behind it.
template <class Command, class Item, std::size_t items>
struct WithRoom {
    Command* operator->() noexcept { return reinterpret_cast<Command*>(memory.data()); }
    const Item* behind() const noexcept { return reinterpret_cast<const Item*>(memory.data() + sizeof(Command)); }
    alignas(Command) std::array<std::byte, sizeof(Command) + items * sizeof(Item)> memory{};
};

}  // namespace

bool Ethtool::ask(void* command) const noexcept {
    ifreq answer;
    return interface_ && interface_->ask(SIOCETHTOOL, answer, command) == 0;
}

/// Whether any of `bits` is set in the number that a command returns.
std::optional<bool> Ethtool::flag(std::uint32_t command, std::uint32_t bits) const noexcept {
    ethtool_value answer{command, 0};
    if (!ask(&answer)) return std::nullopt;
    return (answer.data & bits) != 0;
}

std::string Ethtool::driver() const {
    ethtool_drvinfo info{};
    info.cmd = ETHTOOL_GDRVINFO;
    return ask(&info) ? text_of(info.driver, sizeof info.driver) : std::string{};
}

std::optional<bool> Ethtool::generic_receive_offload() const { return flag(ETHTOOL_GGRO, ~0U); }
std::optional<bool> Ethtool::generic_segmentation_offload() const { return flag(ETHTOOL_GGSO, ~0U); }
std::optional<bool> Ethtool::tcp_segmentation_offload() const { return flag(ETHTOOL_GTSO, ~0U); }

// Features are known by their names alone: where a name stands in the list is its bit, and the list is the kernel's.
std::optional<bool> Ethtool::udp_segmentation() const noexcept {
    constexpr std::uint32_t max_features = 256, bits = 32;
    WithRoom<ethtool_sset_info, std::uint32_t, 1> sizes;
    sizes->cmd = ETHTOOL_GSSET_INFO;
    sizes->sset_mask = std::uint64_t{1} << ETH_SS_FEATURES;
    if (!ask(sizes.memory.data())) return std::nullopt;
    const std::uint32_t count = sizes.behind()[0];
    if (count > max_features) return std::nullopt;
    WithRoom<ethtool_gstrings, std::array<char, ETH_GSTRING_LEN>, max_features> names;
    names->cmd = ETHTOOL_GSTRINGS;
    names->string_set = ETH_SS_FEATURES;
    names->len = count;
    WithRoom<ethtool_gfeatures, ethtool_get_features_block, max_features / bits> features;
    features->cmd = ETHTOOL_GFEATURES;
    features->size = (count + bits - 1) / bits;
    if (!ask(names.memory.data()) || !ask(features.memory.data())) return std::nullopt;
    for (std::uint32_t i = 0; i < count; ++i)
        if (std::strncmp(names.behind()[i].data(), "tx-udp-segmentation", ETH_GSTRING_LEN) == 0)
            return (features.behind()[i / bits].active >> i % bits & 1) != 0;
    return false;
}

std::optional<bool> Ethtool::large_receive_offload() const { return flag(ETHTOOL_GFLAGS, ETH_FLAG_LRO); }

std::optional<Ethtool::Ring> Ethtool::receive_ring() const {
    ethtool_ringparam ring{};
    ring.cmd = ETHTOOL_GRINGPARAM;
    if (!ask(&ring) || ring.rx_max_pending == 0) return std::nullopt;
    return Ring{ring.rx_pending, ring.rx_max_pending};
}

// The kernel reports the length of the link modes that follow the settings at the first call, as a negative number
// (struct ethtool_link_settings in linux/ethtool.h).
std::optional<std::uint32_t> Ethtool::speed() const {
    constexpr std::size_t max_words = 127;
    alignas(ethtool_link_settings)
        std::array<std::byte, sizeof(ethtool_link_settings) + 3 * max_words * sizeof(std::uint32_t)>
            answer{};
    auto& settings = *reinterpret_cast<ethtool_link_settings*>(answer.data());
    settings.cmd = ETHTOOL_GLINKSETTINGS;
    if (!ask(&settings) || settings.link_mode_masks_nwords >= 0) return std::nullopt;
    const auto words = static_cast<std::int8_t>(-settings.link_mode_masks_nwords);
    answer = {};
    settings.cmd = ETHTOOL_GLINKSETTINGS;
    settings.link_mode_masks_nwords = words;
    if (!ask(&settings) || settings.link_mode_masks_nwords != words) return std::nullopt;
    const std::uint32_t mbps = settings.speed;
    return mbps == 0 || mbps == static_cast<std::uint32_t>(SPEED_UNKNOWN) ? std::nullopt : std::optional{mbps};
}

std::vector<std::pair<std::string, std::uint64_t>> Ethtool::statistics() const {
    ethtool_drvinfo info{};
    info.cmd = ETHTOOL_GDRVINFO;
    constexpr std::uint32_t sane = 1U << 16;
    if (!ask(&info) || info.n_stats == 0 || info.n_stats > sane) return {};
    // Each is a header followed by an array. The kernel writes as many entries as there are now, whatever the header
    // says (ethtool_get_strings and ethtool_get_stats in net/ethtool/ioctl.c): so there is room for more.
    const std::size_t room = info.n_stats + std::size_t{info.n_stats} / 4 + 64;
    const auto aligned = [](std::size_t bytes) {
        return std::vector<std::uint64_t>(bytes / sizeof(std::uint64_t) + 1);
    };
    auto names = aligned(sizeof(ethtool_gstrings) + room * ETH_GSTRING_LEN);
    auto values = aligned(sizeof(ethtool_stats) + room * sizeof(std::uint64_t));
    auto* const strings = reinterpret_cast<ethtool_gstrings*>(names.data());
    strings->cmd = ETHTOOL_GSTRINGS;
    strings->string_set = ETH_SS_STATS;
    strings->len = info.n_stats;
    auto* const stats = reinterpret_cast<ethtool_stats*>(values.data());
    stats->cmd = ETHTOOL_GSTATS;
    stats->n_stats = info.n_stats;
    if (!ask(strings) || !ask(stats) || strings->len != stats->n_stats || stats->n_stats > room) return {};
    std::vector<std::pair<std::string, std::uint64_t>> all;
    const auto* const text = reinterpret_cast<const char*>(strings + 1);
    const auto* const numbers = reinterpret_cast<const std::uint64_t*>(stats + 1);
    for (std::uint32_t i = 0; i < stats->n_stats; ++i)
        all.emplace_back(text_of(text + std::size_t{i} * ETH_GSTRING_LEN, ETH_GSTRING_LEN), numbers[i]);
    return all;
}

}  // namespace pktverbs
