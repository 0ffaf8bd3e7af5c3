// SPDX-License-Identifier: Apache-2.0
// StopWake: sets an EventFd when a stop is requested, and clears it at the end.
#pragma once

#include <stop_token>

#include "base/event_fd.hpp"

namespace pktverbs {

class StopWake {
public:
    StopWake(const std::stop_token& stop, const EventFd& event)
        : clear_{stop.stop_possible() ? &event : nullptr}, callback_{stop, Set{&event}} {}
    StopWake(const StopWake&) = delete;
    StopWake& operator=(const StopWake&) = delete;

private:
    struct Set {
        const EventFd* event;
        void operator()() const noexcept { event->set(); }
    };
    struct Clear {
        const EventFd* event;
        ~Clear() {
            if (event) event->clear();
        }
    };
    Clear clear_;  // before the callback, so that it runs when no callback can come any more
    std::stop_callback<Set> callback_;
};

}  // namespace pktverbs
