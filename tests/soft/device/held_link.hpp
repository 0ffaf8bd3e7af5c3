// SPDX-License-Identifier: Apache-2.0
// HeldLink: a link in a test's hand, which takes frames as it is told and brings those that it is given.
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include <pktverbs/soft/device.hpp>

#include "soft/device/soft_device.hpp"
#include "verbs_end.hpp"

namespace pktverbs::testing {

/// Takes as many frames as it may, and delivers its frames on request.
class HeldLink final : public soft::Link {
public:
    HeldLink() {
        allow(0);
        wants_receive_ = true;
    }
    ~HeldLink() override {
        close(receive_fd_);
        close(send_fd_);
    }

    /// Writable, as an eventfd is, unless its counter is at its end.
    void allow(std::size_t frames) {
        const std::lock_guard lock{mutex_};
        set_allowed(frames);
    }
    void arrive(const Frame& frame) {
        const std::uint64_t one = 1;
        waiting_.push_back(frame);
        [[maybe_unused]] const auto done = write(receive_fd_, &one, sizeof one);
    }
    void detach() noexcept override { sink_ = nullptr; }

    MacAddress mac() const noexcept override { return MacAddress{MacAddress::Bytes{2, 0, 0, 0, 0, 9}}; }
    std::uint32_t mtu() const noexcept override { return 1500; }
    bool up() const noexcept override { return true; }
    void attach(soft::Sink& sink) override { sink_ = &sink; }
    void remove() { sink_->removed(); }
    void change_address() { sink_->addresses_changed(); }
    std::size_t send(std::span<const soft::TxFrame> frames) noexcept override {
        if (while_sending) while_sending();
        const std::lock_guard lock{mutex_};
        const std::size_t taken = std::min(frames.size(), allowed_);
        sent += taken;
        set_allowed(allowed_ - taken);
        return taken;
    }
    void receive(std::size_t most) noexcept override {
        std::uint64_t count;
        [[maybe_unused]] const auto done = read(receive_fd_, &count, sizeof count);
        for (; most > 0 && !waiting_.empty(); --most, waiting_.pop_front()) {
            const soft::RxFrame frame{waiting_.front().data(), static_cast<std::uint32_t>(waiting_.front().size()),
                                      checksum_ok, timestamp};
            sink_->deliver({&frame, 1});
        }
    }
    int receive_fd() const noexcept override { return receive_fd_; }
    /// As links that need not be asked.
    void deliver(const Frame& frame) {
        const soft::RxFrame one{frame.data(), static_cast<std::uint32_t>(frame.size())};
        sink_->deliver({&one, 1});
    }
    /// Frames that another process changes once their heads are copied.
    void deliver_shared(const Frames& heads, const Frames& changed) {
        std::vector<soft::RxFrame> frames;
        for (std::size_t i = 0; i < heads.size(); ++i)
            frames.push_back({.data = changed[i].data(),
                              .length = static_cast<std::uint32_t>(changed[i].size()),
                              .head = heads[i].data()});
        sink_->deliver(frames);
    }
    /// Returns how many the device took.
    std::size_t offer(const Frames& frames) {
        std::vector<soft::RxFrame> offered;
        for (const Frame& frame : frames) offered.push_back({frame.data(), static_cast<std::uint32_t>(frame.size())});
        return sink_->offer(offered);
    }
    /// Returns whether the device took it.
    bool offer(const Frame& frame) { return offer(Frames{frame}) == 1; }
    int send_fd() const noexcept override { return send_fd_; }
    bool looks_at_flows() const noexcept override { return true; }
    int set_flows(std::span<const soft::FlowMatch* const> flows) noexcept override {
        ++flow_changes;
        if (refuse_flows == 0) flows_in_force = flows.size();
        return refuse_flows;
    }
    std::uint64_t lost() noexcept override { return 5; }

    std::function<void()> while_sending;
    std::size_t sent = 0;
    int refuse_flows = 0;
    std::size_t flows_in_force = 0;
    int flow_changes = 0;
    bool checksum_ok = false;
    std::uint64_t timestamp = 0;

private:
    void set_allowed(std::size_t frames) {
        allowed_ = frames;
        std::uint64_t count = UINT64_MAX - 1;
        [[maybe_unused]] auto done = read(send_fd_, &count, sizeof count);
        count = UINT64_MAX - 1;
        if (frames == 0) done = write(send_fd_, &count, sizeof count);
    }

    std::mutex mutex_;
    int receive_fd_ = eventfd(0, EFD_NONBLOCK);
    int send_fd_ = eventfd(0, EFD_NONBLOCK);
    std::size_t allowed_ = 0;
    std::deque<Frame> waiting_;
    soft::Sink* sink_ = nullptr;
};

inline verbs::Device device_on(HeldLink*& link) {
    auto device = std::make_shared<soft::SoftDevice>();
    device->port.open = [&link] {
        auto made = std::make_unique<HeldLink>();
        link = made.get();
        return made;
    };
    verbs::Device opened;
    opened.handle = device;
    opened.provider = &soft::provider();
    return opened;
}

}  // namespace pktverbs::testing
