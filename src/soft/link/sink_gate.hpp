// SPDX-License-Identifier: Apache-2.0
// SinkGate: the device that a link delivers to, until it is taken away.
#pragma once

#include <atomic>
#include <thread>

#include "soft/link/link.hpp"

namespace pktverbs::soft {

class SinkGate {
public:
    void open(Sink& sink) noexcept { sink_.store(&sink); }
    /// No Use is left when this returns, and later ones find no sink.
    void close() noexcept {
        sink_.store(nullptr);
        while (in_use_.load()) std::this_thread::yield();
    }
    /// Null while closed.
    const std::atomic<Sink*>& sink() const noexcept { return sink_; }

    /// The sink, which stays while this lives. One at a time.
    class Use {
    public:
        explicit Use(SinkGate& gate) noexcept : gate_{gate} {
            // Sequentially consistent, here and in close(): either this sees no sink, or close() sees this.
            gate_.in_use_.store(true);
            sink_ = gate_.sink_.load();
        }
        ~Use() { gate_.in_use_.store(false, std::memory_order_release); }
        Use(const Use&) = delete;
        Use& operator=(const Use&) = delete;
        Sink* sink() const noexcept { return sink_; }

    private:
        SinkGate& gate_;
        Sink* sink_;
    };

private:
    std::atomic<Sink*> sink_{nullptr};
    std::atomic<bool> in_use_{false};
};

}  // namespace pktverbs::soft
