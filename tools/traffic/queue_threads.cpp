// SPDX-License-Identifier: Apache-2.0
#include "queue_threads.hpp"

#include <fmt/format.h>

#include <utility>

#include "base/quantity.hpp"
#include "base/rates.hpp"

namespace tool {

void QueueThreads::start(std::size_t count, const CpuList& cpus, std::function<void(std::size_t)> work) {
    work_ = std::move(work);
    running_ = count;
    for (std::size_t i = 0; i < count; ++i)
        threads_.emplace_back([this, cpus, i] {
            std::exception_ptr failure;
            try {
                cpus.pin(i);
                work_(i);
            } catch (...) {
                failure = std::current_exception();
            }
            const std::lock_guard lock{mutex_};
            if (failure) failure_ = failure;
            --running_;
            ended_.notify_all();
        });
}

bool QueueThreads::wait_until(Output::Clock::time_point time) {
    std::unique_lock lock{mutex_};
    return ended_.wait_until(lock, time, [&] { return running_ == 0; });
}

void QueueThreads::report(Output& output, const std::function<Sent()>& sent) {
    RateMeter meter{Output::Clock::now()};
    while (!wait_until(output.due())) {
        const auto [packets, bytes] = sent();
        const auto [bps, pps] = meter.read(Output::Clock::now(), packets, bytes);
        output.report(
            fmt::format("{:>14} packets {:>11} {:>10}", packets, bits_per_second(bps), packets_per_second(pps)),
            Record{}.set("packets", packets).set("bytes", bytes).set("rate_bps", bps).set("rate_pps", pps));
    }
    threads_.clear();
}

void QueueThreads::check() const {
    if (failure_) std::rethrow_exception(failure_);
}

}  // namespace tool
