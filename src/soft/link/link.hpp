// SPDX-License-Identifier: Apache-2.0
// Link: what a soft device sends and receives frames through.
#pragma once

#include <infiniband/verbs.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <vector>

#include <pktverbs/address/ipv6_address.hpp>
#include <pktverbs/address/mac_address.hpp>
#include <pktverbs/soft/link_peer.hpp>

#include "net/frame_sizes.hpp"
#include "soft/steering/flow_match.hpp"

namespace pktverbs::soft {

/// A frame to send, in the sender's registered memory; checked by the device. Valid during the call.
struct TxFrame {
    const ibv_sge* sges;
    std::uint32_t sge_count;  ///< at least 1
    std::uint32_t length;     ///< of all of them
    /// The NIC has just computed the L4 checksum, and IPv4's: a link may pass on that they are right.
    bool checksum_ok;
    /// The queue that sends it, and sends nothing else before it has gone; null is one, too.
    const void* queue;
};

/// A received frame, whole and contiguous; one with a `head` is at least as long as that. Valid during the call.
struct RxFrame {
    const std::uint8_t* data;
    std::uint32_t length;
    bool checksum_ok = false;         ///< IPv4 and L4 checksums were found right
    std::uint64_t timestamp_ns = 0;   ///< CLOCK_REALTIME; 0: the device takes its own if anyone asks
    std::uint16_t segment_bytes = 0;  ///< inside a link alone: it is one of many packets, see SegmentCutter
    /// Not null: another process may change the bytes at any time. This is a copy of the first head_bytes, made once:
    /// they are read here alone, so that a frame is delivered with the headers by which it was steered.
    const std::uint8_t* head = nullptr;

    /// The longest headers that are looked at before a frame is copied: those of KnownFrames.
    static constexpr std::uint32_t head_bytes = ethernet_bytes + ipv4_bytes + udp_bytes;

    const std::uint8_t* first_bytes() const noexcept { return head ? head : data; }
    void copy(std::uint8_t* to) const noexcept {
        if (!head) {
            std::memcpy(to, data, length);
            return;
        }
        std::memcpy(to, head, head_bytes);
        std::memcpy(to + head_bytes, data + head_bytes, length - head_bytes);
    }
};

/// Send requests on their way, in the device.
class PlainSends;

/// Where received frames go: the device.
class Sink {
public:
    virtual void deliver(std::span<const RxFrame> frames) noexcept = 0;
    /// As deliver(), straight from the sender's requests: those at the front that have one piece. Returns how many.
    virtual std::uint32_t deliver_sent(PlainSends&) noexcept { return 0; }
    /// As deliver(), but stops before the first frame that a queue has no receive posted for, instead of dropping it:
    /// for links whose frames can wait. Returns how many it took; nothing reports when it would take more.
    virtual std::size_t offer(std::span<const RxFrame> frames) noexcept {
        deliver(frames);
        return frames.size();
    }
    /// The link came up or went down.
    virtual void link_changed(bool up) noexcept = 0;
    /// mtu() is another one.
    virtual void mtu_changed() noexcept {}
    /// mac() is another one, or addresses() are others.
    virtual void addresses_changed() noexcept {}
    /// What the link is on is there no more, and won't come back.
    virtual void removed() noexcept {}

protected:
    ~Sink() = default;
};

/// One end of something that carries frames. Made by opening a device, which calls attach() once, then the rest.
class Link {
public:
    virtual ~Link() = default;

    virtual MacAddress mac() const noexcept = 0;
    /// Bytes, without the Ethernet header.
    virtual std::uint32_t mtu() const noexcept = 0;
    virtual bool up() const noexcept = 0;
    /// The IP addresses that the interface has now, IPv4 as ::ffff:a.b.c.d. Throws std::bad_alloc.
    virtual std::vector<Ipv6Address> addresses() const { return {}; }
    /// Any thread. Throws std::bad_alloc.
    virtual std::optional<LinkPeer> peer() const { return std::nullopt; }
    /// Of the network interface; 0: there is none.
    virtual std::uint32_t interface_index() const noexcept { return 0; }

    /// Whether the device is to verify the checksums of frames that come without checksum_ok.
    virtual bool verifies_checksums() const noexcept { return false; }

    /// Where to deliver, from now on until detach(). A link may deliver from receive(), or at any time
    /// from another end's thread.
    virtual void attach(Sink& sink) = 0;
    /// No delivery is under way when this returns, and none comes after it.
    virtual void detach() noexcept = 0;

    /// Sends frames in order. Returns how many it took; fewer than all means: again when
    /// send_fd() is writable. One call at a time.
    virtual std::size_t send(std::span<const TxFrame> frames) noexcept = 0;

    /// If there is one device that gets every frame and nothing lies between: delivers what it takes of these. Returns
    /// how many. Any thread.
    virtual std::uint32_t pass_straight(PlainSends&) noexcept { return 0; }

    /// Delivers up to about `most` frames that wait in the link. Called, one call at a time, when
    /// wants_receive() is set and a completion queue runs empty. Waits for no frame; news of an interface are asked of
    /// the kernel, which answers when others' changes of interfaces are done (rtnl_lock).
    virtual void receive(std::size_t most) noexcept = 0;
    bool wants_receive() const noexcept { return wants_receive_.load(std::memory_order_relaxed); }

    /// Readable when receive() would deliver; -1 if the link delivers by itself.
    virtual int receive_fd() const noexcept { return -1; }
    /// A thread waited for receive_fd(): if the next receive() has nothing to deliver, it must clear what made that
    /// readable.
    virtual void waited() noexcept {}
    /// One thread more, or one fewer, waits for receive_fd(): while none does, that need not become readable. Any
    /// thread that may hold every lock of the device.
    virtual void watched(bool) noexcept {}
    /// For programs that block for an event once receive_fd() is readable, instead of looking: it must not become
    /// readable for a frame that receive() has delivered already. Called before the rest, if at all.
    virtual void never_wake_in_vain() noexcept {}
    /// Writable when send() would take more; -1 if it always does.
    virtual int send_fd() const noexcept { return -1; }

    /// Readable when take_news() might have something to report to the sink; -1 if the link reports by itself.
    virtual int news_fd() const noexcept { return -1; }
    /// Brings up to date what the functions above return, and reports what has changed. Any thread that holds none of
    /// the locks from the device's receive lock on (docs/architecture.md).
    virtual void take_news() noexcept {}

    /// The flows now in force: the link may keep back any frame that none of them matches. Called before the
    /// first frame is wanted, and on each change. Returns 0 or an errno, and then the old ones stay.
    virtual int set_flows(std::span<const FlowMatch* const>) noexcept { return 0; }
    /// Whether set_flows() does anything. Fixed.
    virtual bool looks_at_flows() const noexcept { return false; }
    /// Whether the next two do. Fixed.
    virtual bool follows_flows() const noexcept { return false; }
    /// As set_flows() with one flow more, or one fewer, and the others as they are. Flows are known by their address,
    /// here and in set_flows(); they are copied.
    virtual int add_flow(const FlowMatch&) noexcept { return ENOTSUP; }
    virtual void remove_flow(const FlowMatch&) noexcept {}

    /// The link that this one wraps, or itself.
    virtual Link& innermost() noexcept { return *this; }

    /// Frames that came since the link was opened, and were lost in it: the kernel's ring was full.
    virtual std::uint64_t lost() noexcept { return 0; }
    /// Frames that send() took, and that could not be sent after all.
    virtual std::uint64_t unsent() noexcept { return 0; }

protected:
    std::atomic<bool> wants_receive_{false};
};

}  // namespace pktverbs::soft
