// SPDX-License-Identifier: Apache-2.0
// Switch: passes frames between ports: between two all of them, between more those that a learning bridge would.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "bridge/mac_table.hpp"
#include "bridge/port.hpp"

namespace tool {

/// One thread does it all. Not aware of VLANs: a station is behind one port, whatever its tags.
class Switch {
public:
    using Clock = std::chrono::steady_clock;

    struct Job {
        std::chrono::seconds ageing{300};
        std::chrono::nanoseconds hold{};  ///< how long to wait for room at a full port
        bool spin = false;
    };

    /// Opens all devices.
    Switch(const std::vector<std::string>& devices, const Job& job);
    Switch(const Switch&) = delete;
    Switch& operator=(const Switch&) = delete;
    ~Switch();

    /// Passes frames on, and waits for some if there are none, until `until`, or a stop.
    void run(Clock::time_point until, const std::stop_token& stop);
    /// Waits until what was sent has left.
    void flush();
    /// Once a second: what needs no more haste.
    void tick();

    std::vector<std::unique_ptr<Port>>& ports() noexcept { return ports_; }
    /// Stations that are known now; 0 between two ports, which need not know any.
    std::size_t stations() const noexcept;
    std::uint64_t moves() const noexcept { return table_.moves(); }

private:
    bool pass_all(const std::stop_token& stop);
    bool pass(std::size_t from, const std::stop_token& stop);
    void pass_on(pktverbs::RecvPkt& pkt, std::size_t from, std::size_t batch, const std::stop_token& stop);
    void wait(Clock::time_point until, const std::stop_token& stop);
    std::uint32_t oldest_heard() const noexcept;

    Job job_;
    int wake_ = -1;  // an eventfd that ends the wait
    std::vector<std::uint8_t> memory_;
    std::vector<std::unique_ptr<Port>> ports_;
    MacTable table_;
    std::uint32_t now_;  // in seconds
};

}  // namespace tool
