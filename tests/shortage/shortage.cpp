// SPDX-License-Identifier: Apache-2.0
#include "shortage.hpp"

#include <dirent.h>
#include <execinfo.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>
#include <optional>
#include <system_error>

#include <fmt/format.h>

#include <pktverbs/soft/wire.hpp>

#include "allocations.hpp"

namespace pktverbs::testing {

namespace {

// The running scenario, for tell_of_the_end().
char now_running[256] = "nothing";

std::size_t count_descriptors() {
    std::size_t count = 0;
    DIR* const folder = ::opendir("/proc/self/fd");
    while (::readdir(folder)) ++count;
    ::closedir(folder);
    return count;
}

/// Lets just `count` more descriptors be opened: a new one gets the lowest free number (POSIX), and none may be as high
/// as the limit.
class DescriptorLimit {
public:
    explicit DescriptorLimit(std::uint64_t count) {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        rlim_t limit = 0;
        for (;; ++limit) {
            if (::fcntl(static_cast<int>(limit), F_GETFD) >= 0) continue;
            if (count-- == 0) break;
        }
        rlimit low = before_;
        low.rlim_cur = limit;
        ::setrlimit(RLIMIT_NOFILE, &low);
    }
    ~DescriptorLimit() { ::setrlimit(RLIMIT_NOFILE, &before_); }
    DescriptorLimit(const DescriptorLimit&) = delete;
    DescriptorLimit& operator=(const DescriptorLimit&) = delete;

private:
    rlimit before_{};
};

void print_end() noexcept {
    std::fprintf(stderr, "\nThe process ends while running %s\n", now_running);
    std::array<void*, 64> frames;
    ::backtrace_symbols_fd(frames.data(), ::backtrace(frames.data(), static_cast<int>(frames.size())), STDERR_FILENO);
}

/// The exception's data, copied without allocating.
struct Thrown {
    enum class Kind : std::uint8_t { nothing, bad_alloc, system_error, wrong, other } kind = Kind::nothing;
    int error = 0;
    std::array<char, 512> words{};

    void say(const char* text) noexcept { std::strncpy(words.data(), text, words.size() - 1); }
};

Thrown play(Play& play) noexcept {
    Thrown thrown;
    try {
        play.run();
    } catch (const std::bad_alloc&) {
        thrown.kind = Thrown::Kind::bad_alloc;
    } catch (const std::system_error& error) {
        thrown.kind = Thrown::Kind::system_error;
        thrown.error = error.code().value();
        thrown.say(error.what());
    } catch (const Wrong& wrong) {
        thrown.kind = Thrown::Kind::wrong;
        std::snprintf(thrown.words.data(), thrown.words.size(), "line %d: %s", wrong.line, wrong.what);
    } catch (const std::exception& error) {
        thrown.kind = Thrown::Kind::other;
        thrown.say(error.what());
    }
    return thrown;
}

bool is_of(Shortage::Kind kind, int error) {
    if (kind == Shortage::Kind::descriptors) return error == EMFILE;
    return error == ENOMEM;
}

std::string judge(const Thrown& thrown, Shortage::Kind kind) {
    const std::string words = thrown.words.data();
    switch (thrown.kind) {
        case Thrown::Kind::nothing:
        case Thrown::Kind::bad_alloc:
            break;
        case Thrown::Kind::system_error:
            if (!is_of(kind, thrown.error)) return fmt::format("the wrong errno, {}: {}", thrown.error, words);
            if (!words.starts_with("cannot ")) return fmt::format("an error without words: {}", words);
            break;
        case Thrown::Kind::wrong:
            return "does not hold: " + words;
        case Thrown::Kind::other:
            return "another exception: " + words;
    }
    return {};
}

/// Making a wire discards unused ones: do it now.
void forget_wires() { const soft::Wire wire{"shortage.none"}; }

}  // namespace

std::string Shortage::to_string() const {
    switch (kind) {
        case Kind::one_allocation:
            return fmt::format("allocation {} failing", n);
        case Kind::allocations:
            return fmt::format("allocation {} failing, and all after it", n);
        case Kind::chance_allocations:
            return fmt::format("one allocation in {} failing, seed {}", n, seed);
        case Kind::descriptors:
            return fmt::format("{} descriptors left", n);
    }
    return "?";
}

RunResult run_short(const Scenario& scenario, const Shortage& shortage) {
    forget_wires();
    const std::string what = fmt::format("'{}' with {}", scenario.name, shortage.to_string());
    std::strncpy(now_running, what.c_str(), sizeof now_running - 1);
    const std::size_t open_before = count_descriptors();
    const std::int64_t live_before = Allocations::live();
    Thrown thrown;
    std::uint64_t refused = 0;
    {
        std::unique_ptr<Play> one = scenario.make();
        std::optional<DescriptorLimit> limit;
        switch (shortage.kind) {
            case Shortage::Kind::one_allocation:
            case Shortage::Kind::allocations:
                Allocations::fail(shortage.n, shortage.kind == Shortage::Kind::allocations);
                break;
            case Shortage::Kind::chance_allocations:
                Allocations::fail_by_chance(shortage.seed, static_cast<std::uint32_t>(shortage.n));
                break;
            case Shortage::Kind::descriptors:
                limit.emplace(shortage.n);
                break;
        }
        thrown = play(*one);
        one.reset();
        if (!limit) refused = Allocations::refused();
        Allocations::stop_failing();
    }
    forget_wires();
    const std::int64_t leaked = Allocations::live() - live_before;
    const std::size_t open_after = count_descriptors();
    std::strncpy(now_running, "nothing", sizeof now_running - 1);

    RunResult result;
    result.has_thrown = thrown.kind != Thrown::Kind::nothing;
    result.was_short = refused != 0 || (shortage.kind == Shortage::Kind::descriptors && result.has_thrown);
    std::string fault = judge(thrown, shortage.kind);
    if (!result.was_short && result.has_thrown && fault.empty()) fault = "fails with nothing short";
    if (fault.empty() && leaked != 0) fault = fmt::format("{} allocations leaked", leaked);
    if (fault.empty() && open_after != open_before)
        fault = fmt::format("{} descriptors were open, and then {}", open_before, open_after);
    if (!fault.empty()) result.fault = fmt::format("{}: {}", what, fault);
    return result;
}

void warm_up(const Scenario& scenario) {
    scenario.make()->run();
    forget_wires();
}

void tell_of_the_end() {
    std::array<void*, 4> frames;
    ::backtrace(frames.data(), static_cast<int>(frames.size()));  // which loads what it needs, once
    std::set_terminate([] {
        Allocations::stop_failing();
        print_end();
        std::abort();
    });
}

}  // namespace pktverbs::testing
