// SPDX-License-Identifier: Apache-2.0
// Socket: an AF_XDP socket on one queue of an interface, with its rings and its memory.
#pragma once

#include <xdp/xsk.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "interface/interface.hpp"
#include "soft/link/xdp/settings.hpp"

namespace pktverbs::soft::xdp {

/// The kernel's Documentation/networking/af_xdp.rst. Each socket has its own memory (UMEM), in buffers: the first ones
/// are to receive to, the rest to send from. It stays where it is: libxdp keeps pointers to the rings.
class Socket {
public:
    /// Whether frames may go through several buffers here: from Linux 6.6 on. Throws.
    static bool kernel_has_multi_buffer(const Interface& interface);

    struct Shape {
        std::uint32_t queue;
        bool sends;
        bool is_multi_buffer;
    };
    /// For an interface in the calling thread's network namespace. Throws std::system_error: EPERM with the
    /// capabilities that are missing, EBUSY if the queue has a socket, EINVAL if there is no such queue, ENOBUFS if
    /// RLIMIT_MEMLOCK is too small, EOPNOTSUPP if the driver has no zero-copy.
    Socket(const Interface& interface, const Settings& settings, const Shape& shape);
    ~Socket();
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;

    int fd() const noexcept { return xsk_socket__fd(socket_.get()); }
    bool is_zero_copy() const noexcept { return is_zero_copy_; }
    bool is_multi_buffer() const noexcept { return shape_.is_multi_buffer; }
    std::uint32_t queue() const noexcept { return shape_.queue; }

    std::uint32_t buffer_bytes() const noexcept { return buffer_bytes_; }
    std::uint32_t receive_buffers() const noexcept { return receive_buffers_; }
    std::uint32_t send_buffers() const noexcept { return send_buffers_; }
    std::uint8_t* memory() const noexcept { return memory_.get(); }
    /// Where the buffer begins that has this address, an offset in memory.
    std::uint64_t start_of(std::uint64_t address) const noexcept { return address & ~std::uint64_t{buffer_bytes_ - 1}; }

    xsk_ring_prod to_fill{};
    xsk_ring_cons received{};
    xsk_ring_prod to_send{};
    xsk_ring_cons sent{};

    /// Of xdp_desc::options: the frame goes on in the next one (XDP_PKT_CONTD, which older headers lack).
    static constexpr std::uint32_t continues = 1;

private:
    struct Unmap {
        std::size_t bytes;
        void operator()(std::uint8_t* memory) const noexcept;
    };
    struct DeleteUmem {
        void operator()(xsk_umem* umem) const noexcept { xsk_umem__delete(umem); }
    };
    struct DeleteSocket {
        void operator()(xsk_socket* socket) const noexcept { xsk_socket__delete(socket); }
    };

    void make_memory(const Interface& interface);
    void make_socket(const Interface& interface, const Settings& settings);
    void set_options(const Interface& interface, const Settings& settings);

    const Shape shape_;
    const std::uint32_t buffer_bytes_;
    const std::uint32_t receive_buffers_;
    const std::uint32_t send_buffers_;
    bool is_zero_copy_ = false;
    std::unique_ptr<std::uint8_t, Unmap> memory_;
    std::unique_ptr<xsk_umem, DeleteUmem> umem_;
    std::unique_ptr<xsk_socket, DeleteSocket> socket_;
};

}  // namespace pktverbs::soft::xdp
