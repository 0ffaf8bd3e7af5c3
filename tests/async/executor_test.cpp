// SPDX-License-Identifier: Apache-2.0
// Executor: tasks, timers, calls from other threads, and how all of them end.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <pktverbs/async/sleep.hpp>

#include "expect_error.hpp"
#include "own_coroutine.hpp"

namespace pktverbs::testing {
namespace {

using namespace std::chrono_literals;
using async::Executor;
using async::Task;

/// Readable and writable as an eventfd is.
class Gate final : public async::Operation {
public:
    Gate(int fd, std::chrono::nanoseconds timeout = std::chrono::nanoseconds::max(), std::stop_token stop = {})
        : Operation{nullptr, timeout, std::move(stop)}, fd_{fd} {}
    bool await_resume() const {
        check();
        return passed_;
    }

private:
    int fd() const noexcept override { return fd_; }
    bool attempt(Cause cause) noexcept override {
        eventfd_t count = 0;
        passed_ = eventfd_read(fd_, &count) == 0;
        return passed_ || cause >= Cause::timeout || stop().stop_requested();
    }

    int fd_;
    bool passed_ = false;
};

using Log = std::vector<std::string>;

class Executors : public ::testing::Test {
protected:
    ~Executors() override {
        close(event_fd);
        close(other_fd);
    }
    bool readable() const {
        pollfd waiting{executor->fd(), POLLIN, 0};
        return poll(&waiting, 1, 0) == 1;
    }
    Task<> note(std::string text) {
        log.push_back(std::move(text));
        co_return;
    }
    Task<> nap(std::chrono::nanoseconds time, std::string text, std::stop_token stop = {}) {
        const bool passed = co_await async::sleep(time, stop);
        log.push_back(std::move(text) + (passed ? "" : " stopped"));
    }
    Task<> pass(std::string text, std::stop_token stop = {}) {
        const bool passed = co_await Gate{event_fd, std::chrono::nanoseconds::max(), stop};
        log.push_back(std::move(text) + (passed ? "" : " stopped"));
    }

    int event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int other_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    Log log;
    std::optional<Executor> executor{std::in_place};
};

TEST_F(Executors, HasNothingToDoAtFirst) {
    EXPECT_FALSE(readable());
    EXPECT_TRUE(executor->run());
    EXPECT_FALSE(executor->step(0ns));
}

TEST_F(Executors, StartsTasksInTheirOrderWhenItRuns) {
    executor->spawn(note("a"));
    executor->spawn(note("b"));
    EXPECT_TRUE(log.empty());
    EXPECT_TRUE(executor->run());
    EXPECT_EQ(log, (Log{"a", "b"}));
}

TEST_F(Executors, RunsTasksThatTasksSpawn) {
    const auto spawn = [](Executor& on, Log& notes, int depth, auto self) -> Task<> {
        notes.push_back(std::to_string(depth));
        if (depth < 3)
            for (int i = 0; i < 2; ++i) on.spawn(self(on, notes, depth + 1, self));
        co_return;
    };
    executor->spawn(spawn(*executor, log, 1, spawn));
    EXPECT_TRUE(executor->run());
    EXPECT_EQ(log, (Log{"1", "2", "2", "3", "3", "3", "3"}));
}

TEST_F(Executors, GiveTasksTheirExecutor) {
    const auto inner = []() -> Task<bool> { co_return co_await async::sleep(0ns); };  // would throw without one
    const auto outer = [](auto make, bool& passed) -> Task<> { passed = co_await make(); };
    bool passed = false;
    executor->spawn(outer(inner, passed));
    EXPECT_TRUE(executor->run());
    EXPECT_TRUE(passed);
}

TEST_F(Executors, WakeSleepersInTheOrderOfTheirTimes) {
    executor->spawn(nap(3ms, "3"));
    executor->spawn(nap(1ms, "1"));
    executor->spawn(nap(2ms, "2"));
    executor->spawn(nap(-1s, "before"));
    const auto start = std::chrono::steady_clock::now();
    EXPECT_TRUE(executor->run());
    EXPECT_GE(std::chrono::steady_clock::now() - start, 3ms);
    EXPECT_EQ(log, (Log{"before", "1", "2", "3"}));
}

TEST_F(Executors, KeepTheTimeOfALaterTimerWhenAnEarlierOneIsStopped) {
    std::stop_source stop;
    executor->spawn(nap(1h, "long", stop.get_token()));
    executor->spawn(nap(5ms, "short"));
    const auto start = std::chrono::steady_clock::now();
    EXPECT_FALSE(executor->run_for(5ms));
    stop.request_stop();
    EXPECT_TRUE(executor->run());
    EXPECT_GE(std::chrono::steady_clock::now() - start, 5ms);
    EXPECT_EQ(log.size(), 2u);
}

TEST_F(Executors, GiveOthersATurnWhenATaskNeverHasToWait) {
    bool done = false;
    const auto busy = [](const bool& until) -> Task<> {
        while (!until) co_await async::sleep(0ns);
    };
    const auto late = [](bool& flag) -> Task<> {
        co_await async::sleep(1ms);
        flag = true;
    };
    executor->spawn(busy(done));
    executor->spawn(late(done));
    EXPECT_TRUE(executor->run());
}

TEST_F(Executors, StopSleepersFromAnotherThread) {
    std::stop_source stop;
    executor->spawn(nap(1h, "one", stop.get_token()));
    executor->spawn(nap(std::chrono::nanoseconds::max(), "two", stop.get_token()));
    executor->spawn(nap(1ms, "three"));
    std::jthread asking{[&] { stop.request_stop(); }};
    EXPECT_TRUE(executor->run());
    EXPECT_EQ(std::ranges::count(log, "one stopped") + std::ranges::count(log, "two stopped"), 2);
    EXPECT_EQ(log.size(), 3u);
}

TEST_F(Executors, MayBeStoppedByATaskOfTheirOwn) {
    std::stop_source stop;
    executor->spawn(nap(1h, "one", stop.get_token()));
    const auto ask = [](std::stop_source& source) -> Task<> {
        co_await async::sleep(1ns);
        source.request_stop();
    };
    executor->spawn(ask(stop));
    EXPECT_TRUE(executor->run(stop.get_token()) || executor->run());
    EXPECT_EQ(log, Log{"one stopped"});
}

TEST_F(Executors, LeaveRunWhenAskedAndTasksAsTheyAre) {
    std::stop_source stop;
    executor->spawn(pass("through"));
    std::jthread asking{[&] { stop.request_stop(); }};
    EXPECT_FALSE(executor->run(stop.get_token()));
    EXPECT_FALSE(executor->run_for(1ms));
    eventfd_write(event_fd, 1);
    EXPECT_TRUE(executor->run());
    EXPECT_EQ(log, Log{"through"});
}

TEST_F(Executors, RunCallsThatAnyThreadPosted) {
    constexpr int count = 500;
    std::atomic<int> called{0};
    const auto thread_id = std::this_thread::get_id();
    bool others = false;
    std::vector<std::jthread> threads;
    for (int i = 0; i < 3; ++i)
        threads.emplace_back([&] {
            for (int n = 0; n < count; ++n)
                executor->post([&] {
                    ++called;
                    others |= std::this_thread::get_id() != thread_id;
                });
        });
    while (called != 3 * count) executor->step(std::chrono::nanoseconds::max());
    EXPECT_FALSE(others);
}

TEST_F(Executors, RunCallsThatWerePostedBefore) {
    executor->post([&] { log.emplace_back("called"); });
    EXPECT_TRUE(executor->run());
    EXPECT_EQ(log, Log{"called"});
}

TEST_F(Executors, GoOnAfterACallThatThrows) {
    for (int i = 0; i < 3; ++i)
        executor->post([this, i] {
            log.push_back(std::to_string(i));
            if (i == 1) throw std::runtime_error{"call"};
        });
    executor->spawn(pass("through"));
    eventfd_write(event_fd, 1);
    EXPECT_THROW(executor->run(), std::runtime_error);
    EXPECT_TRUE(executor->run());
    EXPECT_EQ(log.size(), 4u) << "three calls, one task";
}

TEST_F(Executors, KeepTheCallsBehindOneThatThrows) {
    executor->post([&] {
        executor->post([&] { log.emplace_back("3"); });
        throw std::runtime_error{"mine"};
    });
    executor->post([&] { log.emplace_back("1"); });
    executor->post([&] { log.emplace_back("2"); });
    EXPECT_THROW(executor->step(0ns), std::runtime_error);
    EXPECT_TRUE(readable());
    executor->step(0ns);
    EXPECT_EQ(log, (Log{"1", "2", "3"}));
}

TEST_F(Executors, StepForNoLongerThanTheirTimeout) {
    EXPECT_FALSE(executor->step(0ns));
    EXPECT_FALSE(executor->step(1ns));
    EXPECT_FALSE(executor->step(-1s));
    executor->wake();
    EXPECT_TRUE(executor->step(std::chrono::nanoseconds::max()));
    EXPECT_FALSE(executor->step(0ns));
}

TEST_F(Executors, ThrowWhatLeavesATask) {
    const auto fail = [](std::string what) -> Task<> {
        co_await async::sleep(1ns);
        throw std::runtime_error{what};
    };
    executor->spawn(fail("one"));
    executor->spawn(fail("two"));
    for (const char* what : {"one", "two"}) try {
            executor->run();
            FAIL() << "did not throw";
        } catch (const std::runtime_error& error) {
            EXPECT_STREQ(error.what(), what);
            EXPECT_EQ(readable(), std::string{what} == "one");
        }
    EXPECT_TRUE(executor->run());
}

TEST_F(Executors, EndSuspendedTasksLastSpawnedFirst) {
    struct Notes {
        Log& log;
        std::string text;
        ~Notes() { log.push_back(text); }
    };
    const auto hold = [](Log& notes, std::string text, int fd) -> Task<> {
        const Notes guard{notes, text};
        co_await Gate{fd};
    };
    const auto wrap = [&](Log& notes, std::string text, int fd) -> Task<> {
        const Notes guard{notes, text + " outside"};
        co_await hold(notes, text, fd);
    };
    executor->spawn(hold(log, "first", event_fd));
    executor->spawn(nap(1h, "never"));
    executor->spawn(wrap(log, "second", other_fd));
    executor->spawn(note("starts"));
    executor->step(0ns);
    executor->spawn(note("was not started"));
    executor.reset();
    EXPECT_EQ(log, (Log{"starts", "second", "second outside", "first"}));
}

TEST_F(Executors, EndWhileAnotherThreadStopsThem) {
    for (int turn = 0; turn < 200; ++turn) {
        std::stop_source stop;
        executor.emplace();
        for (int i = 0; i < 4; ++i) executor->spawn(nap(1h, "", stop.get_token()));
        executor->step(0ns);
        std::jthread asking{[&] { stop.request_stop(); }};
        executor.reset();
    }
}

TEST_F(Executors, ResumeCoroutinesThatAreNoTasksWhenTheyEnd) {
    const auto wait = [](Executor& on, Log& notes) -> OwnCoroutine {
        notes.push_back(co_await async::sleep(on, 1h) ? "passed" : "stopped");
        notes.push_back(co_await async::sleep(on, 1h) ? "passed" : "stopped again");
    };
    wait(*executor, log);
    EXPECT_TRUE(log.empty());
    executor.reset();
    EXPECT_EQ(log, (Log{"stopped", "stopped again"}));
}

TEST_F(Executors, CatchExceptionsOfCoroutinesThatAreNoTasks) {
    const auto wait = [](Executor& on, Log& notes) -> ThrowingCoroutine {
        notes.push_back(co_await async::sleep(on, 1h) ? "passed" : "stopped");
        throw std::runtime_error{"a destructor must not throw"};
    };
    const ThrowingCoroutine one = wait(*executor, log), two = wait(*executor, log);
    executor.reset();
    EXPECT_EQ(log, (Log{"stopped", "stopped"}));
}

TEST_F(Executors, RunUntilOtherCoroutinesHaveWhatTheyWaitFor) {
    const auto wait = [](Executor& on, Log& notes) -> OwnCoroutine {
        for (int i = 0; i < 100; ++i) co_await async::sleep(on, 0ns);
        notes.push_back(co_await async::sleep(on, 1ms) ? "passed" : "stopped");
    };
    wait(*executor, log);
    EXPECT_TRUE(executor->run());
    EXPECT_EQ(log, Log{"passed"});
}

BoundCoroutine nap_on(Executor&, Log& notes) { notes.push_back(co_await async::sleep(1ms) ? "passed" : "stopped"); }

TEST_F(Executors, AreFoundByPromisesOfTheUsersOwn) {
    nap_on(*executor, log);
    EXPECT_TRUE(executor->run());
    EXPECT_EQ(log, Log{"passed"});
}

TEST_F(Executors, RefuseACoroutineWithoutOne) {
    const auto wait = [](Log& notes) -> OwnCoroutine {
        try {
            co_await async::sleep(1h);
        } catch (const std::system_error& error) {
            EXPECT_EQ(error.code().value(), EINVAL);
            notes.emplace_back(error.what());
        }
    };
    wait(log);
    ASSERT_EQ(log.size(), 1u);
    expect_words(log[0], {"cannot wait in this coroutine", "it has no executor"});
}

TEST_F(Executors, RefuseTwoThatWaitForOneDescriptor) {
    executor->spawn(pass("first"));
    executor->spawn(pass("second"));
    expect_words(expect_error(EBUSY, [&] { executor->run(); }),
                 {"cannot watch a descriptor", "another coroutine or hook waits for it"});
    eventfd_write(event_fd, 1);
    EXPECT_TRUE(executor->run());
    EXPECT_EQ(log, Log{"first"});
}

TEST_F(Executors, ReportADescriptorThatCannotBeWatched) {
    const int folder = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const auto wait = [](int fd) -> Task<> { co_await Gate{fd}; };
    executor->spawn(wait(folder));
    // epoll_ctl(2): not for regular files and folders.
    expect_words(expect_error(EPERM, [&] { executor->run(); }), {"cannot watch a descriptor", "epoll_ctl"});
    close(folder);
}

TEST_F(Executors, WatchADescriptorThatCameInThePlaceOfAnother) {
    for (int turn = 0; turn < 3; ++turn) {
        std::stop_source stop;
        executor->spawn(pass("gate", stop.get_token()));
        EXPECT_FALSE(executor->run_for(0ns));
        stop.request_stop();
        EXPECT_TRUE(executor->run());
        const int same = event_fd;
        close(event_fd);
        event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        ASSERT_EQ(event_fd, same);
        executor->spawn(pass("new gate"));
        EXPECT_FALSE(executor->run_for(0ns));
        eventfd_write(event_fd, 1);
        EXPECT_TRUE(executor->run());
    }
    EXPECT_EQ(log, (Log{"gate stopped", "new gate", "gate stopped", "new gate", "gate stopped", "new gate"}));
}

TEST_F(Executors, IgnoreADescriptorThatNoCoroutineWaitsFor) {
    std::stop_source stop;
    executor->spawn(pass("gate", stop.get_token()));
    executor->step(0ns);
    stop.request_stop();
    EXPECT_TRUE(executor->run());
    eventfd_write(event_fd, 1);
    executor->step(0ns);  // it was still watched, once
    EXPECT_FALSE(readable());
    EXPECT_FALSE(executor->step(0ns));
}

TEST_F(Executors, ArePartOfAnotherLoop) {
    executor->spawn(note("a"));
    EXPECT_TRUE(readable());
    executor->step(0ns);
    EXPECT_FALSE(readable());
    executor->spawn(nap(1ms, "b"));
    executor->step(0ns);
    pollfd waiting{executor->fd(), POLLIN, 0};
    EXPECT_EQ(poll(&waiting, 1, 20'000), 1);
    while (log.size() < 2) executor->step(0ns);
    EXPECT_FALSE(readable());
}

}  // namespace
}  // namespace pktverbs::testing
