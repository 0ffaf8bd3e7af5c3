// SPDX-License-Identifier: Apache-2.0
// Scenarios with a Context on a wire.
#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <system_error>
#include <thread>
#include <tuple>

#include <pktverbs/async/recv.hpp>
#include <pktverbs/async/send.hpp>
#include <pktverbs/async/sleep.hpp>
#include <pktverbs/counters/counters.hpp>
#include <pktverbs/pktverbs.hpp>
#include <pktverbs/ring/block_ring.hpp>
#include <pktverbs/ring/ring_reader.hpp>
#include <pktverbs/ring/ring_receiver.hpp>
#include <pktverbs/soft/device.hpp>
#include <pktverbs/soft/wire.hpp>
#include <pktverbs/time/device_clock.hpp>
#include <pktverbs/time/pacer.hpp>
#include <pktverbs/time/rate.hpp>
#include <pktverbs/verbs/async_event.hpp>
#include <pktverbs/verbs/completion_channel.hpp>
#include <pktverbs/verbs/completion_queue.hpp>
#include <pktverbs/verbs/endpoint.hpp>
#include <pktverbs/verbs/memory_region.hpp>
#include <pktverbs/verbs/open_device.hpp>
#include <pktverbs/verbs/protection_domain.hpp>
#include <pktverbs/verbs/queue_pair.hpp>
#include <pktverbs/verbs/work_request.hpp>

#include "allocations.hpp"
#include "scenario.hpp"
#include "wire_device.hpp"

namespace pktverbs::testing {

namespace {

using namespace std::chrono_literals;

constexpr const char* wire_name = "shortage";
constexpr const char* device = "wire:shortage";
constexpr std::uint16_t first_type = 0x1000;

const Options small{.send_packets = 8, .recv_packets = 16, .max_packet_size = 256};

/// 60 bytes with an EtherType from first_type on, and a number after the header.
using Frame = std::array<std::uint8_t, 60>;
Frame frame(std::uint32_t number, std::uint8_t type = 0) {
    Frame made;
    made.fill(0xee);
    std::fill_n(made.begin(), 6, std::uint8_t{0xff});
    made[12] = first_type >> 8;
    made[13] = type;
    std::memcpy(&made[14], &number, sizeof number);
    return made;
}

/// In chunks, if the packet has several.
void fill(SendPkt& pkt, std::uint32_t number) {
    const Frame made = frame(number);
    std::size_t at = 0;
    for (std::size_t chunk = 0; chunk < pkt.chunk_count(); ++chunk) {
        const std::size_t bytes = std::min(pkt.buffer(chunk).size(), made.size() - at);
        std::copy_n(made.begin() + static_cast<std::ptrdiff_t>(at), bytes, pkt.buffer(chunk).begin());
        pkt.set_length(bytes, chunk);
        at += bytes;
    }
}

FlowRule of_type(std::uint8_t type) { return FlowRule{}.ether_type(static_cast<std::uint16_t>(first_type + type)); }

/// Opens by a string and closes, with more and more options.
class Opening final : public Play {
public:
    explicit Opening(const Options& options) : options_{options} {}
    void run() override {
        Context ctx{"wire:shortage?mtu=2000&ip=10.198.51.1", options_};
        PKTVERBS_REQUIRE(ctx.queue_count() == options_.queues);
        PKTVERBS_REQUIRE(ctx.limits().recv_packets == options_.recv_packets && !ctx.limits().mac.is_zero());
        ctx.close();
    }

private:
    const Options& options_;
};

/// Device strings that are refused.
class Refusing final : public Play {
public:
    void run() override {
        for (const char* text : {"nonsense:x", "wire:", "wire:x?mtu=1", "wire:x?colour=red", "packet:no_such_if0"})
            expect_refusal([&] { Context{text}; });
        expect_refusal([] { Context{device, {.max_packet_size = 1}}; });
        expect_refusal([] { FlowRule{}.src_ip("10.0.0.1").dst_ip("::1").check(); });
        expect_refusal([this] { static_cast<void>(ctx_.queue(1)); });
        expect_refusal([this] { static_cast<void>(ctx_.datagrams()); });
    }

private:
    template <class Call>
    void expect_refusal(Call&& call) {
        try {
            call();
        } catch (const std::system_error& error) {
            const int reason = error.code().value();
            if (reason == ENOMEM || reason == EMFILE) throw;
            PKTVERBS_REQUIRE(reason == EINVAL || reason == ENODEV || reason == EOPNOTSUPP);
            PKTVERBS_REQUIRE(std::string_view{error.what()}.size() > 20);
            return;
        }
        throw Wrong{"a bad text is taken", __LINE__};
    }

    Context ctx_{device, small};
};

/// A context, and the world at the other end of its wire.
class Wired : public Play {
protected:
    explicit Wired(const Options& options = small) : ctx{device, options} {}

    /// Whether a frame of this type arrives; with nothing short.
    bool hears(std::uint8_t type) {
        const Allocations::Pause pause;
        world.send(frame(7, type));
        std::size_t got = 0;
        for (std::size_t i = 0; i < ctx.queue_count(); ++i) got += ctx.queue(i).recv(0ns).size();
        return got != 0;
    }

    soft::Wire wire{wire_name};
    soft::WireTap world{wire_name};
    Context ctx;
};

/// Rules that are installed, removed and replaced: after a failure, the earlier ones are in force.
class Rules final : public Wired {
public:
    explicit Rules(std::uint8_t count) : count_{count} {}
    void run() override {
        ctx.set_flow(0, of_type(0));
        std::vector<Flow> flows;
        flows.reserve(count_);
        for (std::uint8_t type = 1; type < count_; ++type) {
            try {
                flows.push_back(ctx.install(of_type(type).count(type % 2 == 0)));
            } catch (...) {
                PKTVERBS_REQUIRE(hears(0) && !hears(type));
                PKTVERBS_REQUIRE(type == 1 || hears(static_cast<std::uint8_t>(type - 1)));
                throw;
            }
        }
        replace();
        ctx.set_flow(1, FlowRule{}.dst_ip("239.2.1.150").udp().dst_port(7148));
        ctx.clear_flow(1);
        for (const Flow& flow : flows) PKTVERBS_REQUIRE(flow.count().has_value() == flow.rule().fields().count);
        while (!flows.empty()) flows.pop_back();
        PKTVERBS_REQUIRE(hears(100) && !hears(1));
    }

private:
    void replace() {
        try {
            ctx.set_flow(0, of_type(100));
        } catch (...) {
            PKTVERBS_REQUIRE(hears(0) && !hears(100));
            throw;
        }
    }

    std::uint8_t count_;
};

/// A rule replaced on a device that refuses two identical rules, like mlx5: the old one is removed first.
class Replacing final : public Wired {
public:
    Replacing() {
        static verbs::Provider provider = soft::provider();
        provider.create_flow = [](ibv_qp* qp, ibv_flow_attr* attr) -> ibv_flow* {
            if (installed != 0) {
                errno = EEXIST;
                return nullptr;
            }
            ibv_flow* const flow = soft::provider().create_flow(qp, attr);
            if (flow) ++installed;
            return flow;
        };
        provider.destroy_flow = [](ibv_flow* flow) {
            --installed;
            return soft::provider().destroy_flow(flow);
        };
        Device strict = testing::wire_device(wire_name);
        strict.provider = &provider;
        installed = 0;
        strict_.emplace(strict, small);
        strict_->set_flow(0, of_type(0));
    }
    void run() override {
        try {
            strict_->set_flow(0, of_type(0).tag(5));
        } catch (...) {
            // In force, or, if it could not be restored, removed: the slot always reports the truth.
            const Allocations::Pause pause;
            strict_->set_flow(0, of_type(0));
            world.send(frame(1));
            PKTVERBS_REQUIRE(strict_->recv(0ns).size() == 1);
            throw;
        }
    }

private:
    static inline int installed = 0;
    std::optional<Context> strict_;
};

/// Frames from the world and from another context, over a wire with all faults; in the end, all are counted.
class Traffic final : public Play {
public:
    explicit Traffic(const Options& options)
        : wire_{"shortage.traffic"},
          world_{"shortage.traffic"},
          sender_{"wire:shortage.traffic", options},
          receiver_{"wire:shortage.traffic", options} {
        flow_ = receiver_.install(FlowRule{});
        wire_.set_faults({.loss = 0.1, .duplication = 0.2, .reordering = 0.2, .corruption = 0.2, .seed = 20261128});
    }
    void run() override {
        for (std::uint32_t turn = 0; turn < 12; ++turn) {
            SendList list = sender_.acquire(4);
            PKTVERBS_REQUIRE(list.size() == 4);
            for (SendPkt& pkt : list) fill(pkt, turn);
            PKTVERBS_REQUIRE(sender_.send(std::move(list)).empty());
            world_.send(frame(turn));
            receive();
            if (turn % 4 == 3) wire_.release_held();
        }
        wire_.set_faults({});
        wire_.release_held();
        receive();
        PKTVERBS_REQUIRE(sender_.flush(0ns));
        check();
    }

private:
    void receive() {
        for (RecvList got = receiver_.recv(0ns); !got.empty(); got = receiver_.recv(0ns)) received_ += got.size();
        tapped_ += world_.receive().size();
    }
    void check() {
        const soft::WireCounters wire = wire_.counters();
        const Stats to_receiver = receiver_.stats();
        const Stats to_sender = sender_.stats();
        PKTVERBS_REQUIRE(wire.offered + wire.duplicated == wire.delivered + wire.lost + wire.link_down + wire.held);
        PKTVERBS_REQUIRE(received_ == to_receiver.recv_packets);
        PKTVERBS_REQUIRE(wire.delivered == received_ + tapped_ + to_receiver.drops.total() + to_sender.drops.total());
        PKTVERBS_REQUIRE(to_sender.sent_packets == 48 && to_sender.in_flight == 0);
    }

    soft::Wire wire_;
    soft::WireTap world_;
    Context sender_, receiver_;
    Flow flow_;
    std::uint64_t received_ = 0, tapped_ = 0;
};

/// Far more events than are read; a queue that overflows, whose event changes of the link don't displace.
class Events final : public Wired {
public:
    void run() override {
        verbs::OpenDevice opened{testing::wire_device(wire_name)};
        verbs::CompletionQueue queue{opened, {.entries = 1}};
        verbs::ProtectionDomain domain{opened};
        verbs::QueuePair pair = verbs::QueuePairBuilder{domain, IBV_QPT_RAW_PACKET}.completes_on(queue).create();
        verbs::MemoryRegion region{domain, memory_};
        pair.activate();
        for (int i = 0; i < 2; ++i)
            PKTVERBS_REQUIRE(pair.post_send(verbs::SendRequest::send().with(region.slice(0, 60))).posted == 1);
        for (int i = 0; i < 200; ++i) wire.set_link(i % 2 != 0);
        PKTVERBS_REQUIRE(opened.next_event().value().type == IBV_EVENT_CQ_ERR);
        std::optional<verbs::AsyncEvent> last;
        int events = 0;
        for (auto event = ctx.next_event(); event; event = ctx.next_event(), ++events) {
            PKTVERBS_REQUIRE(!last || last->type != event->type);
            last = event;
        }
        PKTVERBS_REQUIRE(events == 64 && last->type == IBV_EVENT_PORT_ACTIVE);
        PKTVERBS_REQUIRE(last->to_string() == "port 1: port active");
    }

private:
    std::vector<std::uint8_t> memory_ = std::vector<std::uint8_t>(4096);
};

/// A queue that fails and recovers.
class Recovering final : public Wired {
public:
    Recovering() : flow_{ctx.install(FlowRule{}.priority(1))} {}
    void run() override {
        for (std::uint32_t turn = 0; turn < 3; ++turn) {
            world.send(too_long_);
            world.send(frame(turn));
            const RecvList list = ctx.recv(0ns);
            PKTVERBS_REQUIRE(ctx.queue(0).in_error());
            const Flow more = ctx.install(of_type(1).drop());
            ctx.queue(0).recover();
            PKTVERBS_REQUIRE(hears(0) && !hears(1));
        }
    }

private:
    std::vector<std::uint8_t> too_long_ = std::vector<std::uint8_t>(300);
    Flow flow_;
};

/// The program's own memory, added and removed.
class Regions final : public Wired {
public:
    void run() override {
        const std::span whole{memory_};
        const verbs::LocalSlice slice = ctx.add_region(whole);
        PKTVERBS_REQUIRE(ctx.slice(whole.subspan(memory_.size() / 2, 100)));
        PKTVERBS_REQUIRE(slice.size() == memory_.size());
        try {
            static_cast<void>(ctx.add_region(whole.first(memory_.size() / 2)));
        } catch (...) {
            PKTVERBS_REQUIRE(ctx.slice(whole));
            throw;
        }
        ctx.remove_region(whole);
        PKTVERBS_REQUIRE(!ctx.slice(whole));
    }

private:
    std::vector<std::uint8_t> memory_ = std::vector<std::uint8_t>(5 << 20);
};

/// Coroutines that receive, send and sleep on one executor, and calls posted to it.
class Coroutines final : public Wired {
public:
    Coroutines() : flow_{ctx.install(FlowRule{})}, other_{device, small} {}
    void run() override {
        async::Executor executor;
        std::stop_source stop;
        executor.spawn(receive(stop));
        executor.spawn(send(other_.queue(0)));
        executor.spawn(wait_a_little(executor));
        int called = 0;
        for (int i = 0; i < 3; ++i) executor.post([&called] { ++called; });
        PKTVERBS_REQUIRE(executor.run_for(20s));
        PKTVERBS_REQUIRE(called == 3 && received_ == 12);
    }

private:
    async::Task<> receive(std::stop_source stop) {
        while (received_ < 12) {
            const RecvList list = co_await ctx.async_recv(no_timeout, stop.get_token());
            PKTVERBS_REQUIRE(list.outcome() == Outcome::packets);
            received_ += list.size();
        }
        stop.request_stop();
        const RecvList none = co_await ctx.async_recv(no_timeout, stop.get_token());
        PKTVERBS_REQUIRE(none.outcome() == Outcome::stopped);
    }
    async::Task<> send(Queue& queue) {
        for (std::uint32_t turn = 0; turn < 3; ++turn) {
            SendList list = co_await async::acquire(queue, 4);
            for (SendPkt& pkt : list) fill(pkt, turn);
            PKTVERBS_REQUIRE(queue.send(std::move(list)).empty());
            PKTVERBS_REQUIRE(co_await async::flush(queue));
            co_await async::sleep(1us);
        }
    }
    static async::Task<> wait_a_little(async::Executor& executor) {
        PKTVERBS_REQUIRE(co_await async::sleep(executor, 1us));
        executor.post([] {});
    }

    Flow flow_;
    Context other_;
    std::size_t received_ = 0;
};

/// Tasks that are suspended when their executor ends, and one that has thrown.
class LeavingCoroutines final : public Wired {
public:
    void run() override {
        async::Executor executor;
        executor.spawn(wait());
        executor.spawn(fail());
        executor.post([] { throw Wrong{"posted", 0}; });
        executor.post([] {});
        for (int turn = 0; turn < 2; ++turn) {
            try {
                executor.run_for(0ns);
            } catch (const Wrong& wrong) {
                if (wrong.line != 0) throw;
            }
        }
    }

private:
    async::Task<> wait() { static_cast<void>(co_await ctx.async_recv()); }
    async::Task<> fail() {
        co_await async::sleep(0ns);
        throw Wrong{"thrown", 0};
    }
};

/// The objects of the verbs layer.
class Objects final : public Play {
public:
    void run() override {
        verbs::OpenDevice opened{testing::wire_device(wire_name)};
        verbs::ProtectionDomain domain{opened};
        verbs::CompletionChannel channel{opened};
        verbs::CompletionQueue queue{opened, {.entries = 8, .channel = channel, .extended = true}};
        verbs::MemoryRegion region{domain, memory_};
        verbs::QueuePair pair = verbs::QueuePairBuilder{domain, IBV_QPT_RAW_PACKET}.completes_on(queue).create();
        pair.activate();
        queue.resize(100);
        queue.arm();
        PKTVERBS_REQUIRE(pair.post_send(verbs::SendRequest::send().with(region.slice(0, 60)).id(9)).posted == 1);
        PKTVERBS_REQUIRE(channel.next_event());
        PKTVERBS_REQUIRE(queue.poll_one().value().to_string() == "send 9: ok, 60 bytes");
        PKTVERBS_REQUIRE(opened.gids().size() == 2 && opened.attributes().max_qp > 0);
        PKTVERBS_REQUIRE(pair.endpoint().queue_pair == pair.number());
        pair.to_error();
        pair.reset();
    }

private:
    std::vector<std::uint8_t> memory_ = std::vector<std::uint8_t>(4096);
};

/// Clocks and pacing.
class Times final : public Wired {
public:
    void run() override {
        DeviceClock clock{ctx};
        for (int i = 0; i < 40; ++i) clock.update();
        PKTVERBS_REQUIRE(clock.to_string().size() > 20);
        Pacer pacer = Pacer::on(ctx, Rate::packets(1e9));
        PKTVERBS_REQUIRE(!pacer.in_hardware() && !pacer.note().empty() && pacer.wait(1, 60));
        PKTVERBS_REQUIRE(pacer.report().to_string().size() > 20 && pacer.rate().to_string().size() > 5);
    }
};

/// Everything that a context reports, as text.
class Texts final : public Wired {
public:
    Texts() : Wired{with_queues(2)}, flow_{ctx.install(FlowRule{}.dst_ip("10.0.0.0/8").udp().count())} {}
    void run() override {
        const Counters counters = ctx.counters();
        PKTVERBS_REQUIRE(counters.queues.size() == 2 && counters.flows.size() == 1);
        PKTVERBS_REQUIRE(counters.to_string().find("recv_packets") != std::string::npos);
        PKTVERBS_REQUIRE(counters.to_json().ends_with("}"));
        PKTVERBS_REQUIRE(to_openmetrics(counters).ends_with("# EOF\n"));
        PKTVERBS_REQUIRE(ctx.stats().to_string().size() > 20);
        PKTVERBS_REQUIRE(ctx.limits().to_string().size() > 20 && small.to_string().size() > 20);
        PKTVERBS_REQUIRE(flow_.rule().to_string().size() > 10);
    }

    static Options with_queues(std::uint32_t queues) {
        Options options = small;
        options.queues = queues;
        return options;
    }

private:
    Flow flow_;
};

constexpr RingGeometry ring_geometry{.blocks = 4, .block_slots = 4, .header_bytes = 18, .payload_bytes = 46};

/// A ring between a receiver and a reader in one process.
class Rings final : public Play {
public:
    explicit Rings(bool numbered) : numbered_{numbered} {}
    void run() override {
        BlockRing ring{ring_geometry};
        Options options = small;
        options.recv_layout = ring.recv_layout();
        Context ctx{device, options};
        const Flow flow = ctx.install(FlowRule{});
        RingReceiverOptions receiving;
        if (numbered_) receiving.sequence = SequenceField{.offset = 14, .width = 4, .order = std::endian::little};
        RingReceiver receiver{ctx, ring, receiving};
        RingReader reader{ring};
        for (std::uint32_t number = 0; number < 10; ++number) world_.send(frame(number));
        while (receiver.step(0ns) == Outcome::packets) {
        }
        receiver.flush();
        std::uint32_t packets = 0;
        for (RingBlock block = reader.next(0ns); block; block = reader.next(0ns)) packets += block.valid_count();
        PKTVERBS_REQUIRE(packets == 10);
        PKTVERBS_REQUIRE(receiver.stats().to_string().size() > 10);
    }

private:
    bool numbered_;
    soft::WireTap world_{wire_name};
};

/// A context whose rule feeds several queues.
class Spreading final : public Play {
public:
    void run() override {
        Options options = Texts::with_queues(3);
        options.rss.emplace();
        Context ctx{device, options};
        const Flow all = ctx.install(FlowRule{}.ipv4().udp());
        const std::array<std::size_t, 2> two{0, 2};
        const Flow some = ctx.install(FlowRule{}.ipv4().tcp().count(), two);
        PKTVERBS_REQUIRE(ctx.counters().flows.front().queues.size() == 2);
        for (std::size_t i = 0; i < ctx.queue_count(); ++i) ctx.queue(i).recover();
    }
};

/// Finding devices on this machine.
class Listing final : public Play {
public:
    void run() override { PKTVERBS_REQUIRE(list_devices().size() < 10000); }
};

Options rich(std::uint32_t queues) {
    Options options = small;
    options.queues = queues;
    options.timestamps = true;
    options.max_inline = 64;
    options.offloads = {.send_checksums = Offload::software,
                        .insert_vlan = Offload::software,
                        .segmentation = Offload::software,
                        .recv_checksums = Offload::device_or_software,
                        .strip_vlan = Offload::device};
    return options;
}

Options in_chunks() {
    Options options = small;
    options.send_layout.chunk(14).chunk(100);
    options.recv_layout.chunk(14).chunk(242);
    return options;
}

}  // namespace

std::string unavailable() { return {}; }

std::uint64_t allocation_step() { return 1; }

std::vector<Scenario> all_scenarios() {
    static const Options plain = small, many = rich(3), chunks = in_chunks();
    static const Options spreading = [] {
        Options options = rich(2);
        options.rss.emplace();
        return options;
    }();
    const auto opening = [](const char* name, const Options& options) {
        return Scenario{name, [&options]() -> std::unique_ptr<Play> { return std::make_unique<Opening>(options); }};
    };
    const auto traffic = [](const char* name, const Options& options) {
        return Scenario{name, [&options]() -> std::unique_ptr<Play> { return std::make_unique<Traffic>(options); }};
    };
    return {opening("opening", plain),
            opening("opening with queues, timestamps and offloads", many),
            opening("opening to spread", spreading),
            opening("opening with chunks", chunks),
            scenario<Refusing>("refusing"),
            scenario<Rules>("rules", std::uint8_t{4}),
            scenario<Replacing>("replacing a rule that allows no other"),
            traffic("traffic", plain),
            traffic("traffic in chunks", chunks),
            scenario<Events>("events"),
            scenario<Recovering>("recovering"),
            scenario<Regions>("regions"),
            scenario<Coroutines>("coroutines"),
            scenario<LeavingCoroutines>("coroutines that are left"),
            scenario<Objects>("verbs objects"),
            scenario<Times>("times"),
            scenario<Texts>("texts"),
            scenario<Rings>("ring by arrival", false),
            scenario<Rings>("ring by number", true),
            scenario<Spreading>("spreading")};
}

std::vector<Scenario> long_scenarios() {
    return {scenario<Rules>("many rules", std::uint8_t{60}), scenario<Listing>("listing devices")};
}

}  // namespace pktverbs::testing
