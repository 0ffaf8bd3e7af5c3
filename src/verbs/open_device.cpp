// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/verbs/open_device.hpp>

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include <pktverbs/verbs/handle.hpp>

#include "verbs/discovery.hpp"
#include "verbs/gid_list.hpp"
#include "verbs/non_blocking.hpp"
#include "verbs/rdma_core.hpp"

namespace pktverbs::verbs {

struct OpenDevice::State {
    ~State() {
        if (is_lent) static_cast<void>(context.release());
    }

    Device device;
    bool is_lent = false;
    // Not const, because verbs take it non-const.
    ContextHandle context;
    bool extended_polling_works = true;
};

namespace {

GidType type_of(const ibv_gid_entry& entry) {
    switch (entry.gid_type) {
        case IBV_GID_TYPE_ROCE_V1:
            return GidType::roce_v1;
        case IBV_GID_TYPE_ROCE_V2:
            return GidType::roce_v2;
        default:
            return GidType::infiniband;
    }
}

/// Reachable without a router: fe80::/64 and the multicast groups of the same scope (RFC 4291, 2.5.6 and 2.7).
bool is_link_local(const Ipv6Address& address) {
    const auto& bytes = address.bytes();
    if (address.is_multicast()) return (bytes[1] & 0xf) <= 2;
    return bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80;
}

}  // namespace

OpenDevice::OpenDevice(std::shared_ptr<const State> state) noexcept : state_{std::move(state)} {}

OpenDevice::OpenDevice(Device device) {
    // The result of find_hardware_device() if nothing was found.
    if (!device.handle || !device.provider)
        throw_error(ENODEV, device.name.empty() ? "open a device" : "open " + device.name,
                    "there is no verbs device behind it");
    auto state = std::make_shared<State>();
    state->device = std::move(device);
    state_ = state;
    const Provider& table = *state->device.provider;
    state->context = ContextHandle{
        check_pointer(action("open_device", "open"), [&] { return table.open_device(state->device.handle.get()); }),
        {&table}};
    set_non_blocking(state->context->async_fd, action("fcntl", "make the event descriptor non-blocking of"));
    state->extended_polling_works = verbs::extended_polling_works(attributes(), rdma_core_release());
}

OpenDevice OpenDevice::lent(ibv_context* context, std::uint8_t port, const Provider& provider) {
    auto state = std::make_shared<State>();
    state->device.name = context->device ? PortName{context->device->name, port}.to_string() : "a device";
    state->device.port = port;
    state->device.provider = &provider;
    state->is_lent = true;
    state->context = ContextHandle{context, {&provider}};
    const OpenDevice device{state};
    state->extended_polling_works = verbs::extended_polling_works(device.attributes(), rdma_core_release());
    return device;
}

const Device& OpenDevice::device() const noexcept { return state_->device; }

ibv_context* OpenDevice::raw() const noexcept { return state_->context.get(); }

bool OpenDevice::extended_polling_works() const noexcept { return state_->extended_polling_works; }

ibv_device_attr OpenDevice::attributes() const {
    ibv_device_attr attr{};
    check_result(action("query_device", "query"), [&] { return provider().query_device(raw(), &attr); });
    return attr;
}

ibv_device_attr_ex OpenDevice::extended_attributes() const {
    ibv_device_attr_ex attr{};
    if (provider().query_device_ex(raw(), nullptr, &attr) == 0) return attr;
    attr = {};
    attr.orig_attr = attributes();
    return attr;
}

ibv_port_attr OpenDevice::port(std::uint8_t number) const {
    ibv_port_attr attr{};
    check_result(action("query_port", "query the port of"),
                 [&] { return provider().query_port(raw(), number, &attr); });
    return attr;
}

std::vector<GidEntry> OpenDevice::gids(std::uint8_t port_number) const {
    std::vector<ibv_gid_entry> listed;
    if (const int error = list_gids(provider(), raw(), port_number, listed))
        throw_error(error, action("query_gid_table", "read the GIDs of"));
    if (listed.empty()) static_cast<void>(port(port_number));  // throws if there is no such port
    std::vector<GidEntry> entries;
    for (const ibv_gid_entry& entry : listed)
        entries.push_back({entry.gid_index, to_address(entry.gid), type_of(entry), entry.ndev_ifindex});
    return entries;
}

GidEntry OpenDevice::default_gid(std::uint8_t port_number) const {
    return gid_towards(to_mapped(Ipv4Address{}), port_number);
}

GidEntry OpenDevice::gid_towards(const Ipv6Address& peer, std::uint8_t port_number) const {
    const std::vector<GidEntry> entries = gids(port_number);
    if (entries.empty())
        throw_error(ENOENT, "choose a GID of " + device().name,
                    "its table is empty: give the interface behind it an address, and set it up");
    const auto rank = [&](const GidEntry& entry) {
        if (entry.type != GidType::roce_v2) return 0;
        const bool is_ipv4 = from_mapped(entry.gid).has_value();
        if (is_ipv4 == from_mapped(peer).has_value()) return is_link_local(entry.gid) == is_link_local(peer) ? 4 : 3;
        return is_ipv4 ? 2 : 1;
    };
    // Of equals, the first.
    return *std::ranges::max_element(entries, {}, rank);
}

std::optional<AsyncEvent> OpenDevice::next_event() {
    // The owner may have left it blocking.
    pollfd readable{async_fd(), POLLIN, 0};
    if (state_->is_lent && ::poll(&readable, 1, 0) <= 0) return std::nullopt;
    ibv_async_event event{};
    errno = 0;
    if (provider().get_async_event(raw(), &event) == 0) {
        const AsyncEvent copy = AsyncEvent::from(event);
        provider().ack_async_event(&event);
        return copy;
    }
    if (errno == EAGAIN || errno == EINTR) return std::nullopt;
    throw_error(errno != 0 ? errno : EIO, action("get_async_event", "read the events of"));
}

}  // namespace pktverbs::verbs
