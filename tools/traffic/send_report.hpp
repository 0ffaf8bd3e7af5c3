// SPDX-License-Identifier: Apache-2.0
// SendReport: what was sent, how fast, and what held it up.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include <pktverbs/time/rate.hpp>

namespace tool {

/// A value; those of several threads can be added.
struct SendReport {
    std::uint64_t packets = 0;  ///< handed to the device
    std::uint64_t bytes = 0;    ///< of their frames
    double seconds = 0;
    std::optional<pktverbs::Rate> asked = {};
    double achieved = 0;         ///< in the unit of `asked`
    bool missed = false;         ///< slower than asked by more than 1 %
    double blocked_seconds = 0;  ///< without a free buffer, as the device had not sent yet what it held
    double cpu_seconds = 0;      ///< of the sending threads
    std::uint32_t threads = 0;
    std::chrono::nanoseconds longest_lag{0};  ///< how late the latest batch was
    int error = 0;                            ///< the errno with which the device refused a packet

    SendReport& operator+=(const SendReport& other);
    /// Why it was not faster.
    std::string reason() const;
};

/// A rate in the unit that it counts: "9.87 Gb/s", "1.49 Mpps".
std::string rate_text(pktverbs::Rate::Unit unit, double per_second);
/// A rate of any size in the unit of another one, no less than a rate can be.
pktverbs::Rate rate_like(const pktverbs::Rate& unit, double per_second);

}  // namespace tool
