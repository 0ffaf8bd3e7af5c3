// SPDX-License-Identifier: Apache-2.0
// Background: what goes on beside a test.
#pragma once

#include <atomic>
#include <thread>

namespace pktverbs::testing {

/// Runs `body` again and again on another thread until it goes out of scope.
class Background {
public:
    template <class Body>
    explicit Background(Body body)
        : thread_{[this, body]() mutable {
              while (!stop_) body();
          }} {}
    ~Background() {
        stop_ = true;
        thread_.join();
    }

private:
    std::atomic<bool> stop_{false};
    std::thread thread_;
};

}  // namespace pktverbs::testing
