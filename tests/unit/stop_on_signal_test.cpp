// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/async/stop_on_signal.hpp>

#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <functional>
#include <stop_token>
#include <thread>

#include "expect_error.hpp"

namespace pktverbs {
namespace {

void wait_for(const std::stop_token& token) {
    while (!token.stop_requested()) std::this_thread::yield();
}

bool is_blocked(int signal) {
    sigset_t blocked;
    pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
    return sigismember(&blocked, signal) == 1;
}

/// Its wait status, if it is one: what blocks too long is ended by SIGALRM.
int in_a_process(const std::function<void()>& code) {
    const pid_t child = fork();
    if (child == 0) {
        alarm(60);
        code();
        _exit(0);
    }
    int status = 0;
    return waitpid(child, &status, 0) == child ? status : -1;
}

TEST(StopOnSignal, StopsForEachOfItsSignals) {
    for (const int signal : {SIGINT, SIGTERM}) {
        const StopOnSignal signals;
        const auto token = signals.token();
        EXPECT_FALSE(token.stop_requested());
        ASSERT_EQ(kill(getpid(), signal), 0);
        wait_for(token);
    }
}

TEST(StopOnSignal, TakesTheSignalsItIsGiven) {
    const StopOnSignal signals{SIGUSR1};
    EXPECT_TRUE(is_blocked(SIGUSR1));
    EXPECT_FALSE(is_blocked(SIGINT));
    ASSERT_EQ(kill(getpid(), SIGUSR1), 0);
    wait_for(signals.token());
}

TEST(StopOnSignal, UnblocksThemInTheEnd) {
    { const StopOnSignal signals; }
    EXPECT_FALSE(is_blocked(SIGINT));
    EXPECT_FALSE(is_blocked(SIGTERM));
}

TEST(StopOnSignal, LeavesBlockedWhatWasBlocked) {
    sigset_t usr1;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &usr1, nullptr);
    { const StopOnSignal signals{SIGUSR1, SIGUSR2}; }
    EXPECT_TRUE(is_blocked(SIGUSR1));
    EXPECT_FALSE(is_blocked(SIGUSR2));
    pthread_sigmask(SIG_UNBLOCK, &usr1, nullptr);
}

TEST(StopOnSignal, HasATokenThatOutlivesIt) {
    std::stop_token token;
    {
        const StopOnSignal signals;
        token = signals.token();
    }
    EXPECT_FALSE(token.stop_requested());
}

TEST(StopOnSignal, CountsSignalsThatComeTogetherAsOne) {
    const int status = in_a_process([] {
        sigset_t both;
        sigemptyset(&both);
        sigaddset(&both, SIGINT);
        sigaddset(&both, SIGTERM);
        pthread_sigmask(SIG_BLOCK, &both, nullptr);
        kill(getpid(), SIGINT);
        kill(getpid(), SIGTERM);
        {
            const StopOnSignal signals;
            wait_for(signals.token());
        }
        pthread_sigmask(SIG_UNBLOCK, &both, nullptr);  // what was not taken ends the process
    });
    EXPECT_EQ(status, 0);
}

TEST(StopOnSignal, EndsTheProcessForASecondRequest) {
    const int status = in_a_process([] {
        const StopOnSignal signals;
        kill(getpid(), SIGTERM);
        wait_for(signals.token());
        for (;;) {
            kill(getpid(), SIGTERM);
            std::this_thread::yield();
        }
    });
    ASSERT_TRUE(WIFSIGNALED(status));
    EXPECT_EQ(WTERMSIG(status), SIGTERM);
}

TEST(StopOnSignal, TakesASignalThatWasIgnored) {
    std::signal(SIGUSR1, SIG_IGN);
    {
        const StopOnSignal signals{SIGUSR1};
        kill(getpid(), SIGUSR1);
        wait_for(signals.token());
    }
    std::signal(SIGUSR1, SIG_DFL);
}

TEST(StopOnSignal, RefusesWhatCannotBeBlocked) {
    for (const int signal : {SIGKILL, SIGSTOP, 0, -1, 1000})
        testing::expect_words(testing::expect_error(EINVAL, [&] { const StopOnSignal signals{signal}; }),
                              {"cannot stop on signal", "it cannot be blocked"});
    EXPECT_FALSE(is_blocked(SIGINT));
}

}  // namespace
}  // namespace pktverbs
