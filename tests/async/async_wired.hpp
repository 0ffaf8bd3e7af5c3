// SPDX-License-Identifier: Apache-2.0
// AsyncWired: Contexts on a wire, received from by coroutines.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <pktverbs/async/recv.hpp>
#include <pktverbs/async/send.hpp>
#include <pktverbs/async/sleep.hpp>

#include "wired.hpp"

namespace pktverbs::testing {

/// How often a race is repeated: sanitizers are slow.
#ifdef PKTVERBS_SANITIZED
constexpr std::uint32_t races(std::uint32_t count) { return count / 10; }
#else
constexpr std::uint32_t races(std::uint32_t count) { return count; }
#endif

class AsyncWired : public Wired {
protected:
    using Task = async::Task<>;

    /// Receives until `count` packets or another outcome; records numbers and the outcome.
    template <class Source>
    struct Receiver {
        Source& source;
        std::uint32_t count = 1;
        std::chrono::nanoseconds timeout = no_timeout;
        std::stop_token stop{};
        Numbers got{};
        std::vector<std::size_t> batches{};
        std::optional<Outcome> outcome{};

        Task run() {
            while (got.size() < count) {
                const RecvList list = co_await async::recv(source, timeout, stop);
                outcome = list.outcome();
                if (list.empty()) co_return;
                batches.push_back(list.size());
                for (const RecvPkt& pkt : list) got.push_back(number_of(pkt.bytes()));
            }
        }
    };
    template <class Source>
    Receiver(Source&, std::uint32_t) -> Receiver<Source>;

    static Numbers counted(std::uint32_t count, std::uint32_t first = 0) {
        Numbers all(count);
        for (std::uint32_t i = 0; i < count; ++i) all[i] = first + i;
        return all;
    }
};

}  // namespace pktverbs::testing
