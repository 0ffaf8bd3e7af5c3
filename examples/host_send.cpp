// SPDX-License-Identifier: Apache-2.0
// host_send: sends UDP datagrams into the host's network stack, to a socket of any program.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>

#include <pktverbs/async/stop_on_signal.hpp>
#include <pktverbs/format.hpp>
#include <pktverbs/net/net.hpp>
#include <pktverbs/pktverbs.hpp>
#include "common/address_option.hpp"
#include "common/arp.hpp"
#include "common/command_line.hpp"
#include "common/find_device.hpp"
#include "common/mtu.hpp"
#include "common/send_one.hpp"

namespace net = pktverbs::net;

int main(int argc, char** argv) {
    example::CommandLine app{"Sends UDP datagrams into the host's network stack.", "host_send"};
    app.footer(
        "nc -u -l 7148 &\n"
        "host_send host:eth0 192.0.2.1 --source 192.0.2.9      # as if they came to eth0 from its network\n"
        "host_send tap:pv0 10.9.0.1 --source 10.9.0.2          # with ip address add 10.9.0.1/24 dev pv0\n\n"
        "The host's answers to ARP requests tell where to send to. Its addresses are those of the interface.");
    std::string name, text = "hello, host";
    std::optional<pktverbs::Ipv4Address> host, source;
    std::optional<pktverbs::MacAddress> host_mac;
    std::uint16_t port = 7148;
    std::uint64_t count = 1;
    app.add_option("DEVICE", name, "host:eth0, tap:NAME, or any other, such as packet:eth0, pipe:NAME").required();
    example::add_station(app, "HOST_IP", host, "An address of the host").required();
    example::add_station(app, "--source", source, "The sender's address: not one of the host's").required();
    example::add_address(app, "--host-mac", host_mac, "Where to send to (default: ask by ARP)");
    app.add_option("--port", port, "UDP port (default 7148)");
    app.add_option("-c,--count", count, "How many datagrams (default 1)").between(1, example::max_packets);
    app.add_option("--text", text, "What is in them (default 'hello, host')");
    return app.run(argc, argv, [&] {
        const pktverbs::StopOnSignal signals;
        const auto device = example::find_device(name);
        pktverbs::Context ctx{device, example::options_for(device, 256)};
        if (!host_mac) host_mac = example::resolve(ctx, *source, *host, "--host-mac", signals.token());
        const net::FrameTemplate headers{net::Ethernet{.dst = *host_mac, .src = ctx.limits().mac},
                                         net::Ipv4{.src = *source, .dst = *host},
                                         net::Udp{.src_port = port, .dst_port = port}};
        example::check_mtu(ctx, headers.frame_bytes(text.size()) - net::EthernetView<>::size);
        std::uint64_t sent = 0;
        for (; sent < count && !signals.token().stop_requested(); ++sent) {
            const bool posted = example::send_one(ctx, headers.frame_bytes(text.size()), [&](net::Bytes frame) {
                std::ranges::copy(text, frame.subspan(headers.header_bytes()).begin());
                headers.write(frame, text.size());
            });
            if (!posted) throw std::runtime_error{"the device takes no more frames"};
        }
        ctx.flush(std::chrono::seconds{1});
        const auto unsent = ctx.stats().drops.unsent;
        if (unsent != 0) throw std::runtime_error{fmt::format("{} of {} datagrams were dropped", unsent, sent)};
        fmt::print("sent {} datagrams of {} bytes to {} ({})\n", sent, text.size(), *host, *host_mac);
        return 0;
    });
}
