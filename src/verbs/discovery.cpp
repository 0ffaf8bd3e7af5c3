// SPDX-License-Identifier: Apache-2.0
// Discovery: from a netdev's name to its verbs device and port, by sysfs or by its MAC address.
#include "verbs/discovery.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <fstream>

#include <fmt/core.h>

#include <pktverbs/address/ipv6_address.hpp>
#include <pktverbs/verbs/error.hpp>
#include <pktverbs/verbs/handle.hpp>

#include "base/join.hpp"
#include "interface/interface_name.hpp"
#include "interface/interface_sysfs.hpp"
#include "verbs/gid_list.hpp"

namespace pktverbs::verbs {
namespace {

namespace fs = std::filesystem;

/// The first line of a sysfs file; empty if it can't be read.
std::string read_line(const fs::path& path) {
    std::string line;
    std::ifstream file{path};
    std::getline(file, line);
    return line;
}

template <class Number>
std::optional<Number> parse_number(std::string_view text) {
    const bool hex = text.starts_with("0x");
    if (hex) text.remove_prefix(2);
    Number number{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, hex ? 16 : 10);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return number;
}

/// The names in a directory, sorted, because the kernel's order is not fixed; none if it can't be read.
std::vector<std::string> names_in(const fs::path& directory) {
    std::vector<std::string> names;
    std::error_code error;
    for (fs::directory_iterator it{directory, error}, end; !error && it != end; it.increment(error))
        names.push_back(it->path().filename().string());
    std::sort(names.begin(), names.end());
    return names;
}

bool is_there(const fs::path& path) {
    std::error_code error;
    return fs::exists(path, error);
}

fs::path port_path(const fs::path& sysfs, const PortName& port) {
    return sysfs / "class/infiniband" / port.device / "ports" / std::to_string(port.port);
}

DeviceDrops read_drops(const Device& device, ibv_context*) {
    return Discovery::drops("/sys", {device.handle->name, device.port});
}

/// Whether any of the port's GIDs equals `wanted`.
bool has_gid(const Provider& provider, ibv_context* context, std::uint8_t port, const Ipv6Address::Bytes& wanted) {
    ibv_port_attr attr{};
    // An InfiniBand port's GIDs are made from its GUID, which may look like another port's MAC address.
    if (provider.query_port(context, port, &attr) != 0 || attr.link_layer != IBV_LINK_LAYER_ETHERNET) return false;
    std::vector<ibv_gid_entry> entries;
    if (list_gids(provider, context, port, entries) != 0) return false;
    return std::ranges::any_of(entries,
                               [&](const ibv_gid_entry& entry) { return std::ranges::equal(entry.gid.raw, wanted); });
}

}  // namespace

std::optional<PortName> PortName::parse(std::string_view text) {
    const auto slash = text.find('/');
    PortName name{std::string{text.substr(0, slash)}};
    if (name.device.empty() || name.device == "." || name.device == "..") return std::nullopt;
    if (slash == std::string_view::npos) return name;
    const auto digits = text.substr(slash + 1);
    const auto port = parse_number<std::uint8_t>(digits);
    if (!port || digits.front() == '0') return std::nullopt;
    name.port = *port;
    return name;
}

Discovery Discovery::system() {
    // Null on a machine without RDMA: ENOSYS, which is an answer and not an error.
    DeviceList devices{ibv_get_device_list(nullptr), [](ibv_device** list) {
                           if (list) ibv_free_device_list(list);
                       }};
    return {"/sys", hardware_provider(), std::move(devices)};
}

template <class Visit>
void Discovery::for_each_device(Visit&& visit) const {
    if (!devices_) return;
    for (ibv_device** device = devices_.get(); *device; ++device) visit(*device);
}

ibv_device* Discovery::find_by_name(std::string_view name) const {
    ibv_device* found = nullptr;
    for_each_device([&](ibv_device* device) {
        if (device->name == name) found = device;
    });
    return found;
}

std::vector<std::uint8_t> Discovery::ports_of(ibv_device* device) const {
    std::vector<std::uint8_t> ports;
    for (const auto& name : names_in(sysfs_ / "class/infiniband" / device->name / "ports"))
        if (const auto port = parse_number<std::uint8_t>(name)) ports.push_back(*port);
    std::sort(ports.begin(), ports.end());
    if (!ports.empty()) return ports;

    const ContextHandle context{provider_->open_device(device), {provider_}};
    ibv_device_attr attr{};
    if (!context || provider_->query_device(context.get(), &attr) != 0) return ports;
    for (unsigned port = 1; port <= attr.phys_port_cnt; ++port) ports.push_back(static_cast<std::uint8_t>(port));
    return ports;
}

// dev_port counts the ports of one PCI function from 0 (Documentation/ABI/testing/sysfs-class-net, since Linux
// 3.15). Drivers before that used dev_id for it and left dev_port at 0.
std::optional<std::uint8_t> Discovery::port_behind(const fs::path& netdev, std::string_view device) const {
    const auto number = [&](const char* file) { return parse_number<unsigned>(read_line(netdev / file)).value_or(0); };
    const auto is_port = [&](unsigned port) {
        return port <= UINT8_MAX && is_there(port_path(sysfs_, {std::string{device}, static_cast<std::uint8_t>(port)}));
    };
    unsigned port = number("dev_port") + 1;
    if (port == 1 && is_port(number("dev_id") + 1)) port = number("dev_id") + 1;
    if (!is_port(port)) return std::nullopt;
    return static_cast<std::uint8_t>(port);
}

std::optional<PortName> Discovery::find_by_sysfs(const Interface& interface) const {
    const fs::path folder = interface_folder(interface, sysfs_);
    if (folder.empty()) return std::nullopt;
    for (const auto& device : names_in(folder / "device/infiniband")) {
        const auto port = port_behind(folder, device);
        if (port && find_by_name(device)) return PortName{device, *port};
    }
    return std::nullopt;
}

std::optional<PortName> Discovery::find_by_gid(const MacAddress& mac) const {
    std::optional<PortName> found;
    const auto wanted = Ipv6Address::link_local(mac).bytes();
    for_each_device([&](ibv_device* device) {
        if (found) return;
        const ContextHandle context{provider_->open_device(device), {provider_}};
        if (!context) return;
        for (const auto port : ports_of(device)) {
            if (!has_gid(*provider_, context.get(), port, wanted)) continue;
            found = PortName{device->name, port};
            return;
        }
    });
    return found;
}

std::shared_ptr<const Interface> Discovery::interface_of(const PortName& port) const {
    // The name of the netdev of the port's first GID (Documentation/ABI/stable/sysfs-class-infiniband). It
    // distinguishes a port from the representors of its virtual functions, which share its PCI function. The netdev may
    // be in another network namespace, where the name means nothing; but then that GID has another MAC address.
    if (const auto name = read_line(port_path(sysfs_, port) / "gid_attrs/ndevs/0"); is_interface_name(name)) {
        const auto gid = Ipv6Address::parse(read_line(port_path(sysfs_, port) / "gids/0"));
        const auto mac = gid ? gid->link_local_mac() : std::nullopt;
        auto interface = find_interface(name);
        return interface && (!mac || *mac == interface->found().mac) ? interface : nullptr;
    }
    for (const auto& name : names_in(sysfs_ / "class/infiniband" / port.device / "device/net")) {
        if (port_behind(sysfs_ / "class/net" / name, port.device) != port.port) continue;
        auto interface = find_interface(name);
        if (interface && !interface_folder(*interface, sysfs_).empty()) return interface;
    }
    return nullptr;
}

Device Discovery::make(const PortName& port, std::shared_ptr<const Interface> interface) const {
    Device device;
    device.name = port.to_string();
    device.port = port.port;
    device.handle = std::shared_ptr<ibv_device>{devices_, find_by_name(port.device)};
    device.provider = provider_;
    if (interface) {
        device.interface = interface->label();
        device.mtu = interface->found().mtu;
        device.alternative = fmt::format("packet:{}", interface->label());
        device.netdev = std::move(interface);
    }
    if (is_there(port_path(sysfs_, port) / "hw_counters/out_of_buffer")) device.read_drops = read_drops;
    return device;
}

std::vector<Device> Discovery::list() const {
    std::vector<Device> found;
    for_each_device([&](ibv_device* device) {
        for (const auto port : ports_of(device)) {
            const PortName name{device->name, port};
            found.push_back(make(name, interface_of(name)));
        }
    });
    return found;
}

std::shared_ptr<const Interface> Discovery::find_interface(std::string_view name) const {
    return is_interface_name(name) ? find_interface_(name) : nullptr;  // nothing else may become part of a path
}

Device Discovery::find(const std::shared_ptr<const Interface>& interface) const {
    if (!interface) return {};
    if (const auto port = find_by_sysfs(*interface)) return make(*port, interface);
    const MacAddress& mac = interface->found().mac;
    const auto port = mac.is_zero() ? std::nullopt : find_by_gid(mac);
    if (!port) return {};
    Device device = make(*port, interface);
    // A VLAN interface or a bridge has the MAC address of the NIC below it, but its processing of frames would be
    // bypassed.
    if (device_folder(*interface, sysfs_).empty())
        device.note = fmt::format(
            "{} has no device of its own: using the port of {}, which has its MAC address; frames "
            "are sent and received as they are on that port, VLAN tags and all",
            interface->label(), device.name);
    return device;
}

Device Discovery::device(std::string_view name) const {
    const auto what = fmt::format("find verbs device {}", name);
    const auto port = PortName::parse(name);
    if (!port) throw_error(EINVAL, what, "it is NAME or NAME/PORT, with PORT 1 to 255");
    ibv_device* found = find_by_name(port->device);
    if (!found) {
        std::vector<std::string> names;
        for_each_device([&](ibv_device* device) { names.emplace_back(device->name); });
        throw_error(ENODEV, what,
                    names.empty() ? std::string{"libibverbs knows of none on this machine: is the NIC's RDMA driver "
                                                "loaded?"}
                                  : fmt::format("libibverbs knows of {}", join(names, ", ")));
    }
    const auto ports = ports_of(found);
    if (!ports.empty() && std::find(ports.begin(), ports.end(), port->port) == ports.end())
        throw_error(EINVAL, what,
                    fmt::format("it has {}", ports.size() == 1 ? std::string{"only port 1"}
                                                               : fmt::format("ports {}", join(ports, ", "))));
    return make(*port, interface_of(*port));
}

bool Discovery::is_ethernet(const Device& device) const {
    return read_line(port_path(sysfs_, {device.handle->name, device.port}) / "link_layer") == "Ethernet";
}

DeviceDrops Discovery::drops(const fs::path& sysfs, const PortName& port) {
    DeviceDrops drops;
    const auto text = read_line(port_path(sysfs, port) / "hw_counters/out_of_buffer");
    drops.out_of_buffer = parse_number<std::uint64_t>(text).value_or(0);
    return drops;
}

std::vector<Device> list_hardware_devices() { return Discovery::system().list(); }

Device find_hardware_device(std::string_view interface) {
    const auto discovery = Discovery::system();
    return discovery.find(discovery.find_interface(interface));
}

Device hardware_device(std::string_view name) { return Discovery::system().device(name); }

}  // namespace pktverbs::verbs
