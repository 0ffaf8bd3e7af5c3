// SPDX-License-Identifier: Apache-2.0
// udp_sockets: one end of a stream of numbered UDP datagrams through the kernel's sockets, with segmentation and
// coalescing (UDP_SEGMENT and UDP_GRO of udp(7)), to compare transfer with.
#include <arpa/inet.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "measure.hpp"
#include "window.hpp"

namespace {

constexpr std::uint32_t headers = 42;  // Ethernet, IPv4, UDP
constexpr std::uint16_t port = 7148;
constexpr std::size_t most_bytes = 65507;  // of a datagram, and so of those that go as one
constexpr std::size_t most_segments = 64;

[[noreturn]] void fail(const char* what) { throw std::system_error{errno, std::generic_category(), what}; }

class Socket {
public:
    Socket() : fd_{::socket(AF_INET, SOCK_DGRAM, 0)} {
        if (fd_ < 0) fail("socket");
        const int bytes = 64 << 20;
        if (::setsockopt(fd_, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) != 0) fail("SO_RCVBUFFORCE");
    }
    ~Socket() { ::close(fd_); }
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;
    int fd() const { return fd_; }
    void set(int option, int value) const {
        if (::setsockopt(fd_, SOL_UDP, option, &value, sizeof value) != 0) fail("setsockopt");
    }

private:
    int fd_;
};

sockaddr_in address(const std::string& text) {
    sockaddr_in made{};
    made.sin_family = AF_INET;
    made.sin_port = htons(port);
    if (::inet_pton(AF_INET, text.c_str(), &made.sin_addr) != 1) throw std::runtime_error{"no IPv4 address: " + text};
    return made;
}

void send_all(const std::string& to, std::size_t datagram_bytes, double seconds) {
    const Socket socket;
    const sockaddr_in peer = address(to);
    if (::connect(socket.fd(), reinterpret_cast<const sockaddr*>(&peer), sizeof peer) != 0) fail("connect");
    socket.set(UDP_SEGMENT, static_cast<int>(datagram_bytes));
    const std::size_t segments = std::min(most_segments, most_bytes / datagram_bytes);
    std::vector<std::uint8_t> bytes(segments * datagram_bytes);
    std::uint64_t number = 0;
    bench::Window window{seconds};
    const measure::Stopwatch watch;
    while (watch.seconds() < seconds + 3 * bench::Window::skipped_seconds) {
        for (std::size_t i = 0; i < segments; ++i, ++number)
            std::memcpy(&bytes[i * datagram_bytes], &number, sizeof number);
        if (::send(socket.fd(), bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) fail("send");
        window.look(number);
    }
    fmt::print("{{\"frames\": {}, \"per_second\": {:.0f}, \"cpu_share\": {:.3f}}}\n", number, window.per_second(),
               window.cpu_share());
}

/// One that may be several datagrams in a row; returns its bytes, or 0 if nothing comes for a while.
std::size_t receive_some(const Socket& socket, std::vector<std::uint8_t>& bytes, std::size_t& segment_bytes) {
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    iovec vector{bytes.data(), bytes.size()};
    msghdr message{};
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t got = ::recvmsg(socket.fd(), &message, MSG_DONTWAIT);
    if (got < 0) return 0;
    segment_bytes = static_cast<std::size_t>(got);
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header))
        if (header->cmsg_level == SOL_UDP && header->cmsg_type == UDP_GRO) {
            int value;
            std::memcpy(&value, CMSG_DATA(header), sizeof value);
            segment_bytes = static_cast<std::size_t>(value);
        }
    return static_cast<std::size_t>(got);
}

void receive_all(const std::string& at, std::size_t datagram_bytes, double seconds) {
    const Socket socket;
    const sockaddr_in own = address(at);
    if (::bind(socket.fd(), reinterpret_cast<const sockaddr*>(&own), sizeof own) != 0) fail("bind");
    socket.set(UDP_GRO, 1);
    fmt::print("ready\n");
    std::fflush(stdout);
    std::vector<std::uint8_t> bytes(1 << 16);
    std::uint64_t frames = 0, next = 0, wrong = 0;
    // Begins with the first datagram.
    std::optional<bench::Window> window;
    std::optional<measure::Stopwatch> idle{std::in_place};
    while (!idle || idle->seconds() < (window ? 0.5 : 20)) {
        std::size_t segment_bytes = 0;
        const std::size_t got = receive_some(socket, bytes, segment_bytes);
        if (got == 0 && !idle) idle.emplace();
        if (got != 0) idle.reset();
        for (std::size_t i = 0; i < got; i += segment_bytes, ++frames) {
            std::uint64_t number;
            std::memcpy(&number, &bytes[i], sizeof number);
            wrong += number < next || std::min(segment_bytes, got - i) != datagram_bytes;
            next = number + 1;
        }
        if (got != 0 && !window) window.emplace(seconds);
        if (window) window->look(frames);
    }
    if (!window || !window->is_over()) throw std::runtime_error{"nothing came, or not for long enough"};
    fmt::print("{{\"frames\": {}, \"lost\": {}, \"wrong\": {}, \"per_second\": {:.0f}, \"cpu_share\": {:.3f}}}\n",
               frames, next - frames, wrong, window->per_second(), window->cpu_share());
}

}  // namespace

int main(int argc, char** argv) try {
    const std::string side = argc == 5 ? argv[1] : "";
    if (side != "send" && side != "receive") {
        fmt::print(stderr, "usage: udp_sockets send|receive ADDRESS BYTES_OF_A_FRAME SECONDS\n");
        return 2;
    }
    (side == "send" ? send_all : receive_all)(argv[2], std::stoul(argv[3]) - headers, std::stod(argv[4]));
    return 0;
} catch (const std::exception& error) {
    fmt::print(stderr, "udp_sockets: {}\n", error.what());
    return 1;
}
