// SPDX-License-Identifier: Apache-2.0
// one_core: how fast one thread moves frames along one or several paths, in turns; verified at the receivers.
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "measure.hpp"
#include "path.hpp"

namespace {

using Clock = std::chrono::steady_clock;

/// A path, and how long its stretches took. A stretch is long beside reading the clock, and short beside the time for
/// which a machine stays the same.
class Runner {
public:
    explicit Runner(const std::string& text)
        : name_{text}, path_{text}, made_{path_.make()}, turns_{std::max(1U, 2048 / path_.options().batch)} {
        for (std::uint32_t i = 0; i < turns_; ++i) made_->turn();
    }

    void stretch() {
        const auto begin = Clock::now();
        for (std::uint32_t i = 0; i < turns_; ++i) made_->turn();
        const double ns = std::chrono::duration<double, std::nano>{Clock::now() - begin}.count();
        ns_.push_back(ns / frames());
        total_ns_ += ns;
    }
    void report(double cpu_share) {
        made_->check();
        const double all = frames() * static_cast<double>(ns_.size());
        fmt::print(
            "{{\"path\": \"{}\", \"frames\": {:.0f}, \"per_second\": {:.0f}, \"median_ns\": {:.3f}, "
            "\"cpu_share\": {:.3f}}}\n",
            name_, all, all / total_ns_ * 1e9, measure::median(ns_), cpu_share);
    }

private:
    double frames() const { return static_cast<double>(turns_) * path_.options().batch; }

    std::string name_;
    bench::NamedPath path_;
    std::unique_ptr<bench::Path> made_;
    std::uint32_t turns_;
    std::vector<double> ns_;
    double total_ns_ = 0;
};

}  // namespace

int main(int argc, char** argv) try {
    if (argc < 3) {
        fmt::print(stderr, "usage: one_core SECONDS PATH...\n");
        return 2;
    }
    const double seconds = std::stod(argv[1]);
    std::vector<Runner> runners;
    for (int i = 2; i < argc; ++i) runners.emplace_back(argv[i]);
    const measure::Stopwatch watch;
    while (watch.seconds() < seconds)
        for (Runner& runner : runners) runner.stretch();
    const double cpu_share = watch.cpu_share();
    for (Runner& runner : runners) runner.report(cpu_share);
    return 0;
} catch (const std::exception& error) {
    fmt::print(stderr, "one_core: {}\n", error.what());
    return 1;
}
