// SPDX-License-Identifier: Apache-2.0
// LinkString: the text that names a soft device, read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <pktverbs/address/ipv6_address.hpp>
#include <pktverbs/address/mac_address.hpp>

#include "soft/link/frame_faults.hpp"
#include "soft/link/link_kind.hpp"

namespace pktverbs::soft {

/// KIND:NAME?KEY=VALUE&KEY=VALUE, for a kind of the table and keys that it has, or every kind has.
class LinkString {
public:
    /// Throws std::system_error (EINVAL) with the text, the reason, and `forms`, which the caller reads.
    static LinkString parse(std::string_view text, std::string_view forms);
    /// The forms of all kinds, with `before` before each, and what every kind takes.
    static std::string forms(std::string_view before = {});
    /// "loss=P&duplicate=P...": the keys of every kind.
    static std::string common_keys();

    const std::string& text() const noexcept { return text_; }
    const LinkKind& kind() const noexcept { return *kind_; }
    /// Of the interface, wire or whatever it is.
    const std::string& name() const noexcept { return name_; }
    const LinkFaults& faults() const noexcept { return faults_; }
    /// Whether it has any of their keys.
    bool has_faults() const noexcept { return has_faults_; }

    [[noreturn]] void refuse(std::string_view reason) const;

    /// Of the key; `otherwise` if it isn't there.
    std::string_view value(std::string_view key, std::string_view otherwise) const noexcept;
    /// `what` is what it is called in messages: "the MTU".
    std::uint64_t number(std::string_view key, std::string_view what, std::uint64_t min, std::uint64_t max,
                         std::uint64_t otherwise) const;
    /// 1 or 0; nullopt if it isn't there.
    std::optional<bool> flag(std::string_view key) const;

    // What kinds without an interface have for the port itself. A kind that reads them has their keys in its row.
    static constexpr LinkKind::Key mac_key{"mac", "MAC"}, mtu_key{"mtu", "BYTES"}, ip_key{"ip", "ADDRESS", true};
    /// default_mac if it isn't there.
    MacAddress mac() const;
    std::uint32_t mtu(std::uint32_t otherwise) const;
    std::vector<Ipv6Address> addresses() const;

    /// For a port whose address is its own choice, and wasn't asked for.
    MacAddress default_mac;

private:
    LinkString(std::string_view text, std::string_view forms) : text_{text}, forms_{forms} {}
    void read();
    void read_option(std::string_view option);
    /// Null if it isn't there; of one that repeats, the first.
    const std::string* find(std::string_view key) const noexcept;

    std::string text_;
    std::string forms_;
    const LinkKind* kind_ = nullptr;
    std::string name_;
    std::vector<std::pair<std::string, std::string>> options_;
    LinkFaults faults_;
    bool has_faults_ = false;
};

}  // namespace pktverbs::soft
