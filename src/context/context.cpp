// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/context.hpp>

#include <fmt/core.h>
#include <pktverbs/counters/counters.hpp>
#include <pktverbs/device.hpp>
#include <pktverbs/verbs/async_event.hpp>
#include <pktverbs/verbs/endpoint.hpp>

#include <algorithm>
#include <cerrno>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include "base/deadline.hpp"
#include "context/core.hpp"
#include "context/rss_groups.hpp"
#include "datagram/datagram_state.hpp"
#include "flow/flow_registry.hpp"
#include "memory/region_table.hpp"

namespace pktverbs {

Context::Context(std::string_view device, const Options& options) : Context(find_device(device), options) {}

Context::Context(Device device, const Options& options) : core_{new Core{std::move(device), options}, &Core::release} {}

Context::Context(Context&&) noexcept = default;
Context& Context::operator=(Context&&) noexcept = default;
Context::~Context() = default;

void Context::close() {
    if (!core_) return;
    if (const std::uint32_t held = core_->held(); held != 0)
        throw std::system_error{EBUSY, std::generic_category(),
                                fmt::format("cannot close {}: {} packets are still held in lists (let the lists end, "
                                            "or release them, first)",
                                            core_->device.name, held)};
    core_.reset();
}

RecvList Context::recv(std::chrono::nanoseconds timeout, std::stop_token stop) noexcept {
    return core_->receiver->recv(timeout, stop);
}

SendList Context::acquire(std::size_t count) noexcept { return core_->queues.front()->send_side.acquire(count); }

SendList Context::acquire(std::size_t count, std::chrono::nanoseconds timeout, std::stop_token stop) noexcept {
    return core_->queues.front()->send_side.acquire(count, timeout, stop);
}

SendList Context::send(SendList packets) noexcept {
    // A queue refuses packets that are not its own.
    Queue* const of = SendSide::queue_of(packets);
    const bool ours = of && &QueueState::of(*of).core == core_.get();
    (ours ? QueueState::of(*of) : *core_->queues.front()).send_side.send(packets);
    return packets;
}

bool Context::flush(std::chrono::nanoseconds timeout, std::stop_token stop) noexcept {
    const auto start = std::chrono::steady_clock::now();
    bool done = true;
    for (const auto& queue : core_->queues) {
        const auto spent = std::chrono::steady_clock::now() - start;
        done &= queue->flush(timeout == no_timeout ? no_timeout : timeout - spent, stop);
    }
    return done;
}

Flow Context::install(const FlowRule& rule) {
    const std::span all{core_->all_queues};
    return install(rule, core_->rss ? all : all.first(1));
}

Flow Context::install(const FlowRule& rule, std::size_t queue) { return install(rule, std::span{&queue, 1}); }

Flow Context::install(const FlowRule& rule, std::span<const std::size_t> queues) {
    for (const std::size_t queue : queues)
        if (queue >= core_->queues.size())
            throw std::system_error{
                EINVAL, std::generic_category(),
                fmt::format("cannot install a flow on queue {}: there are {}", queue, core_->queues.size())};
    if (queues.empty()) throw std::system_error{EINVAL, std::generic_category(), "cannot install a flow on no queue"};
    if (core_->datagrams)
        verbs::throw_error(EOPNOTSUPP, fmt::format("install a flow on {}", core_->device.name),
                           "datagrams come by Datagrams::endpoint(), or by join() to a group");
    if (core_->rss) {
        rule.check();
        return core_->flows->install(rule, core_->rss->target(rule, queues));
    }
    if (queues.size() != 1)
        verbs::throw_error(EOPNOTSUPP,
                           fmt::format("install a flow on {} queues of {}", queues.size(), core_->device.name),
                           "open it with Options::rss");
    return core_->flows->install(rule, core_->queues[queues.front()]->qp());
}

void Context::set_flow(std::size_t slot, const FlowRule& rule) {
    const std::span all{core_->all_queues};
    set_flow(slot, rule, core_->rss ? all : all.first(1));
}

void Context::set_flow(std::size_t slot, const FlowRule& rule, std::size_t queue) {
    set_flow(slot, rule, std::span{&queue, 1});
}

void Context::set_flow(std::size_t slot, const FlowRule& rule, std::span<const std::size_t> queues) {
    core_->flow_slots.set(
        slot, rule, queues, [this](const FlowRule& wanted, FlowSlots::Queues on) { return install(wanted, on); },
        [this](const FlowRule& a, const FlowRule& b) { return core_->flows->same(a, b); });
}

void Context::clear_flow(std::size_t slot) { core_->flow_slots.clear(slot); }

Datagrams& Context::datagrams() {
    if (core_->datagrams) return *core_->datagrams;
    verbs::throw_error(EOPNOTSUPP, fmt::format("address datagrams on {}", core_->device.name),
                       "it was opened for raw packets: open it with transport = Transport::datagram");
}

verbs::LocalSlice Context::add_region(const Region& region) { return core_->regions->add(region); }

void Context::remove_region(std::span<const std::uint8_t> bytes) noexcept { core_->regions->remove(bytes); }

std::optional<verbs::LocalSlice> Context::slice(std::span<const std::uint8_t> bytes) const noexcept {
    return core_->regions->find(bytes);
}

std::size_t Context::queue_count() const noexcept { return core_->queues.size(); }

Queue& Context::queue(std::size_t index) {
    if (index < core_->queues.size()) return *core_->queues[index];
    verbs::throw_error(EINVAL, fmt::format("use queue {} of {}", index, core_->device.name),
                       fmt::format("there are {}, counted from 0", core_->queues.size()));
}

int Context::fd() const noexcept { return core_->receiver->fd(); }
bool Context::arm() noexcept { return core_->receiver->arm(); }
void Context::drain() noexcept { core_->receiver->drain(); }

const Device& Context::device() const noexcept { return core_->device; }
const Limits& Context::limits() const noexcept { return core_->limits; }

Stats Context::stats() const {
    Stats sum;
    for (const auto& queue : core_->queues) sum += queue->stats();
    sum.drops = core_->drops();
    return sum;
}

Counters Context::counters() const {
    Counters counters;
    counters.device = core_->device.name;
    for (const auto& queue : core_->queues) counters.queues.push_back(queue->stats());
    counters.drops = core_->drops();
    for (FlowRegistry::Counted& flow : core_->flows->counts()) {
        counters.flows.push_back(
            {.id = flow.id, .rule = flow.rule.to_string(), .queues = core_->queues_of(flow.qp), .count = flow.count});
    }
    counters.interface = core_->interface_counters.read();
    return counters;
}

std::optional<verbs::AsyncEvent> Context::next_event() noexcept { return core_->events->next(); }

std::optional<verbs::AsyncEvent> Context::wait_event(std::chrono::nanoseconds timeout, std::stop_token stop) noexcept {
    return core_->events->wait(timeout, stop);
}

MacAddress Context::mac() const noexcept { return core_->mac(); }

std::uint32_t Context::mtu() const noexcept { return core_->mtu(); }

ibv_port_attr Context::port() const {
    ibv_port_attr port{};
    verbs::check_result(core_->action("query_port", "query the port of"), [&] {
        return core_->device.provider->query_port(core_->context.get(), core_->device.port, &port);
    });
    return port;
}

ibv_device_attr Context::attributes() const {
    ibv_device_attr attr{};
    verbs::check_result(core_->action("query_device", "query"),
                        [&] { return core_->device.provider->query_device(core_->context.get(), &attr); });
    return attr;
}

ibv_context* Context::raw() noexcept { return core_->context.get(); }
ibv_pd* Context::raw_pd() noexcept { return core_->pd.get(); }

}  // namespace pktverbs
