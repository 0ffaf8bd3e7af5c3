// SPDX-License-Identifier: Apache-2.0
#include "soft/link/link_string.hpp"

#include <algorithm>

#include <fmt/core.h>

#include <pktverbs/verbs/gid.hpp>

#include "base/parse_decimal.hpp"
#include "base/take_part.hpp"
#include "verbs/device_string.hpp"

namespace pktverbs::soft {

std::string LinkString::forms(std::string_view before) {
    std::string forms;
    for (const LinkKind* kind : link_kinds()) forms += fmt::format("{}{}, ", before, kind->form());
    return forms + "each with " + common_keys();
}

std::string LinkString::common_keys() {
    std::string keys;
    for (const FaultKey& key : fault_keys) keys += fmt::format("{}{}={}", keys.empty() ? "" : "&", key.name, key.value);
    return keys;
}

LinkString LinkString::parse(std::string_view text, std::string_view forms) {
    LinkString string{text, forms};
    string.read();
    return string;
}

void LinkString::refuse(std::string_view reason) const { verbs::refuse_device_string(text_, reason, forms_); }

void LinkString::read() {
    std::string_view rest = text_;
    if (rest.find(':') == std::string_view::npos) refuse("no \":\" is in it");
    const auto prefix = take_part(rest, ':');
    kind_ = find_link_kind(prefix);
    if (!kind_) refuse(fmt::format("prefix \"{}:\" isn't known", prefix));
    const bool has_options = rest.find('?') != std::string_view::npos;
    name_ = take_part(rest, '?');
    if (name_.empty()) refuse("there is no name behind the colon");
    if (!has_options) return;
    if (rest.empty() || rest.ends_with('&')) refuse("no option follows at its end");
    while (!rest.empty()) read_option(take_part(rest, '&'));
}

void LinkString::read_option(std::string_view option) {
    auto value = option;
    const auto key = take_part(value, '=');
    const FaultKey* const fault = find_fault_key(key);
    const auto known = std::ranges::find(kind_->keys, key, &LinkKind::Key::name);
    if (!fault && known == kind_->keys.end()) refuse(fmt::format("\"{}\" is no option of {}:", key, kind_->prefix));
    if (key.size() == option.size()) refuse(fmt::format("\"{}\" has no value", key));
    const bool repeats = !fault && known->repeats;
    if (!repeats && find(key)) refuse(fmt::format("{} is given twice", key));
    has_faults_ |= fault != nullptr;
    if (fault)
        if (const auto reason = set_fault(faults_, *fault, value); !reason.empty()) refuse(reason);
    options_.emplace_back(key, value);
}

const std::string* LinkString::find(std::string_view key) const noexcept {
    const auto found = std::ranges::find(options_, key, &std::pair<std::string, std::string>::first);
    return found == options_.end() ? nullptr : &found->second;
}

std::string_view LinkString::value(std::string_view key, std::string_view otherwise) const noexcept {
    const std::string* const value = find(key);
    return value ? *value : otherwise;
}

std::uint64_t LinkString::number(std::string_view key, std::string_view what, std::uint64_t min, std::uint64_t max,
                                 std::uint64_t otherwise) const {
    const std::string* const value = find(key);
    if (!value) return otherwise;
    const auto number = parse_decimal<std::uint64_t>(*value);
    if (!number || *number < min || *number > max)
        refuse(fmt::format("{} \"{}\" is not a number from {} to {}", what, *value, min, max));
    return *number;
}

std::optional<bool> LinkString::flag(std::string_view key) const {
    const std::string* const value = find(key);
    if (!value) return std::nullopt;
    if (*value != "0" && *value != "1") refuse(fmt::format("{} is 1 or 0, not \"{}\"", key, *value));
    return *value == "1";
}

MacAddress LinkString::mac() const {
    const std::string* const value = find(mac_key.name);
    if (!value) return default_mac;
    const auto mac = MacAddress::parse(*value);
    if (!mac) refuse(fmt::format("\"{}\" is no MAC address", *value));
    if (mac->is_multicast() || mac->is_zero())
        refuse(fmt::format("a NIC can't have {} as its MAC address", mac->to_string()));
    return *mac;
}

std::uint32_t LinkString::mtu(std::uint32_t otherwise) const {
    // Every IPv4 link carries 68 bytes (RFC 791, 3.2), and no IPv4 packet is longer than 65535.
    return static_cast<std::uint32_t>(number(mtu_key.name, "the MTU", 68, 65535, otherwise));
}

std::vector<Ipv6Address> LinkString::addresses() const {
    std::vector<Ipv6Address> addresses;
    for (const auto& [key, value] : options_) {
        if (key != ip_key.name) continue;
        const auto v4 = Ipv4Address::parse(value);
        const auto v6 = v4 ? verbs::to_mapped(*v4) : Ipv6Address::parse(value);
        if (!v6) refuse(fmt::format("\"{}\" is no IP address", value));
        addresses.push_back(*v6);
    }
    return addresses;
}

}  // namespace pktverbs::soft
