// SPDX-License-Identifier: Apache-2.0
// PostedCalls: calls that any thread posts for one thread to make.
#pragma once

#include <functional>
#include <list>
#include <mutex>
#include <utility>

namespace pktverbs::async {

class PostedCalls {
public:
    /// Any thread.
    void add(std::function<void()> call) {
        const std::lock_guard lock{mutex_};
        calls_.push_back(std::move(call));
    }

    /// Makes those that have been posted. If one throws, those after it are posted again, before later ones, and
    /// `wake()` is called.
    template <class Wake>
    void make(const Wake& wake) {
        Calls now;
        {
            const std::lock_guard lock{mutex_};
            now.swap(calls_);
        }
        try {
            while (!now.empty()) {
                Calls first;
                first.splice(first.begin(), now, now.begin());
                first.front()();
            }
        } catch (...) {
            if (put_back(now)) wake();
            throw;
        }
    }

private:
    using Calls = std::list<std::function<void()>>;  ///< moved from list to list without memory

    /// Whether there were any.
    bool put_back(Calls& calls) noexcept {
        if (calls.empty()) return false;
        const std::lock_guard lock{mutex_};
        calls_.splice(calls_.begin(), calls);
        return true;
    }

    std::mutex mutex_;
    Calls calls_;
};

}  // namespace pktverbs::async
