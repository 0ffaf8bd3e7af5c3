// SPDX-License-Identifier: Apache-2.0
// TrialRunner: sends from one context to another, and counts what arrives.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <vector>

#include <pktverbs/context.hpp>
#include <pktverbs/time/rate.hpp>
#include "search/rate_search.hpp"
#include "traffic/payload.hpp"
#include "traffic/stream.hpp"

namespace tool {

/// Runs trials, one after the other: a thread sends, the caller's receives. The contexts must outlive it, and the
/// receiver's flows be installed.
class TrialRunner {
public:
    /// `unit` says what rates count.
    TrialRunner(pktverbs::Context& from, pktverbs::Context& to, std::vector<Stream> streams, pktverbs::Rate unit)
        : from_{from}, to_{to}, streams_{std::move(streams)}, unit_{unit} {}

    /// `settle`: how long after the last packet another one may come. nullopt: stopped.
    std::optional<Trial> run(double rate, std::chrono::nanoseconds time, std::chrono::nanoseconds settle,
                             const std::stop_token& stop);
    /// Packets of trials that had ended, which came too late to count.
    std::uint64_t stragglers() const noexcept { return stragglers_; }

private:
    struct Arrivals;

    pktverbs::Context& from_;
    pktverbs::Context& to_;
    std::vector<Stream> streams_;
    pktverbs::Rate unit_;
    std::uint64_t trial_ = 0;
    std::uint64_t stragglers_ = 0;
};

}  // namespace tool
