// SPDX-License-Identifier: Apache-2.0
// The table of links.
#include "soft/link/link_kind.hpp"

#include <algorithm>

#include <fmt/core.h>

namespace pktverbs::soft {

extern const LinkKind host_kind;
extern const LinkKind memif_kind;
extern const LinkKind packet_kind;
extern const LinkKind pcap_kind;
extern const LinkKind pipe_kind;
extern const LinkKind tap_kind;
extern const LinkKind wire_kind;
extern const LinkKind xdp_kind;

namespace {

constexpr const LinkKind* table[] = {
    &packet_kind, &xdp_kind, &wire_kind, &pipe_kind, &memif_kind, &tap_kind, &host_kind, &pcap_kind,
};

}  // namespace

std::span<const LinkKind* const> link_kinds() noexcept { return table; }

const LinkKind* find_link_kind(std::string_view prefix) noexcept {
    const auto found = std::ranges::find(table, prefix, [](const LinkKind* kind) { return kind->prefix; });
    return found == std::end(table) ? nullptr : *found;
}

std::string LinkKind::form() const {
    std::string form = fmt::format("{}:{}", prefix, name);
    for (const Key& key : keys)
        form +=
            fmt::format("{}{}={}{}", &key == keys.data() ? "[?" : "&", key.name, key.value, key.repeats ? "..." : "");
    return keys.empty() ? form : form + "]";
}

}  // namespace pktverbs::soft
