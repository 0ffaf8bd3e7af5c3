// SPDX-License-Identifier: Apache-2.0
// The xdp link: frames through AF_XDP sockets on a Linux interface.
#include <fcntl.h>
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/core.h>
#include <linux/bpf.h>

#include "base/epoll.hpp"
#include "base/event_fd.hpp"
#include "base/file_descriptor.hpp"
#include "net/frame_sizes.hpp"
#include "soft/link/interface_news.hpp"
#include "soft/link/link.hpp"
#include "soft/link/open_failure.hpp"
#include "soft/link/packet_membership.hpp"
#include "soft/link/packet_socket.hpp"
#include "soft/link/sink_gate.hpp"
#include "soft/link/xdp/attachment.hpp"
#include "soft/link/xdp/receiver.hpp"
#include "soft/link/xdp/refusal.hpp"
#include "soft/link/xdp/sender.hpp"
#include "soft/link/xdp/settings.hpp"
#include "soft/link/xdp/socket.hpp"

namespace pktverbs::soft::xdp {
namespace {

/// A socket for each queue. Frames are sent through the first one's.
///
/// It stays on the interface and in its network namespace, whatever that is called and wherever the calling threads
/// are.
class XdpLink final : public Link {
public:
    XdpLink(std::shared_ptr<const Interface> interface, const Settings& settings);
    ~XdpLink() override { sender_->drain(); }

    MacAddress mac() const noexcept override { return news_.mac(); }
    std::uint32_t mtu() const noexcept override { return std::min(news_.mtu(), max_mtu_); }
    bool up() const noexcept override { return interface_->is_up(); }
    std::vector<Ipv6Address> addresses() const override { return interface_->addresses(); }
    std::uint32_t interface_index() const noexcept override { return static_cast<std::uint32_t>(interface_->index()); }
    bool verifies_checksums() const noexcept override { return settings_.verifies_checksums; }

    void attach(Sink& sink) override;
    void detach() noexcept override;

    std::size_t send(std::span<const TxFrame> frames) noexcept override;
    void receive(std::size_t most) noexcept override;
    int receive_fd() const noexcept override { return receive_fd_.get(); }
    void watched(bool on) noexcept override;
    int send_fd() const noexcept override { return send_fd_.get(); }
    int news_fd() const noexcept override { return news_.fd(); }
    void take_news() noexcept override { news_.take(gate_.sink()); }

    int set_flows(std::span<const FlowMatch* const> flows) noexcept override;
    bool looks_at_flows() const noexcept override { return true; }
    std::uint64_t lost() noexcept override;
    std::uint64_t unsent() noexcept override { return sender_->lost(); }

private:
    static constexpr std::size_t batch = 64;
    static constexpr unsigned calls_per_look = 256;

    struct Queue {
        Queue(const Interface& interface, const Settings& settings, const Socket::Shape& shape)
            : socket{interface, settings, shape}, receiver{socket} {}
        Socket socket;
        Receiver receiver;
    };

    void open();
    void open_queue(const Socket::Shape& shape);
    bool needs_multi_buffer() const;
    void make_descriptors();

    const std::shared_ptr<const Interface> interface_;
    const Settings settings_;
    PacketSocket membership_socket_;  ///< receives nothing
    InterfaceNews news_;
    std::uint32_t max_mtu_ = 0;
    std::optional<Attachment> attachment_;
    std::vector<std::unique_ptr<Queue>> queues_;
    std::optional<Sender> sender_;
    FileDescriptor receive_fd_;
    FileDescriptor send_fd_;
    EventFd cannot_wait_;
    std::atomic<bool> is_watched_{false};

    SinkGate gate_;
    std::atomic<bool> look_wanted_{false};
    unsigned calls_ = 0;
    std::size_t next_queue_ = 0;
    std::array<RxFrame, batch> frames_;  ///< of one receive()

    std::mutex flows_mutex_;
    PacketMemberships memberships_;
};

bool add_to(const FileDescriptor& epoll, int fd) noexcept {
    return control_epoll(epoll.get(), EPOLL_CTL_ADD, fd, EPOLLIN) == 0;
}

std::shared_ptr<const Interface> with_capabilities(std::shared_ptr<const Interface> interface) {
    require_capabilities(*interface);
    return interface;
}

XdpLink::XdpLink(std::shared_ptr<const Interface> interface, const Settings& settings)
    : interface_{with_capabilities(std::move(interface))},
      settings_{settings},
      membership_socket_{interface_},
      news_{interface_},
      memberships_{membership_socket_, interface_->index()} {
    interface_->run([this] { open(); });
    make_descriptors();
}

/// The longest frame that fits one buffer: behind the room that XDP programs have for headers; and, without
/// multi-buffer, of one page of veth's (veth_convert_skb_to_xdp_buff() in drivers/net/veth.c), as what is behind that
/// can't be redirected (xdp_do_redirect() before Linux 6.6).
constexpr std::uint32_t max_whole_frame(const Settings& settings) noexcept {
    constexpr std::uint32_t veth_page = 3520;
    return std::min(settings.buffer_bytes - XDP_PACKET_HEADROOM, veth_page);
}

/// Zero-copy drivers rarely have it, so it is used only for what doesn't fit otherwise, or where there is no zero-copy.
bool XdpLink::needs_multi_buffer() const {
    const std::uint32_t longest = news_.mtu() + max_ethernet_bytes;
    const bool fits = longest <= max_whole_frame(settings_);
    if (Socket::kernel_has_multi_buffer(*interface_)) return !fits || settings_.mode == Mode::copy;
    if (fits) return false;
    Settings larger = settings_;
    larger.buffer_bytes = 4096;
    const bool fits_larger = longest <= max_whole_frame(larger);
    refuse(EMSGSIZE, "open AF_XDP sockets on", *interface_,
           fmt::format("its MTU is {}, and this kernel has no multi-buffer frames, which came with Linux 6.6: {}",
                       news_.mtu(),
                       fits_larger ? "use size=4096"
                                   : fmt::format("ip link set dev {} mtu {}, and size=4096", interface_->label(),
                                                 max_whole_frame(larger) - max_ethernet_bytes)));
}

void XdpLink::open() {
    const bool is_multi_buffer = needs_multi_buffer();
    max_mtu_ = (is_multi_buffer ? Sender::max_pieces * settings_.buffer_bytes : max_whole_frame(settings_)) -
               max_ethernet_bytes;
    attachment_.emplace(*interface_, settings_.first_queue + settings_.queues);
    attachment_->attach(*interface_);
    for (std::uint32_t i = 0; i < settings_.queues; ++i)
        open_queue({settings_.first_queue + i, i == 0, is_multi_buffer});
    sender_.emplace(queues_.front()->socket);
}

/// For a while after a socket was closed its queue is taken: a worker of the kernel's sets it free (xp_put_pool() in
/// net/xdp/xsk_buff_pool.c).
void XdpLink::open_queue(const Socket::Shape& shape) {
    constexpr int max_tries = 200;
    for (int tries = 1;; ++tries) {
        try {
            queues_.push_back(std::make_unique<Queue>(*interface_, settings_, shape));
            break;
        } catch (const std::system_error& error) {
            if (error.code().value() != EBUSY || tries == max_tries) throw;
            std::this_thread::sleep_for(std::chrono::milliseconds{5});
        }
    }
    attachment_->add_socket(*interface_, shape.queue, queues_.back()->socket.fd());
}

/// Two for one socket, as an epoll instance takes a descriptor once.
void XdpLink::make_descriptors() {
    send_fd_ = FileDescriptor{::fcntl(queues_.front()->socket.fd(), F_DUPFD_CLOEXEC, 0)};
    receive_fd_ = FileDescriptor{::epoll_create1(EPOLL_CLOEXEC)};
    if (!send_fd_ || !receive_fd_ || !cannot_wait_ || !add_to(receive_fd_, cannot_wait_.get()))
        refuse(errno, "make descriptors for AF_XDP sockets on", *interface_);
}

/// The kernel calls an epoll instance for each frame, even if nobody waits there: so it gets the sockets when somebody
/// is going to.
void XdpLink::watched(bool on) noexcept {
    if (!on || is_watched_.exchange(true, std::memory_order_relaxed)) return;
    for (const auto& queue : queues_)
        if (!add_to(receive_fd_, queue->socket.fd())) cannot_wait_.set();  // who waits polls
}

void XdpLink::attach(Sink& sink) {
    gate_.open(sink);
    wants_receive_.store(true, std::memory_order_relaxed);
}

void XdpLink::detach() noexcept {
    wants_receive_.store(false, std::memory_order_relaxed);
    gate_.close();
    news_.settle();
}

std::size_t XdpLink::send(std::span<const TxFrame> frames) noexcept {
    const std::size_t taken = sender_->send(frames);
    if (sender_->found_down()) look_wanted_.store(true, std::memory_order_relaxed);
    return taken;
}

void XdpLink::receive(std::size_t most) noexcept {
    if (sender_->is_pending()) [[unlikely]]
        sender_->push();
    if (look_wanted_.exchange(false, std::memory_order_relaxed) || ++calls_ % calls_per_look == 0) [[unlikely]]
        take_news();
    const SinkGate::Use use{gate_};
    if (!use.sink()) return;
    // Each queue in turn, and another one first the next time.
    next_queue_ = (next_queue_ + 1) % queues_.size();
    for (std::size_t i = 0, empty = 0; most != 0 && empty < queues_.size(); ++i) {
        Receiver& receiver = queues_[(next_queue_ + i) % queues_.size()]->receiver;
        if (i < queues_.size() && settings_.busy_poll.count() != 0) receiver.poll();
        const std::size_t taken = receiver.take(std::span{frames_}.first(std::min(most, batch)));
        empty = taken == 0 ? empty + 1 : 0;
        if (taken == 0) continue;
        use.sink()->deliver(std::span{frames_}.first(taken));
        receiver.release();
        most -= taken;
    }
}

int XdpLink::set_flows(std::span<const FlowMatch* const> flows) noexcept try {
    const std::lock_guard lock{flows_mutex_};
    // What may fail goes first and can be undone; what is dropped last can't.
    if (const int error = memberships_.add(find_memberships(flows, mac()))) return error;
    const int error = attachment_->set_flows(flows);
    if (error == 0)
        memberships_.commit();
    else
        memberships_.undo();
    return error;
} catch (const std::bad_alloc&) {
    return ENOMEM;
}

std::uint64_t XdpLink::lost() noexcept {
    std::uint64_t lost = 0;
    for (const auto& queue : queues_) lost += queue->receiver.lost();
    return lost;
}

}  // namespace

std::unique_ptr<Link> open_link(std::shared_ptr<const Interface> interface, const Settings& settings) {
    try {
        return std::make_unique<XdpLink>(interface, settings);
    } catch (const OpenFailure&) {
        throw;
    } catch (const std::system_error& error) {
        const int code = error.code().value();
        // Else no capability is missing.
        const bool is_explained = code != EPERM || !interface->is_in_this_threads_network();
        refuse(code, "open AF_XDP sockets on", *interface, is_explained ? error.what() : "");
    }
}

}  // namespace pktverbs::soft::xdp
