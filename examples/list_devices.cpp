// SPDX-License-Identifier: Apache-2.0
// list_devices: lists the devices that can be opened, whether they do raw packets, and how deep their queues are.
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <fstream>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <pktverbs/address/ipv6_address.hpp>
#include <pktverbs/address/mac_address.hpp>
#include <pktverbs/device.hpp>
#include <pktverbs/verbs/error.hpp>
#include <pktverbs/verbs/handle.hpp>
#include "common/command_line.hpp"
#include "common/find_device.hpp"

namespace {

namespace verbs = pktverbs::verbs;

std::string_view state_name(ibv_port_state state) {
    constexpr std::array<std::string_view, 6> names{"-", "down", "init", "armed", "active", "defer"};
    const auto index = static_cast<std::size_t>(state);
    return index < names.size() ? names[index] : "-";
}

/// From the default GID: fe80::/64 and the modified EUI-64 of the MAC address.
std::string mac_name(const ibv_gid& gid) {
    pktverbs::Ipv6Address::Bytes bytes;
    std::copy_n(gid.raw, bytes.size(), bytes.begin());
    const auto mac = pktverbs::Ipv6Address{bytes}.link_local_mac();
    return mac ? mac->to_string() : "-";
}

/// The speed of the interface as the kernel reports it; without one, the port's width times its speed (the kernel's
/// enum ib_port_width and ib_port_speed), which is all that verbs report.
std::string speed_name(const std::string& interface, const ibv_port_attr& port) {
    if (!interface.empty()) {
        std::ifstream file{"/sys/class/net/" + interface + "/speed"};
        long mbps = 0;
        return file >> mbps && mbps > 0 ? fmt::format("{:g} Gb/s", static_cast<double>(mbps) / 1000) : "-";
    }
    const std::size_t lanes_of[] = {0, 1, 4, 0, 8, 0, 0, 0, 12};
    const std::size_t lanes = port.active_width == 16 ? 2 : port.active_width <= 8 ? lanes_of[port.active_width] : 0;
    double gbps = 0;
    switch (port.active_speed) {
        // clang-format off
        case 1: gbps = 2.5; break;
        case 2: gbps = 5; break;
        case 4: case 8: gbps = 10; break;
        case 16: gbps = 14; break;
        case 32: gbps = 25; break;
        case 64: gbps = 50; break;
        case 128: gbps = 100; break;
        default: break;
            // clang-format on
    }
    return lanes > 0 && gbps > 0 ? fmt::format("{:g} Gb/s", gbps * static_cast<double>(lanes)) : "-";
}

/// "yes", or why not. Only trying shows it: no device attribute does.
std::string raw_packets(const pktverbs::Device& device, ibv_context* context) try {
    const auto& provider = *device.provider;
    const verbs::PdHandle pd{verbs::check_pointer({"alloc_pd", "allocate a protection domain", device.name},
                                                  [&] { return provider.alloc_pd(context); }),
                             {&provider}};
    const verbs::CqHandle cq{verbs::check_pointer({"create_cq", "create a completion queue", device.name},
                                                  [&] { return provider.create_cq(context, 1, nullptr, nullptr, 0); }),
                             {&provider}};
    ibv_qp_init_attr attr{};
    attr.send_cq = attr.recv_cq = cq.get();
    attr.cap = {.max_send_wr = 1, .max_recv_wr = 1, .max_send_sge = 1, .max_recv_sge = 1, .max_inline_data = 0};
    attr.qp_type = IBV_QPT_RAW_PACKET;
    const verbs::QpHandle qp{verbs::check_pointer({"create_qp", "create a raw packet queue pair", device.name},
                                                  [&] { return provider.create_qp(pd.get(), &attr); }),
                             {&provider}};
    return "yes";
} catch (const std::system_error& error) {
    const std::string_view hint = error.what();
    if (!device.alternative.empty()) return fmt::format("no: {}; use {}", hint, device.alternative);
    return fmt::format("no: {}", hint);
}

void print_line(const pktverbs::Device& device) try {
    const auto& provider = *device.provider;
    const verbs::ContextHandle context{verbs::check_pointer({"open_device", "open", device.name},
                                                            [&] { return provider.open_device(device.handle.get()); }),
                                       {&provider}};
    ibv_device_attr attr{};
    verbs::check_result({"query_device", "query", device.name},
                        [&] { return provider.query_device(context.get(), &attr); });
    ibv_port_attr port{};
    verbs::check_result({"query_port", "query the port of", device.name},
                        [&] { return provider.query_port(context.get(), device.port, &port); });
    ibv_gid gid{};
    provider.query_gid(context.get(), device.port, 0, &gid);  // a port without RoCE has none
    fmt::print("{:<16} {:<10} {:<17} {:<6} {:>5} {:>9} {:>6} {:>6} {:>8} {:>4}  {}\n", device.name,
               device.interface.empty() ? "-" : device.interface, mac_name(gid), state_name(port.state),
               device.mtu == 0 ? "-" : std::to_string(device.mtu), speed_name(device.interface, port), attr.max_qp,
               attr.max_qp_wr, attr.max_cqe, attr.max_sge, raw_packets(device, context.get()));
} catch (const std::system_error& error) {
    fmt::print("{:<16} {:<10} {}\n", device.name, device.interface.empty() ? "-" : device.interface, error.what());
}

}  // namespace

int main(int argc, char** argv) {
    example::CommandLine app{"Lists the devices that a pktverbs program can open, with what they can do.",
                             "list_devices"};
    app.footer(
        "list_devices\nlist_devices packet:eth0\n\n"
        "Without CAP_NET_RAW no device does raw packets; the last column says so.");
    std::string text;
    app.add_option("DEVICE", text, "Only this one: eth0, packet:eth0, ibv:mlx5_0/1, wire:NAME (inside this process)");
    return app.run(argc, argv, [&] {
        const auto devices = text.empty() ? pktverbs::list_devices() : std::vector{example::find_device(text)};
        if (devices.empty()) {
            fmt::print("no devices\n");
            return 0;
        }
        fmt::print("{:<16} {:<10} {:<17} {:<6} {:>5} {:>9} {:>6} {:>6} {:>8} {:>4}  {}\n", "DEVICE", "INTERFACE", "MAC",
                   "STATE", "MTU", "SPEED", "QPS", "QP_WR", "CQE", "SGE", "RAW PACKETS");
        for (const auto& device : devices) print_line(device);
        return 0;
    });
}
