// SPDX-License-Identifier: Apache-2.0
// The kind xdp: its row, and what its device strings mean.
#include <fmt/core.h>

#include <chrono>
#include <cstdint>
#include <string_view>
#include <utility>

#include "base/quantity.hpp"
#include "interface/interface_name.hpp"
#include "soft/link/link_kind.hpp"
#include "soft/link/link_string.hpp"
#include "soft/link/xdp/settings.hpp"
#include "verbs/device_string.hpp"

namespace pktverbs::soft {
namespace xdp {
namespace {

constexpr LinkKind::Key link_keys[] = {
    {"queue", "N"},   {"queues", "N"},       {"size", "BYTES"},       {"ring", "LOG2"},
    {"mode", "copy"}, {"busy_poll", "TIME"}, {"checksums", "verify"},
};

Mode read_mode(const LinkString& string) {
    const auto value = string.value("mode", "auto");
    if (value == "auto") return Mode::automatic;
    if (value == "copy") return Mode::copy;
    if (value == "zerocopy") return Mode::zero_copy;
    string.refuse(fmt::format("mode is \"auto\", \"copy\" or \"zerocopy\", not \"{}\"", value));
}

std::chrono::microseconds read_busy_poll(const LinkString& string) {
    const auto value = string.value("busy_poll", {});
    if (value.empty()) return {};
    const auto quantity = Quantity::parse(value);
    std::uint64_t unit = 0;
    if (quantity && quantity->unit == "us") unit = 1;
    if (quantity && quantity->unit == "ms") unit = 1000;
    const std::uint64_t us = unit == 0 ? 0 : quantity->times(unit).value_or(0);
    if (us == 0 || us > 1'000'000)
        string.refuse(fmt::format("\"{}\" is no time from 1us to 1000ms for polling the interface", value));
    return std::chrono::microseconds{us};
}

bool read_checksums(const LinkString& string) {
    const auto value = string.value("checksums", "none");
    if (value != "none" && value != "verify")
        string.refuse(fmt::format("checksums is \"none\" or \"verify\", not \"{}\"", value));
    return value == "verify";
}

Settings read_settings(const LinkString& string) {
    Settings settings;
    const auto number = [&](std::string_view key, std::string_view what, std::uint64_t min, std::uint64_t max,
                            std::uint32_t otherwise) {
        return static_cast<std::uint32_t>(string.number(key, what, min, max, otherwise));
    };
    settings.first_queue = number("queue", "the first queue", 0, 4095, settings.first_queue);
    settings.queues = number("queues", "the number of queues", 1, 64, settings.queues);
    settings.buffer_bytes = number("size", "the buffers' size", 2048, 4096, settings.buffer_bytes);
    if (settings.buffer_bytes != 2048 && settings.buffer_bytes != 4096)
        string.refuse(fmt::format("a buffer has 2048 or 4096 bytes, not {}", settings.buffer_bytes));
    settings.log2_buffers = number("ring", "the ring's power of two", 6, 16, settings.log2_buffers);
    settings.mode = read_mode(string);
    settings.busy_poll = read_busy_poll(string);
    settings.verifies_checksums = read_checksums(string);
    return settings;
}

LinkPort find_link(const LinkString& string) {
    if (!is_interface_name(string.name())) string.refuse("no interface can have that name");
    const Settings settings = read_settings(string);
    auto interface = Interface::find(string.name());
    if (!interface) verbs::no_device_for(string.text(), fmt::format("no such interface: {}", string.name()));
    LinkPort port;
    port.open = [interface, settings] { return open_link(interface, settings); };
    port.mac = [interface] { return interface->state().value_or(interface->found()).mac; };
    port.addresses = [interface] { return interface->addresses(); };
    port.mtu = interface->found().mtu;
    port.interface = std::move(interface);
    return port;
}

}  // namespace
}  // namespace xdp

extern const LinkKind xdp_kind;
const LinkKind xdp_kind{
    .prefix = "xdp",
    .name = "INTERFACE",
    .keys = xdp::link_keys,
    .purpose = "AF_XDP sockets on a network interface: what a flow matches is taken from the kernel",
    .find = xdp::find_link};

}  // namespace pktverbs::soft
