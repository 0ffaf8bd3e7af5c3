// SPDX-License-Identifier: Apache-2.0
#include "dropin/faulty_verbs.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <iterator>
#include <mutex>
#include <utility>

#include <pktverbs/soft/device.hpp>

#include "dropin/verb_slots.hpp"
#include "verbs/failure.hpp"

namespace pktverbs::dropin {
namespace {

/// This process's faults, global because verbs are plain functions.
struct Active {
    FaultPlan plan;
    std::array<std::atomic<std::uint64_t>, std::size(verb_names)> calls{};
    verbs::Provider table = soft::provider();
    std::mutex mutex;  ///< for opening: add_faults()
};

/// Never destroyed: threads may call verbs while the process ends.
Active& active() noexcept {
    static Active& only = *new Active;
    return only;
}

/// The errno with which this call of a verb fails, or 0.
int next_error(std::size_t verb) noexcept {
    return active().plan.error_of(verb, active().calls[verb].fetch_add(1, std::memory_order_relaxed) + 1);
}

/// A failing post reports the first request that it did not take: here, the first of all.
template <class Queue, class Request>
void refuse_requests(Queue*, Request* first, Request** refused) noexcept {
    *refused = first;
}
template <class... Args>
void refuse_requests(Args...) noexcept {}

/// The tables that point to verbs: some verbs are in two tables, with separate functions.
enum class In { provider, context };

template <In, std::size_t number, class Function>
struct Faulty;

template <In table, std::size_t number, class Result, class... Args>
struct Faulty<table, number, Result (*)(Args...)> {
    /// The soft device's own functions; all of its contexts have the same.
    static inline Result (*real)(Args...) = nullptr;

    static Result call(Args... args) {
        if (const int error = next_error(number)) {
            refuse_requests(args...);
            return verbs::failure<Result>(verb_names[number], error);
        }
        return real(args...);
    }
};

/// Replaces `function` by a verb that may fail, if the plan names it and the device has it.
template <In table, std::size_t number, class Function>
void replace(Function& function) noexcept {
    using Wrapped = Faulty<table, number, Function>;
    if (!function || function == Wrapped::call || !active().plan.names(number)) return;
    // Other threads may be calling it already: written only if it changes.
    if (Wrapped::real != function) Wrapped::real = function;
    function = Wrapped::call;
}

template <In table>
constexpr auto replacing = [](auto number, auto& function) noexcept { replace<table, number>(function); };

}  // namespace

void set_faults(FaultPlan plan, const verbs::Provider& provider) {
    active().plan = std::move(plan);
    for (auto& count : active().calls) count.store(0, std::memory_order_relaxed);
    active().table = provider;
    visit_provider(active().table, replacing<In::provider>);
}

const verbs::Provider& faulty_provider() noexcept { return active().table; }

void add_faults(ibv_context& context) {
    const std::lock_guard lock{active().mutex};
    visit_ops(context.ops, replacing<In::context>);
    if (verbs_context* const extended = verbs_get_ctx(&context)) visit_extended(*extended, replacing<In::context>);
}

}  // namespace pktverbs::dropin
