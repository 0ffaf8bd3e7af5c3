// SPDX-License-Identifier: Apache-2.0
// PcapLink: frames from one capture file, and to another one.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include <pktverbs/soft/pcap_report.hpp>

#include "base/counter.hpp"
#include "soft/link/alarm.hpp"
#include "soft/link/link.hpp"
#include "soft/link/pcap/recorder.hpp"
#include "soft/link/pcap/replay.hpp"
#include "soft/link/pcap/settings.hpp"

namespace pktverbs::soft::pcap {

/// The replay starts with the first receive() after there is a flow. A waiting thread is woken a little before a frame
/// is due, and then spins: a timer alone is late by tens of microseconds.
class PcapLink final : public Link {
public:
    /// Throws std::system_error.
    explicit PcapLink(const Settings& settings);

    MacAddress mac() const noexcept override { return settings_.mac; }
    std::uint32_t mtu() const noexcept override { return settings_.mtu; }
    bool up() const noexcept override { return up_.load(std::memory_order_relaxed); }
    std::vector<Ipv6Address> addresses() const override { return settings_.addresses; }

    void attach(Sink& sink) override;
    void detach() noexcept override;

    std::size_t send(std::span<const TxFrame> frames) noexcept override;
    void receive(std::size_t most) noexcept override;
    int receive_fd() const noexcept override { return replay_ ? alarm_.fd() : -1; }
    /// A completion channel looks again when it has given its event. Nobody waits for a further frame then, and the one
    /// that has come would wait for it.
    void waited() noexcept override { waited_.store(alarm_.is_watched(), std::memory_order_relaxed); }
    void watched(bool on) noexcept override { alarm_.watched(on); }
    int set_flows(std::span<const FlowMatch* const> flows) noexcept override;
    bool looks_at_flows() const noexcept override { return true; }
    std::uint64_t lost() noexcept override { return replay_ ? replay_->unfit() : 0; }
    std::uint64_t unsent() noexcept override { return unsent_.value(); }

    PcapReport report() const;

private:
    /// How long before a frame is due a waiting thread is woken: most wake-ups take less.
    static constexpr std::uint64_t lead_ns = 100'000;
    /// When an empty pipe, or a queue that lacked a receive, is looked at again.
    static constexpr std::uint64_t pipe_retry_ns = 1'000'000, receive_retry_ns = 100'000;

    std::size_t deliver(std::size_t most) noexcept;
    void spin_until_due() noexcept;
    void set_alarm() noexcept;
    void end() noexcept;
    void go_down() noexcept;

    const Settings settings_;
    Alarm alarm_;
    std::optional<Replay> replay_;
    std::optional<Recorder> recorder_;
    std::atomic<bool> up_{true};
    std::atomic<Sink*> sink_{nullptr};
    std::atomic<bool> has_flows_{false};
    std::atomic<bool> waited_{false};
    std::atomic<bool> has_ended_{false};

    std::mutex receive_mutex_;
    bool lacks_receive_ = false;
    bool is_idle_ = false;  ///< the last call found no frame due

    std::atomic<int> out_error_{0};
    Counter recorded_;
    Counter unsent_;
};

}  // namespace pktverbs::soft::pcap
