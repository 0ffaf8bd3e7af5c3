// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/context.hpp>

#include <fmt/core.h>
#include <pktverbs/verbs/async_event.hpp>
#include <pktverbs/verbs/endpoint.hpp>
#include <pktverbs/datagram/peer.hpp>
#include <pktverbs/counters/counters.hpp>
#include <pktverbs/device.hpp>

#include <algorithm>
#include <cerrno>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include "base/deadline.hpp"
#include "context/core.hpp"
#include "context/datagrams.hpp"
#include "context/queue_state.hpp"
#include "context/rss_groups.hpp"
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
    Core& core = *core_;
    if (core.queues.size() == 1) return core.queues.front()->recv(timeout, std::move(stop));
    return core.recv(timeout, stop);
}

SendList Context::acquire(std::size_t count) noexcept { return core_->queues.front()->acquire(count); }

SendList Context::acquire(std::size_t count, std::chrono::nanoseconds timeout, std::stop_token stop) noexcept {
    return core_->queues.front()->acquire(count, timeout, std::move(stop));
}

SendList Context::send(SendList packets) noexcept {
    // A queue refuses what is not its own.
    Queue* const queue = packets.queue_;
    const bool ours = queue && &queue->state_->core == core_.get();
    return (ours ? *queue : *core_->queues.front()).send(std::move(packets));
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
                           "datagrams come by endpoint(), or by join() to a group");
    if (core_->rss) {
        rule.check();
        return core_->flows->install(rule, core_->rss->target(rule, queues));
    }
    if (queues.size() != 1)
        verbs::throw_error(EOPNOTSUPP,
                           fmt::format("install a flow on {} queues of {}", queues.size(), core_->device.name),
                           "open it with Options::rss");
    return core_->flows->install(rule, core_->queues[queues.front()]->raw());
}

void Context::set_flow(std::size_t slot, const FlowRule& rule) {
    const std::span all{core_->all_queues};
    set_flow(slot, rule, core_->rss ? all : all.first(1));
}

void Context::set_flow(std::size_t slot, const FlowRule& rule, std::size_t queue) {
    set_flow(slot, rule, std::span{&queue, 1});
}

void Context::set_flow(std::size_t slot, const FlowRule& rule, std::span<const std::size_t> queues) {
    const std::lock_guard lock{core_->slots_mutex};
    const auto at = core_->slots.find(slot);
    std::vector<std::size_t> chosen{queues.begin(), queues.end()};
    // The same again would be refused as a duplicate of itself.
    const bool is_taken = at != core_->slots.end();
    if (is_taken && at->second.flow.installed() && std::ranges::equal(at->second.queues, queues) &&
        core_->flows->same(rule, at->second.flow.rule()))
        return;
    Flow flow;
    try {
        flow = install(rule, queues);
    } catch (const std::system_error& error) {
        if (error.code().value() != EEXIST || !is_taken) throw;
        // mlx5 takes no two rules that differ only in what they do: this one has to come after the old one has gone.
        const FlowRule old = at->second.flow.rule();
        at->second.flow.remove();
        try {
            flow = install(rule, queues);
        } catch (...) {
            try {
                at->second.flow = install(old, at->second.queues);
            } catch (...) {
                core_->slots.erase(at);  // the first reason is the one to tell
            }
            throw;
        }
    }
    // Nothing of this fails once the old rule has gone.
    Core::Slot filled{std::move(chosen), std::move(flow)};
    if (is_taken)
        at->second = std::move(filled);
    else
        core_->slots.emplace(slot, std::move(filled));
}

void Context::clear_flow(std::size_t slot) {
    const std::lock_guard lock{core_->slots_mutex};
    core_->slots.erase(slot);
}

namespace {

Datagrams& datagrams_of(const Core& core) {
    if (core.datagrams) return *core.datagrams;
    verbs::throw_error(EOPNOTSUPP, fmt::format("address datagrams on {}", core.device.name),
                       "it was opened for raw packets: open it with transport = Transport::datagram");
}

Queue& queue_at(const Core& core, std::size_t index) {
    if (index < core.queues.size()) return *core.queues[index];
    verbs::throw_error(EINVAL, fmt::format("use queue {} of {}", index, core.device.name),
                       fmt::format("there are {}, counted from 0", core.queues.size()));
}

constexpr std::uint32_t everybody = 0xffffff;  ///< the queue pair number of multicast datagrams

}  // namespace

verbs::Endpoint Context::endpoint(std::size_t queue) const {
    const Queue::State& state = *queue_at(*core_, queue).state_;
    return datagrams_of(*core_).endpoint(*state.qp, state.qkey);
}

Peer Context::peer(const verbs::Endpoint& endpoint) {
    return {datagrams_of(*core_).way_to(endpoint.gid, endpoint.lid), endpoint.queue_pair, endpoint.qkey};
}

Peer Context::peer(const RecvPkt& packet) {
    Datagrams& datagrams = datagrams_of(*core_);
    datagrams.need_ethernet();
    const ibv_grh* const grh = packet.grh();
    if (!grh || !packet.ok())
        verbs::throw_error(EINVAL, fmt::format("answer a packet on {}", core_->device.name), "it is no datagram");
    return {datagrams.way_to(verbs::source_of(*grh)), packet.source_queue_pair(), core_->queues[0]->state_->qkey};
}

Peer Context::peer(const Ipv4Address& group) { return peer(verbs::to_mapped(group)); }

Peer Context::peer(const Ipv6Address& group) {
    Datagrams& datagrams = datagrams_of(*core_);
    datagrams.need_ethernet();
    return {datagrams.way_to(group), everybody, core_->queues[0]->state_->qkey};
}

void Context::join(const Ipv4Address& group, std::size_t queue) { join(verbs::to_mapped(group), queue); }

void Context::join(const Ipv6Address& group, std::size_t queue) {
    datagrams_of(*core_).join(*queue_at(*core_, queue).raw(), group);
}

void Context::leave(const Ipv4Address& group, std::size_t queue) { leave(verbs::to_mapped(group), queue); }

void Context::leave(const Ipv6Address& group, std::size_t queue) {
    datagrams_of(*core_).leave(*queue_at(*core_, queue).raw(), group);
}

verbs::LocalSlice Context::add_region(const Region& region) { return core_->regions->add(region); }

void Context::remove_region(std::span<const std::uint8_t> bytes) noexcept { core_->regions->remove(bytes); }

std::optional<verbs::LocalSlice> Context::slice(std::span<const std::uint8_t> bytes) const noexcept {
    return core_->regions->find(bytes);
}

std::size_t Context::queue_count() const noexcept { return core_->queues.size(); }
Queue& Context::queue(std::size_t index) { return queue_at(*core_, index); }

int Context::fd() const noexcept { return core_->all_ready ? core_->all_ready->fd() : core_->queues.front()->fd(); }

bool Context::arm() noexcept {
    bool armed = true;
    for (const auto& queue : core_->queues) armed &= queue->arm();
    return armed;
}

void Context::drain() noexcept {
    Core& core = *core_;
    if (!core.all_ready) return core.queues.front()->drain();
    core.all_ready->drain(core, [&core](std::uint32_t i) {
        const SideGuard guard{core.queues[i]->state_->recv_side};
        core.queues[i]->take_events();
    });
}

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

std::optional<verbs::AsyncEvent> Context::next_event() noexcept {
    core_->look_for_device_events();
    return core_->events.take();
}

std::optional<verbs::AsyncEvent> Context::wait_event(std::chrono::nanoseconds timeout, std::stop_token stop) noexcept {
    return core_->wait_event(timeout, stop);
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
