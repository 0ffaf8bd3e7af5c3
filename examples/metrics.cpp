// SPDX-License-Identifier: Apache-2.0
// metrics: receives UDP, and reports its counters: as text, as JSON, or to a scraper (Prometheus) over HTTP.
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <system_error>

#include <pktverbs/async/stop_on_signal.hpp>
#include <pktverbs/counters/counters.hpp>
#include <pktverbs/format.hpp>
#include <pktverbs/pktverbs.hpp>
#include "common/command_line.hpp"
#include "common/find_device.hpp"
#include "common/generator.hpp"
#include "common/outcome.hpp"
#include "common/quantity_option.hpp"

using namespace std::chrono_literals;

namespace {

int listen_on(std::uint16_t port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int on = 1;
    sockaddr_in local{AF_INET, htons(port), {htonl(INADDR_LOOPBACK)}, {}};
    if (fd < 0 || ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        ::bind(fd, reinterpret_cast<sockaddr*>(&local), sizeof local) != 0 || ::listen(fd, 4) != 0)
        throw std::system_error{errno, std::generic_category(), fmt::format("cannot listen on port {}", port)};
    fmt::print("http://127.0.0.1:{}/metrics\n", port);
    std::fflush(stdout);
    return fd;
}

/// Sends the same answer to every connection, whatever the request.
void answer(int listening, const pktverbs::Context& ctx) {
    const int fd = ::accept4(listening, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    const timeval patience{.tv_sec = 1, .tv_usec = 0};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    char request[4096];
    const std::string body = pktverbs::to_openmetrics(ctx.counters());
    const std::string reply =
        fmt::format("HTTP/1.1 200 OK\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}",
                    pktverbs::openmetrics_content_type, body.size(), body);
    if (::recv(fd, request, sizeof request, 0) > 0)
        static_cast<void>(::send(fd, reply.data(), reply.size(), MSG_NOSIGNAL));
    ::close(fd);
}

}  // namespace

int main(int argc, char** argv) {
    example::CommandLine app{"Receives UDP and reports its counters.", "metrics"};
    app.footer("metrics packet:eth0 --seconds 10\nmetrics packet:eth0 --serve 9400   (then: curl 127.0.0.1:9400)");
    std::string device, format = "text";
    std::chrono::nanoseconds duration = std::chrono::seconds{1};
    std::uint16_t port = 0;
    std::uint64_t frames = 0;
    app.add_option("DEVICE", device, "eth0, packet:eth0, wire:NAME (inside this process)").required();
    example::add_duration(app, "--seconds", duration, 0ms, example::max_time, "How long to receive (default 1)");
    app.add_option("--generate", frames, "Send as many packets first, from a NIC of its own")
        .between(1, example::max_packets);
    app.add_option("--format", format, "How to print the counters at the end").one_of({"text", "json", "openmetrics"});
    app.add_option("--serve", port, "Receive until a signal, and serve on this port of 127.0.0.1").between(1, 65535);
    return app.run(argc, argv, [&] {
        pktverbs::Context ctx{example::find_device(device), {.send_packets = pktverbs::none}};
        const pktverbs::Flow udp = ctx.install(pktverbs::FlowRule{}.ipv4().udp().count());
        const pktverbs::StopOnSignal signals;
        if (frames != 0) {
            pktverbs::Context sender{device, {.recv_packets = pktverbs::none}};
            example::Stream stream{.dst_mac = ctx.limits().mac, .src_ip = {}, .dst_ip = {}, .payload_bytes = 100};
            example::Generator{sender, stream}.run({.rate = {}, .count = frames}, signals.token(),
                                                   [](std::uint64_t) {});
        }
        const int listening = port != 0 ? listen_on(port) : -1;
        const auto end = std::chrono::steady_clock::now() + duration;
        while (!signals.token().stop_requested() && (port != 0 || std::chrono::steady_clock::now() < end)) {
            const auto packets = ctx.recv(std::chrono::milliseconds{20}, signals.token());
            example::check_outcome(ctx, packets.outcome());
            if (port != 0) answer(listening, ctx);
        }
        const pktverbs::Counters counters = ctx.counters();
        if (format == "text") fmt::print("{}\n", counters);
        if (format == "json") fmt::print("{}\n", counters.to_json());
        if (format == "openmetrics") fmt::print("{}", pktverbs::to_openmetrics(counters));
        return 0;
    });
}
