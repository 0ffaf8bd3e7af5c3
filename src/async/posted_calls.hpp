// SPDX-License-Identifier: Apache-2.0
// PostedCalls: functions that any thread posts and one thread calls.
#pragma once

#include <functional>
#include <list>
#include <mutex>
#include <utility>

namespace pktverbs::async {

class PostedCalls {
public:
    /// Any thread may call it.
    void add(std::function<void()> call) {
        const std::lock_guard lock{mutex_};
        calls_.push_back(std::move(call));
    }

    /// Calls the functions posted so far. If one throws, those after it are kept as the first ones of the next call,
    /// and `wake()` is called.
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
    using Calls = std::list<std::function<void()>>;  ///< moving an element between lists allocates nothing

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
