// SPDX-License-Identifier: Apache-2.0
// ReturnGate: counts the threads that are returning packets to a queue, so that nothing is destroyed under them.
#pragma once

#include <atomic>
#include <cstdint>

namespace pktverbs {

class Core;

class ReturnGate {
public:
    explicit ReturnGate(Core& core) noexcept : core_{core} {}

    /// One thread that is returning packets.
    class Visit {
    public:
        explicit Visit(ReturnGate& gate) noexcept : gate_{gate} {
            // Sequentially consistent, as in close(): either this sees `closed_`, or close() sees this.
            gate_.visitors_.fetch_add(1);
            is_late_ = gate_.closed_.load();
        }
        ~Visit() { leave(); }
        Visit(const Visit&) = delete;
        Visit& operator=(const Visit&) = delete;

        /// The queue was closed before: there is nothing to return packets to.
        bool is_late() const noexcept { return is_late_; }
        /// Ends the visit, and counts `packets` that came too late. With the last of them, the queue is deleted.
        void count_late(std::uint32_t packets) noexcept;

    private:
        void leave() noexcept {
            if (!has_left_) gate_.visitors_.fetch_sub(1);
            has_left_ = true;
        }

        ReturnGate& gate_;
        bool is_late_ = false;
        bool has_left_ = false;
    };

    /// Makes every later visit late, and waits for the earlier ones.
    void close() noexcept;
    /// Waits for the visits that have begun.
    void wait() const noexcept;

private:
    Core& core_;
    std::atomic<bool> closed_{false};
    std::atomic<std::uint32_t> visitors_{0};
};

}  // namespace pktverbs
