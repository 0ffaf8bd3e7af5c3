// SPDX-License-Identifier: Apache-2.0
// TapLink: frames through a tap, for the kinds tap: and host:.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/file_descriptor.hpp"
#include "soft/link/interface_news.hpp"
#include "soft/link/link_string.hpp"
#include "soft/link/sink_gate.hpp"
#include "soft/link/tap/device.hpp"
#include "soft/link/tap/frames.hpp"

namespace pktverbs::soft {

/// What the port has of its own: it is another station than the kernel.
struct TapStation {
    MacAddress mac;  ///< all zero: a random one for every open
    std::vector<Ipv6Address> addresses;

    static TapStation read(const LinkString& string) { return {string.mac(), string.addresses()}; }
};

class TapLink : public Link {
public:
    /// `interface`: whose state and MTU are the link's. Throws std::system_error.
    TapLink(TapDevice device, std::shared_ptr<const Interface> interface, TapStation station);

    MacAddress mac() const noexcept override { return station_.mac; }
    std::uint32_t mtu() const noexcept override { return news_.mtu(); }
    bool up() const noexcept override { return interface_->is_up(); }
    std::vector<Ipv6Address> addresses() const override { return station_.addresses; }

    void attach(Sink& sink) override;
    void detach() noexcept override;

    std::size_t send(std::span<const TxFrame> frames) noexcept override { return frames_.send(frames); }
    void receive(std::size_t most) noexcept override;
    int receive_fd() const noexcept override { return device_.fd(); }
    void waited() noexcept override { look_wanted_.store(true, std::memory_order_relaxed); }
    int send_fd() const noexcept override { return send_fd_.get(); }
    int news_fd() const noexcept override { return news_.fd(); }
    void take_news() noexcept override { news_.take(gate_.sink()); }

    std::uint64_t lost() noexcept override;
    std::uint64_t unsent() noexcept override { return frames_.lost(); }

protected:
    const TapDevice& device() const noexcept { return device_; }
    bool removed() const noexcept { return news_.removed(); }
    void lose(std::size_t frames) noexcept { frames_.lose(frames); }

private:
    static constexpr unsigned calls_per_look = 256;

    TapDevice device_;
    FileDescriptor send_fd_;  ///< the same, for epoll instances, which take a descriptor once
    std::shared_ptr<const Interface> interface_;
    TapStation station_;
    InterfaceNews news_;
    TapFrames frames_;
    SinkGate gate_;
    std::atomic<std::uint64_t> lost_{0};  ///< in the kernel, when that was last asked
    std::atomic<bool> look_wanted_{false};
    unsigned calls_ = 0;
};

}  // namespace pktverbs::soft
