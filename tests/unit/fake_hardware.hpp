// SPDX-License-Identifier: Apache-2.0
// FakeHardware: a fake sysfs tree and fake verbs devices.
#pragma once

#include <infiniband/verbs.h>
#include <stdlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <pktverbs/address/ipv6_address.hpp>

#include "interface/interface.hpp"
#include "verbs/discovery.hpp"

namespace pktverbs::testing {

/// One at a time: the provider's functions use a global pointer to it.
class FakeHardware {
public:
    struct Port {
        std::uint8_t link_layer = IBV_LINK_LAYER_ETHERNET;
        std::vector<Ipv6Address> gids;
    };

    FakeHardware() {
        std::string name = std::filesystem::temp_directory_path() / "pktverbs-sysfs-XXXXXX";
        if (!::mkdtemp(name.data())) throw std::system_error{errno, std::generic_category(), "mkdtemp"};
        sysfs_ = name;
        current = this;
    }
    FakeHardware(const FakeHardware&) = delete;
    FakeHardware& operator=(const FakeHardware&) = delete;
    ~FakeHardware() {
        current = nullptr;
        std::error_code ignored;
        std::filesystem::remove_all(sysfs_, ignored);
    }

    void write(const std::string& path, const std::string& line) {
        std::filesystem::create_directories((sysfs_ / path).parent_path());
        std::ofstream{sysfs_ / path} << line << '\n';
    }

    /// A verbs device as libibverbs lists it.
    void add_device(const std::string& name, std::vector<Port> ports) {
        auto& device = *devices_.emplace_back(std::make_unique<ibv_device>());
        std::strncpy(device.name, name.c_str(), sizeof device.name - 1);
        ports_[&device] = std::move(ports);
    }
    /// The same, with its ports in sysfs.
    void add_device_in_sysfs(const std::string& name, std::vector<Port> ports) {
        for (std::size_t port = 1; port <= ports.size(); ++port) {
            const bool ethernet = ports[port - 1].link_layer == IBV_LINK_LAYER_ETHERNET;
            write("class/infiniband/" + name + "/ports/" + std::to_string(port) + "/link_layer",
                  ethernet ? "Ethernet" : "InfiniBand");
        }
        add_device(name, std::move(ports));
    }
    void add_interface(const std::string& name, const std::string& mac) {
        number(name);
        write("class/net/" + name + "/address", mac);
        write("class/net/" + name + "/mtu", "9000");
    }
    /// Adds another name, which sysfs doesn't show.
    void add_name(const std::string& interface, const std::string& other) { first_names_[other] = interface; }
    /// What the kernel reports about a fake interface; if there is none, about the machine's own.
    static std::shared_ptr<const Interface> find_interface(std::string_view text) {
        const auto other = current->first_names_.find(text);
        const std::string name{other == current->first_names_.end() ? text : other->second};
        const std::filesystem::path folder = current->sysfs_ / "class/net" / name;
        if (!std::filesystem::exists(folder / "ifindex")) return Interface::find(name);
        LinkState state;
        std::ifstream{folder / "ifindex"} >> state.index;
        std::ifstream{folder / "mtu"} >> state.mtu;
        std::string mac;
        std::ifstream{folder / "address"} >> mac;
        state.mac = MacAddress::parse(mac).value_or(MacAddress{});
        name.copy(state.name_text.data(), state.name_text.size() - 1);
        return std::make_shared<const Interface>(nullptr, state);
    }
    /// A netdev and a verbs device of one PCI function.
    void tie(const std::string& interface, const std::string& device, int dev_port) {
        number(interface);
        write("class/net/" + interface + "/device/infiniband/" + device + "/node_type", "1: CA");
        write("class/net/" + interface + "/dev_port", std::to_string(dev_port));
        write("class/net/" + interface + "/dev_id", "0x0");
        write("class/infiniband/" + device + "/device/net/" + interface + "/mtu", "9000");
    }

    verbs::Discovery discovery() {
        auto list = std::make_shared<std::vector<ibv_device*>>();
        for (const auto& device : devices_) list->push_back(device.get());
        list->push_back(nullptr);
        list_ = list;
        return {sysfs_, provider, verbs::Discovery::DeviceList{list, list->data()}, find_interface};
    }

    const std::filesystem::path& sysfs() const { return sysfs_; }
    bool list_is_alive() const { return !list_.expired(); }

    int opened = 0;
    int closed = 0;

    static ibv_context* open_device(ibv_device* device) {
        ++current->opened;
        auto* context = new ibv_context{};
        context->device = device;
        return context;
    }
    static int close_device(ibv_context* context) {
        ++current->closed;
        delete context;
        return 0;
    }
    static int query_device(ibv_context* context, ibv_device_attr* attr) {
        attr->phys_port_cnt = static_cast<std::uint8_t>(current->ports_[context->device].size());
        return 0;
    }
    static int query_port(ibv_context* context, std::uint8_t port, ibv_port_attr* attr) {
        const auto& ports = current->ports_[context->device];
        if (port == 0 || port > ports.size()) return EINVAL;
        attr->link_layer = ports[port - 1U].link_layer;
        attr->gid_tbl_len = static_cast<int>(ports[port - 1U].gids.size());
        return 0;
    }
    static ssize_t query_gid_table(ibv_context* context, ibv_gid_entry* entries, std::size_t max_entries,
                                   std::uint32_t) {
        std::vector<ibv_gid_entry> all;
        const auto& ports = current->ports_[context->device];
        for (std::size_t port = 0; port < ports.size(); ++port) {
            for (const Ipv6Address& gid : ports[port].gids) {
                ibv_gid_entry& entry = all.emplace_back();
                std::ranges::copy(gid.bytes(), entry.gid.raw);
                entry.port_num = static_cast<std::uint32_t>(port + 1);
            }
        }
        if (all.size() > max_entries) return -EINVAL;
        std::ranges::copy(all, entries);
        return static_cast<ssize_t>(all.size());
    }

    static constexpr verbs::Provider provider = [] {
        verbs::Provider table{};
        table.open_device = open_device;
        table.close_device = close_device;
        table.query_device = query_device;
        table.query_port = query_port;
        table.query_gid_table = query_gid_table;
        return table;
    }();

private:
    static inline FakeHardware* current = nullptr;

    void number(const std::string& interface) {
        if (!std::filesystem::exists(sysfs_ / "class/net" / interface / "ifindex"))
            write("class/net/" + interface + "/ifindex", std::to_string(++interfaces_));
    }

    std::filesystem::path sysfs_;
    int interfaces_ = 100;
    std::map<std::string, std::string, std::less<>> first_names_;
    std::vector<std::unique_ptr<ibv_device>> devices_;
    std::map<ibv_device*, std::vector<Port>> ports_;
    std::weak_ptr<std::vector<ibv_device*>> list_;
};

}  // namespace pktverbs::testing
