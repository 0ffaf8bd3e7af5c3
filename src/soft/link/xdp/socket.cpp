// SPDX-License-Identifier: Apache-2.0
#include "soft/link/xdp/socket.hpp"

#include <fcntl.h>
#include <net/if.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <new>

#include <fmt/core.h>

#include "base/capability_hints.hpp"
#include "base/file_descriptor.hpp"
#include "soft/link/xdp/refusal.hpp"

namespace pktverbs::soft::xdp {
namespace {

// Of linux/if_xdp.h since Linux 6.6, and asm/socket.h since 5.11.
constexpr std::uint16_t use_multi_buffer = 1 << 4;  // XDP_USE_SG
constexpr int prefer_busy_poll = 69;                // SO_PREFER_BUSY_POLL
constexpr int busy_poll_budget = 70;                // SO_BUSY_POLL_BUDGET

/// libxdp finds an interface by its name, which may be changed at any time.
std::string name_of(const Interface& interface) {
    std::array<char, IF_NAMESIZE> name{};
    if (!::if_indextoname(static_cast<unsigned>(interface.index()), name.data())) refuse(ENODEV, "find", interface);
    return name.data();
}

std::string bind_hint(int error, std::uint32_t queue, Mode mode) {
    switch (error) {
        case EBUSY:
            return fmt::format("another AF_XDP socket is on its queue {}: end that program, or use another queue=",
                               queue);
        case EINVAL:
            return fmt::format("it has no queue {}: ethtool -l shows how many there are", queue);
        case EOPNOTSUPP:
        case EPROTONOSUPPORT:
            if (mode == Mode::zero_copy) return "its driver has no zero-copy for such frames: leave mode=zerocopy out";
            return {};
        default:
            return {};
    }
}

}  // namespace

void Socket::Unmap::operator()(std::uint8_t* memory) const noexcept { ::munmap(memory, bytes); }

/// A socket without rings can't be bound; but which of its mistakes is reported first tells (xsk_bind() in
/// net/xdp/xsk.c): flags that are not known, or an interface that is not there.
bool Socket::kernel_has_multi_buffer(const Interface& interface) {
    const FileDescriptor socket{::socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0)};
    if (!socket && errno == EAFNOSUPPORT)
        refuse(errno, "open an AF_XDP socket on", interface, "this kernel has no AF_XDP: CONFIG_XDP_SOCKETS");
    if (!socket) refuse(errno, "open an AF_XDP socket on", interface);
    sockaddr_xdp nowhere{};
    nowhere.sxdp_family = AF_XDP;
    nowhere.sxdp_flags = use_multi_buffer;
    ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&nowhere), sizeof nowhere);
    return errno != EINVAL;
}

Socket::Socket(const Interface& interface, const Settings& settings, const Shape& shape)
    : shape_{shape},
      buffer_bytes_{settings.buffer_bytes},
      receive_buffers_{settings.receive_buffers()},
      send_buffers_{shape.sends ? settings.send_buffers() : 0} {
    make_memory(interface);
    make_socket(interface, settings);
    set_options(interface, settings);
}

Socket::~Socket() = default;

void Socket::make_memory(const Interface& interface) {
    const std::size_t bytes = std::size_t{buffer_bytes_} * (receive_buffers_ + send_buffers_);
    void* const memory =
        ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED) refuse(errno, "allocate buffers for", interface);
    memory_ = {static_cast<std::uint8_t*>(memory), Unmap{bytes}};

    xsk_umem_config config{};
    // Twice as many as buffers: the kernel publishes frames before it publishes that their buffers have left this ring
    // (xsk_flush() in net/xdp/xsk.c). Until then, these and the ones that are given back seem to be in it together.
    config.fill_size = 2 * receive_buffers_;
    config.comp_size = receive_buffers_;  // it has to be there even if nothing is sent, and be a power of two
    config.frame_size = buffer_bytes_;
    xsk_umem* umem = nullptr;
    const int error = -xsk_umem__create(&umem, memory, bytes, &to_fill, &sent, &config);
    umem_.reset(umem);
    if (error == 0) return;
    std::string hint;
    // xdp_umem_account_pages() in net/xdp/xdp_umem.c.
    if (error == ENOBUFS)
        hint = fmt::format("{} KiB more are too many: use a smaller ring=, or fewer queues=. Or else {}", bytes / 1024,
                           locked_memory_hint);
    refuse(error, "register memory for AF_XDP on", interface, hint);
}

void Socket::make_socket(const Interface& interface, const Settings& settings) {
    xsk_socket_config config{};
    config.rx_size = receive_buffers_;
    config.tx_size = send_buffers_;
    config.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD;
    config.bind_flags = XDP_USE_NEED_WAKEUP;
    if (settings.mode == Mode::copy) config.bind_flags |= XDP_COPY;
    if (settings.mode == Mode::zero_copy) config.bind_flags |= XDP_ZEROCOPY;
    if (shape_.is_multi_buffer) config.bind_flags |= use_multi_buffer;

    const std::string name = name_of(interface);
    xsk_socket* socket = nullptr;
    const int error = -xsk_socket__create(&socket, name.c_str(), shape_.queue, umem_.get(), &received,
                                          shape_.sends ? &to_send : nullptr, &config);
    socket_.reset(socket);
    if (error != 0) refuse(error, "bind an AF_XDP socket to", interface, bind_hint(error, shape_.queue, settings.mode));
    if (name_of(interface) != name) refuse(EAGAIN, "bind an AF_XDP socket to", interface, "it was renamed meanwhile");
}

void Socket::set_options(const Interface& interface, const Settings& settings) {
    ::fcntl(fd(), F_SETFD, FD_CLOEXEC);
    xdp_options options{};
    socklen_t bytes = sizeof options;
    if (::getsockopt(fd(), SOL_XDP, XDP_OPTIONS, &options, &bytes) == 0)
        is_zero_copy_ = (options.flags & XDP_OPTIONS_ZEROCOPY) != 0;
    // More frames may be on their way in copy mode.
    constexpr int send_buffer = 4 * 1024 * 1024;
    ::setsockopt(fd(), SOL_SOCKET, SO_SNDBUFFORCE, &send_buffer, sizeof send_buffer);
    if (settings.busy_poll.count() == 0) return;
    const int on = 1;
    const int budget = 64;
    const int time = static_cast<int>(settings.busy_poll.count());
    if (::setsockopt(fd(), SOL_SOCKET, prefer_busy_poll, &on, sizeof on) != 0 ||
        ::setsockopt(fd(), SOL_SOCKET, SO_BUSY_POLL, &time, sizeof time) != 0 ||
        ::setsockopt(fd(), SOL_SOCKET, busy_poll_budget, &budget, sizeof budget) != 0)
        refuse(errno, "poll", interface, "this kernel can't: it needs Linux 5.11 with CONFIG_NET_RX_BUSY_POLL");
}

}  // namespace pktverbs::soft::xdp
