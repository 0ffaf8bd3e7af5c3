// SPDX-License-Identifier: Apache-2.0
#include "metrics_server.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <system_error>
#include <utility>

#include <pktverbs/counters/counters.hpp>

namespace tool {

namespace {

constexpr timeval patience{.tv_sec = 1, .tv_usec = 0};

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t length = 0;

    SocketAddress(const std::string& address, std::uint16_t port) {
        auto& ipv4 = reinterpret_cast<sockaddr_in&>(storage);
        auto& ipv6 = reinterpret_cast<sockaddr_in6&>(storage);
        if (::inet_pton(AF_INET, address.c_str(), &ipv4.sin_addr) == 1) {
            ipv4.sin_family = AF_INET;
            ipv4.sin_port = htons(port);
            length = sizeof ipv4;
        } else if (::inet_pton(AF_INET6, address.c_str(), &ipv6.sin6_addr) == 1) {
            ipv6.sin6_family = AF_INET6;
            ipv6.sin6_port = htons(port);
            length = sizeof ipv6;
        } else {
            throw std::system_error{EINVAL, std::generic_category(), fmt::format("'{}' is not an IP address", address)};
        }
    }
};

}  // namespace

MetricsServer::MetricsServer(const std::string& address, std::uint16_t port) {
    const SocketAddress local{address, port};
    const int on = 1;
    listening_ = ::socket(local.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listening_ < 0 || ::setsockopt(listening_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        ::bind(listening_, reinterpret_cast<const sockaddr*>(&local.storage), local.length) != 0 ||
        ::listen(listening_, 16) != 0 || (wake_ = ::eventfd(0, EFD_CLOEXEC)) < 0) {
        const int error = errno;
        if (listening_ >= 0) ::close(listening_);
        throw std::system_error{error, std::generic_category(),
                                fmt::format("cannot serve metrics on {} port {}", address, port)};
    }
    text_ = "# EOF\n";
    thread_ = std::jthread{[this](const std::stop_token& stop) { serve(stop); }};
}

MetricsServer::~MetricsServer() {
    thread_.request_stop();
    static_cast<void>(::eventfd_write(wake_, 1));
    thread_.join();
    ::close(listening_);
    ::close(wake_);
}

void MetricsServer::set(std::string text) {
    const std::lock_guard lock{mutex_};
    text_ = std::move(text);
}

void MetricsServer::serve(const std::stop_token& stop) {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    while (!stop.stop_requested()) {
        pollfd waiting[] = {{listening_, POLLIN, 0}, {wake_, POLLIN, 0}};
        if (::poll(waiting, 2, -1) <= 0 || waiting[1].revents != 0) continue;
        const int client = ::accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC);
        if (client < 0) continue;
        answer(client);
        ::close(client);
    }
}

void MetricsServer::answer(int client) {
    ::setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    // A request that comes in many small pieces is answered after its first one.
    char request[4096];
    if (::recv(client, request, sizeof request, 0) <= 0) return;
    std::string reply;
    {
        const std::lock_guard lock{mutex_};
        reply = fmt::format("HTTP/1.1 200 OK\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}",
                            pktverbs::openmetrics_content_type, text_.size(), text_);
    }
    for (std::string_view rest = reply; !rest.empty();) {
        const auto sent = ::send(client, rest.data(), rest.size(), MSG_NOSIGNAL);
        if (sent <= 0) return;
        rest.remove_prefix(static_cast<std::size_t>(sent));
    }
}

}  // namespace tool
