// SPDX-License-Identifier: Apache-2.0
#include "context/flow_slots.hpp"

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

namespace pktverbs {

void FlowSlots::set(std::size_t slot, const FlowRule& rule, Queues queues, const Install& install, const Same& same) {
    const std::lock_guard lock{mutex_};
    const auto at = slots_.find(slot);
    std::vector<std::size_t> chosen{queues.begin(), queues.end()};
    const bool is_taken = at != slots_.end();
    // The same rule again would be refused as a duplicate of itself.
    if (is_taken && at->second.flow.installed() && std::ranges::equal(at->second.queues, queues) &&
        same(rule, at->second.flow.rule()))
        return;
    Flow flow;
    try {
        flow = install(rule, queues);
    } catch (const std::system_error& error) {
        if (error.code().value() != EEXIST || !is_taken) throw;
        // mlx5 refuses two rules that differ only in their actions: the old one has to go first.
        const FlowRule old = at->second.flow.rule();
        at->second.flow.remove();
        try {
            flow = install(rule, queues);
        } catch (...) {
            try {
                at->second.flow = install(old, at->second.queues);
            } catch (...) {
                slots_.erase(at);  // the first failure is the one to report
            }
            throw;
        }
    }
    // Nothing of this fails once the old rule has gone.
    Slot filled{std::move(chosen), std::move(flow)};
    if (is_taken)
        at->second = std::move(filled);
    else
        slots_.emplace(slot, std::move(filled));
}

void FlowSlots::clear(std::size_t slot) {
    const std::lock_guard lock{mutex_};
    slots_.erase(slot);
}

void FlowSlots::clear() {
    const std::lock_guard lock{mutex_};
    slots_.clear();
}

}  // namespace pktverbs
