// SPDX-License-Identifier: Apache-2.0
// Hook and Work: callbacks on an executor; and awaitables without a descriptor.
#include <gtest/gtest.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

#include <pktverbs/async/hook.hpp>
#include <pktverbs/async/sleep.hpp>
#include <pktverbs/async/work.hpp>

#include "base/event_fd.hpp"
#include "expect_error.hpp"
#include "own_coroutine.hpp"

namespace pktverbs::testing {
namespace {

using namespace std::chrono_literals;
using async::Executor;
using async::Hook;
using async::Task;

/// A hook that notes its calls.
struct Caller {
    Caller(Executor& executor, std::string& notes, char letter, std::function<void()> then = {})
        : log{notes}, name{letter}, and_then{std::move(then)}, hook{executor, Hook::call<&Caller::call>(*this)} {}
    bool call() {
        log += name;
        if (and_then) and_then();
        return true;
    }

    std::string& log;
    char name;
    std::function<void()> and_then;
    Hook hook;
};

class Hooks : public ::testing::Test {
protected:
    bool readable() const {
        pollfd waiting{executor.fd(), POLLIN, 0};
        return poll(&waiting, 1, 0) == 1;
    }
    void run_out() {
        for (int i = 0; i < 1000 && executor.step(0ns); ++i) continue;
    }

    EventFd event;
    EventFd other;
    std::string log;
    Executor executor;
};

TEST_F(Hooks, AreCalledWhileTheirDescriptorIsReadable) {
    Caller caller{executor, log, 'a'};
    caller.hook.watch(event.get());
    EXPECT_FALSE(executor.step(0ns));
    event.set();
    EXPECT_TRUE(readable());
    EXPECT_TRUE(executor.step(0ns));
    EXPECT_TRUE(executor.step(0ns));
    event.clear();
    EXPECT_FALSE(executor.step(0ns));
    EXPECT_EQ(log, "aa");
}

TEST_F(Hooks, AreNotCalledAfterACancel) {
    Caller watching{executor, log, 'a'};
    Caller timed{executor, log, 'b'};
    Caller soon{executor, log, 'c'};
    watching.hook.watch(event.get());
    event.set();
    timed.hook.call_after(0ns);
    soon.hook.call_soon();
    for (Caller* caller : {&watching, &timed, &soon}) caller->hook.cancel();
    run_out();
    EXPECT_EQ(log, "");
    EXPECT_FALSE(readable());
    watching.hook.watch(event.get());
    executor.step(0ns);
    EXPECT_EQ(log, "a");
}

TEST_F(Hooks, AreNotCalledAfterTheirEnd) {
    for (int trigger = 0; trigger < 3; ++trigger) {
        std::optional<Caller> caller{std::in_place, executor, log, 'a'};
        if (trigger == 0) caller->hook.watch(event.get());
        if (trigger == 1) caller->hook.call_after(0ns);
        if (trigger == 2) caller->hook.call_soon();
        event.set();
        caller.reset();
        run_out();
    }
    EXPECT_EQ(log, "");
}

TEST_F(Hooks, MayEndWhileTheyAreCalled) {
    for (int trigger = 0; trigger < 3; ++trigger) {
        std::optional<Caller> caller;
        caller.emplace(executor, log, 'a', [&] { caller.reset(); });
        if (trigger == 0) caller->hook.watch(event.get());
        if (trigger == 1) caller->hook.call_after(0ns);
        if (trigger == 2) caller->hook.call_soon();
        event.set();
        while (caller) executor.step(std::chrono::nanoseconds::max());
        run_out();
    }
    EXPECT_EQ(log, "aaa");
}

TEST_F(Hooks, MayEndOthersThatAreDue) {
    std::optional<Caller> victim{std::in_place, executor, log, 'v'};
    std::optional<Caller> watching{std::in_place, executor, log, 'w'};
    Caller first{executor, log, 'a', [&] {
                     victim.reset();
                     watching.reset();
                 }};
    first.hook.call_soon();
    victim->hook.call_soon();
    watching->hook.watch(event.get());
    event.set();
    run_out();
    EXPECT_EQ(log, "a");
}

TEST_F(Hooks, AreCalledSoonOnce) {
    Caller caller{executor, log, 'a'};
    caller.hook.call_soon();
    caller.hook.call_soon();
    EXPECT_TRUE(readable());
    run_out();
    EXPECT_EQ(log, "a");
    EXPECT_FALSE(readable());
}

TEST_F(Hooks, LetOthersHaveTheirTurn) {
    Caller busy{executor, log, 'a', [&] { busy.hook.call_soon(); }};
    busy.hook.call_soon();
    executor.step(0ns);
    EXPECT_LE(log.size(), 2u);
    EXPECT_TRUE(readable()) << "it is due again";
    executor.step(0ns);
    EXPECT_LE(log.size(), 4u);
}

TEST_F(Hooks, AreCalledInTheOrderOfTheirTimes) {
    Caller late{executor, log, 'c'}, early{executor, log, 'a'}, between{executor, log, 'b'};
    std::chrono::steady_clock::time_point start;
    do {  // again if it took so long that their times were in another order
        start = std::chrono::steady_clock::now();
        late.hook.call_after(3ms);
        early.hook.call_after(1ms);
        between.hook.call_after(2ms);
    } while (std::chrono::steady_clock::now() - start >= 1ms);
    while (log.size() < 3) executor.step(std::chrono::nanoseconds::max());
    EXPECT_GE(std::chrono::steady_clock::now() - start, 3ms);
    EXPECT_EQ(log, "abc");
}

TEST_F(Hooks, ShareTheClockWithCoroutines) {
    Caller first{executor, log, 'a'}, third{executor, log, 'c'}, never{executor, log, 'x'};
    never.hook.call_after(1h);
    // Each waits for the other, so that the order does not depend on how busy the machine is.
    executor.spawn([](std::string& notes, async::Hook& before, async::Hook& after) -> Task<> {
        before.call_after(1ms);
        while (notes != "a") co_await async::sleep(1ms);
        notes += 'b';
        after.call_after(1ms);
        while (notes != "abc") co_await async::sleep(1ms);
        notes += 'd';
    }(log, first.hook, third.hook));
    EXPECT_TRUE(executor.run());
    EXPECT_EQ(log, "abcd");
}

TEST_F(Hooks, KeepTheLaterOfTheirTimes) {
    Caller caller{executor, log, 'a'};
    caller.hook.call_after(0ns);
    caller.hook.call_after(std::chrono::nanoseconds::max());
    run_out();
    EXPECT_EQ(log, "");
    caller.hook.call_soon();
    caller.hook.call_after(1h);
    run_out();
    EXPECT_EQ(log, "");
    caller.hook.call_soon();
    run_out();
    EXPECT_EQ(log, "a");
}

TEST_F(Hooks, LoseNothingToOnesThatThrow) {
    const auto fail = [] { throw std::runtime_error{"mine"}; };
    Caller first{executor, log, 'a', fail}, second{executor, log, 'b', fail}, third{executor, log, 'c'};
    Caller watching{executor, log, 'w', [&] {
                        event.clear();
                        fail();
                    }};
    Caller also{executor, log, 'x', [&] { other.clear(); }};
    first.hook.call_soon();
    second.hook.call_after(0ns);
    third.hook.call_soon();
    watching.hook.watch(event.get());
    also.hook.watch(other.get());
    event.set();
    other.set();
    executor.post([&] { log += 'p'; });
    int thrown = 0;
    for (int i = 0; i < 10; ++i) try {
            if (!executor.step(0ns)) break;
        } catch (const std::runtime_error&) {
            ++thrown;
            EXPECT_TRUE(readable() || log.size() == 6) << log;
        }
    EXPECT_EQ(thrown, 3);
    std::ranges::sort(log);
    EXPECT_EQ(log, "abcpwx");
}

TEST_F(Hooks, RefuseADescriptorThatIsWaitedFor) {
    Caller first{executor, log, 'a'}, second{executor, log, 'b'};
    first.hook.watch(event.get());
    expect_words(expect_error(EBUSY, [&] { second.hook.watch(event.get()); }),
                 {"cannot watch a descriptor", "another coroutine or hook waits for it"});
    expect_error(EBADF, [&] { second.hook.watch(-1); });
    first.hook.watch(other.get());  // leaves the other one
    second.hook.watch(event.get());
    event.set();
    executor.step(0ns);
    EXPECT_EQ(log, "b");
}

TEST_F(Hooks, AreNothingToWaitFor) {
    Caller watching{executor, log, 'a'}, timed{executor, log, 'b'};
    watching.hook.watch(event.get());
    timed.hook.call_after(1h);
    EXPECT_TRUE(executor.run());
}

TEST_F(Hooks, AreWaitedForWithWork) {
    std::optional<async::Work> work{std::in_place, executor};
    std::optional<async::Work> more{std::in_place, executor};
    Caller caller{executor, log, 'a', [&] { work.reset(); }};
    EXPECT_FALSE(executor.run_for(0ns));
    more.reset();
    caller.hook.call_after(1ms);
    EXPECT_TRUE(executor.run());
    EXPECT_EQ(log, "a");
}

/// What a coroutine waits with for someone to open it.
struct Door {
    struct Waiting : async::Waiter {
        explicit Waiting(Door& door) noexcept : at{door} {}
        bool await_ready() const noexcept { return false; }
        void await_suspend(std::coroutine_handle<> by) noexcept { at.waiters.push(*this, by); }
        void await_resume() const noexcept {}
        Door& at;
    };
    Waiting pass() noexcept { return Waiting{*this}; }
    void open(Executor& executor) noexcept {
        while (!waiters.empty()) executor.resume_soon(waiters.front());
    }
    async::WaiterList waiters;
};

TEST_F(Hooks, ResumeWaitersLaterAndInTheirOrder) {
    Door door;
    const auto wait = [](Door& at, std::string& notes, char name) -> OwnCoroutine {
        co_await at.pass();
        notes += name;
    };
    for (const char name : {'a', 'b', 'c'}) wait(door, log, name);
    run_out();
    door.open(executor);
    EXPECT_EQ(log, "") << "not inside that call";
    EXPECT_TRUE(readable());
    EXPECT_TRUE(executor.run());
    EXPECT_EQ(log, "abc");
}

TEST_F(Hooks, ResumeNoTaskThatHasEnded) {
    Door door;
    const auto wait = [](Door& at, std::string& notes) -> Task<> {
        co_await at.pass();
        notes += 'a';
    };
    {
        Executor ending;
        ending.spawn(wait(door, log));
        ending.step(0ns);
        door.open(ending);
    }
    EXPECT_EQ(log, "");
}

TEST_F(Hooks, ResumeOtherCoroutinesAtTheEnd) {
    Door door;
    const auto wait = [](Door& at, std::string& notes) -> ThrowingCoroutine {
        co_await at.pass();
        notes += 'a';
        throw std::runtime_error{"a destructor must not throw"};
    };
    std::optional<Executor> ending{std::in_place};
    const ThrowingCoroutine one = wait(door, log), two = wait(door, log);
    door.open(*ending);
    ending.reset();
    EXPECT_EQ(log, "aa");
}

}  // namespace
}  // namespace pktverbs::testing
