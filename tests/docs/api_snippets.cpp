// SPDX-License-Identifier: Apache-2.0
// The code in docs/api.md: what stands between "// [NAME]" and "// [/NAME]" stands there word for word.
#include <gtest/gtest.h>

#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <span>
#include <system_error>
#include <thread>
#include <vector>

#include <pktverbs/async/stop_on_signal.hpp>
#include <pktverbs/counters/counters.hpp>
#include <pktverbs/format.hpp>
#include <pktverbs/memory/shared_memory.hpp>
#include <pktverbs/pktverbs.hpp>
#include <pktverbs/soft/wire.hpp>
#include <pktverbs/verbs/async_event.hpp>
#include <pktverbs/verbs/error.hpp>
#include <pktverbs/verbs/memory_region.hpp>
#include <pktverbs/verbs/queue_pair.hpp>

namespace {

using namespace pktverbs;
using namespace std::chrono_literals;

using Bytes = std::vector<std::uint8_t>;

/// Ethernet, IPv4 and UDP headers from 10.0.0.1, with checksums that nobody looks at.
Bytes udp_headers(const MacAddress& dst_mac, const Ipv4Address& dst_ip, std::uint16_t dst_port) {
    Bytes frame(42);
    std::ranges::copy(dst_mac.bytes(), frame.begin());
    frame[12] = 0x08;
    frame[14] = 0x45;
    frame[17] = 20 + 8;
    frame[23] = 17;
    frame[26] = 10;
    frame[29] = 1;
    std::ranges::copy(dst_ip.bytes(), frame.begin() + 30);
    frame[36] = static_cast<std::uint8_t>(dst_port >> 8);
    frame[37] = static_cast<std::uint8_t>(dst_port & 0xff);
    frame[39] = 8;
    return frame;
}

Bytes broadcast_frame(std::size_t bytes = 64) {
    Bytes frame(bytes);
    std::fill_n(frame.begin(), 6, std::uint8_t{0xff});
    return frame;
}

std::atomic<std::size_t> consumed{0};

void consume(std::span<const std::uint8_t> bytes) {
    EXPECT_FALSE(bytes.empty());
    ++consumed;
    consumed.notify_all();
}

class ApiSnippets : public testing::Test {
protected:
    ApiSnippets() { consumed = 0; }
};

TEST_F(ApiSnippets, Open) {
    // [open]
    Context ctx{"wire:lab", {.send_packets = 256, .recv_packets = 4096, .max_packet_size = 9216}};
    fmt::print("{} has {} packets to receive into\n", ctx.limits().mac, ctx.limits().recv_packets);
    // [/open]
    EXPECT_EQ(ctx.limits().send_packets, 256u);
}

TEST_F(ApiSnippets, Find) {
    // [find]
    const Device device = find_device("wire:lab?mtu=1500");
    if (!device.note.empty()) fmt::print(stderr, "{}\n", device.note);
    Context ctx{device, {.max_packet_size = device.mtu + 18}};
    // [/find]
    EXPECT_EQ(ctx.limits().mtu, 1500u);
}

TEST_F(ApiSnippets, Receive) {
    Context ctx{"wire:receive"};
    soft::WireTap world{"receive"};
    const auto done = [&] {
        if (consumed == 3) return true;
        world.send(udp_headers(ctx.limits().mac, Ipv4Address{"10.0.0.2"}, 1));
        return false;
    };
    // [receive]
    const Flow flow = ctx.install(FlowRule{}.own_mac());
    while (!done()) {
        for (const auto& pkt : ctx.recv(100ms)) {
            if (pkt.ok()) consume(pkt.bytes());
        }
    }
    // [/receive]
    EXPECT_EQ(ctx.stats().recv_packets, 3u);
}

TEST_F(ApiSnippets, Keep) {
    Context ctx{"wire:keep"};
    soft::WireTap world{"keep"};
    const Flow flow = ctx.install(FlowRule{});
    for (const std::size_t bytes : std::array<std::size_t, 3>{64, 100, 65}) world.send(broadcast_frame(bytes));
    const auto is_wanted = [](std::span<const std::uint8_t> bytes) { return bytes.size() == 100; };
    // [keep]
    RecvList kept;
    RecvList rest;
    for (RecvList packets = ctx.recv(100ms); !packets.empty();) {
        RecvList one = packets.pop_front();
        (is_wanted(one.front().bytes()) ? kept : rest).append(std::move(one));
    }
    rest.release();  // `kept` stays readable until it ends
    // [/keep]
    EXPECT_EQ(kept.size(), 1u);
    EXPECT_EQ(ctx.stats().posted_now, ctx.limits().recv_packets - 1);
}

TEST_F(ApiSnippets, Send) {
    Context ctx{"wire:send"};
    soft::WireTap world{"send"};
    const auto write_frame = [](std::span<std::uint8_t> buffer) {
        std::ranges::copy(broadcast_frame(), buffer.begin());
        return std::size_t{64};
    };
    // [send]
    SendList packets = ctx.acquire(32);
    for (auto& pkt : packets) pkt.set_length(write_frame(pkt.buffer()));

    const SendList unsent = ctx.send(std::move(packets));
    if (!unsent.empty()) fmt::print(stderr, "{} not sent: {}\n", unsent.size(), std::strerror(unsent.error()));

    ctx.flush(1s);  // only if you must know that they are gone
    // [/send]
    EXPECT_EQ(world.receive().size(), 32u);
    EXPECT_EQ(ctx.stats().sent_packets, 32u);
}

TEST_F(ApiSnippets, HeaderOnce) {
    constexpr std::uint64_t count = 1000;
    constexpr std::size_t payload_bytes = 128;
    Context ctx{"wire:header_once", {.send_packets = 64, .recv_packets = none}};
    soft::WireTap world{"header_once"};
    const Bytes headers = udp_headers(MacAddress{"02:00:00:00:00:09"}, Ipv4Address{"10.0.0.2"}, 7148);
    // [header-once]
    SendList all = ctx.acquire(ctx.limits().send_packets);
    for (auto& pkt : all) {
        std::ranges::copy(headers, pkt.buffer().begin());
        pkt.set_length(headers.size() + payload_bytes);
    }
    all.cancel();  // back to the free packets, with what was written

    for (std::uint64_t number = 0; number < count;) {
        SendList packets = ctx.acquire(std::min<std::uint64_t>(32, count - number), 10ms);
        for (auto& pkt : packets) {
            std::memcpy(pkt.bytes().data() + headers.size(), &number, sizeof number);
            ++number;
        }
        if (const SendList unsent = ctx.send(std::move(packets)); !unsent.empty())
            throw std::system_error{unsent.error(), std::generic_category(), "cannot send"};
    }
    // [/header-once]
    const auto frames = world.receive();
    ASSERT_EQ(frames.size(), count);
    EXPECT_EQ(frames.back().size(), headers.size() + payload_bytes);
    EXPECT_TRUE(std::equal(headers.begin(), headers.end(), frames.back().begin()));
}

TEST_F(ApiSnippets, Flows) {
    Context ctx{"wire:flows"};
    soft::WireTap world{"flows"};
    // [flows]
    const Flow stream = ctx.install(FlowRule{}.own_mac().ipv4().udp().dst_port(7148));
    const Flow group = ctx.install(FlowRule{}.dst_ip("239.2.1.150").udp().dst_port(7148));
    const Flow subnet = ctx.install(FlowRule{}.own_mac().src_ip("10.0.0.0/8").tcp());
    const Flow tagged = ctx.install(FlowRule{}.vlan(100).ether_type(0x88f7));
    const Flow bridges = ctx.install(FlowRule{}.dst_mac("01:80:c2:00:00:00").priority(1));
    const Flow unwanted = ctx.install(FlowRule{}.src_mac("02:00:00:00:00:66").drop());
    const Flow rest = ctx.install(FlowRule{}.all_default());
    // [/flows]
    EXPECT_EQ(group.rule().fields().dst_mac, MacAddress{"01:00:5e:02:01:96"});
    world.send(udp_headers(MacAddress{"01:00:5e:02:01:96"}, Ipv4Address{"239.2.1.150"}, 7148));
    world.send(broadcast_frame());
    EXPECT_EQ(ctx.recv(0ns).size(), 2u);
}

TEST_F(ApiSnippets, Slots) {
    Context ctx{"wire:slots"};
    // [slots]
    ctx.set_flow(0, FlowRule{}.dst_ip("239.2.1.150").udp().dst_port(7148));
    ctx.set_flow(0, FlowRule{}.dst_ip("239.2.1.151").udp().dst_port(7148));  // in place of the first
    ctx.clear_flow(0);
    // [/slots]
}

TEST_F(ApiSnippets, Queues) {
    // [queues]
    Context ctx{"wire:queues", {.queues = 2}};
    const Flow left = ctx.install(FlowRule{}.ipv4().udp().dst_port(7148), 0);
    const Flow right = ctx.install(FlowRule{}.ipv4().udp().dst_port(7149), 1);
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < ctx.queue_count(); ++i) {
        threads.emplace_back([&queue = ctx.queue(i)](std::stop_token stop) {
            while (!stop.stop_requested()) {
                const RecvList packets = queue.recv(no_timeout, stop);
                if (packets.outcome() != Outcome::packets) break;  // stopped, or in error
                for (const auto& pkt : packets) consume(pkt.bytes());
            }
        });
    }
    // [/queues]
    soft::WireTap world{"queues"};
    for (const std::uint16_t port : std::array<std::uint16_t, 2>{7148, 7149})
        world.send(udp_headers(MacAddress{"02:00:00:00:00:09"}, Ipv4Address{"10.0.0.2"}, port));
    while (consumed < 2) consumed.wait(consumed.load() == 0 ? 0 : 1);
    threads.clear();
    EXPECT_EQ(ctx.queue(0).stats().recv_packets, 1u);
    EXPECT_EQ(ctx.queue(1).stats().recv_packets, 1u);
}

TEST_F(ApiSnippets, RssQueues) {
    // [rss]
    Context ctx{"wire:rss", {.queues = 4, .rss = Rss{}}};
    const Flow all = ctx.install(FlowRule{}.dst_ip("10.0.0.2").udp());  // over all four
    const Flow control = ctx.install(FlowRule{}.dst_ip("10.0.0.2").udp().dst_port(9).priority(0), 3);
    const std::array<std::size_t, 2> two{0, 1};
    const Flow some = ctx.install(FlowRule{}.dst_ip("10.0.0.3").tcp(), two);
    // [/rss]
    soft::WireTap world{"rss"};
    world.send(udp_headers(MacAddress{"02:00:00:00:00:09"}, Ipv4Address{"10.0.0.2"}, 7148));
    EXPECT_EQ(ctx.recv(0s).size(), 1u);
    EXPECT_TRUE(control.installed() && some.installed());
}

TEST_F(ApiSnippets, MemoryOfYourOwn) {
    // [memory]
    constexpr std::uint32_t packets = 256, header_bytes = 42, payload_bytes = 8192;
    const SharedMemory payloads = SharedMemory::anonymous(std::size_t{payload_bytes} * (packets + 1));

    Options options{.recv_packets = packets};
    options.recv_layout = Layout{}.chunk(header_bytes).chunk(payload_bytes, payloads.bytes());
    Context ctx{"wire:memory", options};
    const Flow flow = ctx.install(FlowRule{}.udp().dst_port(7148));
    // [/memory]
    soft::WireTap world{"memory"};
    Bytes sent = udp_headers(MacAddress{"02:00:00:00:00:09"}, Ipv4Address{"10.0.0.2"}, 7148);
    sent.resize(42 + 8, 0x77);
    world.send(sent);
    // [retarget]
    // The payload stays where it is; the packet's next one goes to the place that is free.
    std::span<std::uint8_t> spare = payloads.bytes().last(payload_bytes);
    for (auto& pkt : ctx.recv()) {
        const verbs::LocalSlice filled = pkt.target(1);
        pkt.retarget(*ctx.slice(spare), 1);
        spare = filled.bytes();
    }
    // [/retarget]
    EXPECT_EQ(payloads.data()[7], 0x77);
    EXPECT_EQ(spare.data(), payloads.data());
}

TEST_F(ApiSnippets, Gather) {
    const Bytes headers = udp_headers(MacAddress{"02:00:00:00:00:09"}, Ipv4Address{"10.0.0.2"}, 7148);
    Bytes samples(8192, 0x55);
    soft::WireTap world{"gather"};
    // [gather]
    Options options{.recv_packets = none};
    options.send_layout = Layout{}.chunk(42).chunk(0);  // headers here; where the payload is, each packet says
    Context ctx{"wire:gather", options};
    ctx.add_region(samples);
    SendList list = ctx.acquire(2);
    std::size_t at = 0;
    for (auto& pkt : list) {
        std::ranges::copy(headers, pkt.buffer().begin());
        pkt.set_length(headers.size());
        pkt.attach(*ctx.slice(std::span{samples}.subspan(at, 4096)), 1);  // sent from there, without a copy
        at += 4096;
    }
    ctx.send(std::move(list));
    // [/gather]
    const auto seen = world.receive();
    ASSERT_EQ(seen.size(), 2u);
    EXPECT_EQ(seen[1].size(), 42u + 4096);
    EXPECT_EQ(seen[1].back(), 0x55);
}

TEST_F(ApiSnippets, EventLoop) {
    Context ctx{"wire:event_loop"};
    const Flow flow = ctx.install(FlowRule{});
    const auto done = [] { return consumed >= 100; };
    const auto give_up = [](Outcome outcome) { ADD_FAILURE() << to_string(outcome); };
    const std::jthread world{[](std::stop_token stop) {
        soft::WireTap tap{"event_loop"};
        while (!stop.stop_requested() && consumed < 100) {
            tap.send(broadcast_frame());
            std::this_thread::yield();
        }
    }};
    // [event-loop]
    const int epoll = epoll_create1(EPOLL_CLOEXEC);
    epoll_event event{};
    event.events = EPOLLIN;
    epoll_ctl(epoll, EPOLL_CTL_ADD, ctx.fd(), &event);
    for (;;) {
        if (!ctx.arm()) return give_up(Outcome::device_error);  // 1. ask for one event
        for (;;) {                                              // 2. take all that is there
            const RecvList packets = ctx.recv(0ns);
            if (packets.outcome() == Outcome::timeout) break;
            if (packets.outcome() != Outcome::packets) return give_up(packets.outcome());
            for (const auto& pkt : packets) consume(pkt.bytes());
        }
        if (done()) break;
        epoll_wait(epoll, &event, 1, -1);  // 3. wait
        ctx.drain();                       // 4. take the events off the descriptor
    }
    // [/event-loop]
    close(epoll);
}

TEST_F(ApiSnippets, Stop) {
    Context ctx{"wire:stop"};
    const Flow flow = ctx.install(FlowRule{});
    // [stop]
    std::jthread receiver{[&ctx](std::stop_token stop) {
        while (!stop.stop_requested())
            for (const auto& pkt : ctx.recv(no_timeout, stop)) consume(pkt.bytes());
    }};
    receiver.request_stop();  // wakes a recv that waits
    // [/stop]
    receiver.join();
}

TEST_F(ApiSnippets, StopOnSignal) {
    Context ctx{"wire:signal"};
    const Flow flow = ctx.install(FlowRule{});
    // [signal]
    const StopOnSignal signals;  // SIGINT and SIGTERM; before any other thread
    const auto receive = [&] {
        while (!signals.token().stop_requested())
            for (const auto& pkt : ctx.recv(no_timeout, signals.token())) consume(pkt.bytes());
    };
    // [/signal]
    ASSERT_EQ(kill(getpid(), SIGTERM), 0);
    receive();
    EXPECT_TRUE(signals.token().stop_requested());
}

TEST_F(ApiSnippets, SetupErrors) {
    // [setup-errors]
    try {
        Context ctx{"no_such_if"};
    } catch (const std::system_error& error) {
        fmt::print(stderr, "{}\n", error.what());
        if (error.code() == std::errc::no_such_device) return;
        throw;
    }
    // [/setup-errors]
    FAIL();
}

TEST_F(ApiSnippets, Recover) {
    Context ctx{"wire:recover", {.max_packet_size = 128}};
    const Flow flow = ctx.install(FlowRule{});
    soft::WireTap world{"recover"};
    world.send(broadcast_frame(129));
    // [recover]
    for (const auto& pkt : ctx.recv(100ms)) {
        if (!pkt.ok()) fmt::print(stderr, "lost a frame: {}\n", ibv_wc_status_str(pkt.status()));
    }
    Queue& queue = ctx.queue(0);
    if (queue.in_error()) queue.recover();
    // [/recover]
    world.send(broadcast_frame());
    EXPECT_EQ(ctx.recv(0ns).size(), 1u);
    EXPECT_EQ(ctx.stats().recv_errors[IBV_WC_LOC_LEN_ERR], 1u);
}

TEST_F(ApiSnippets, Stats) {
    Context ctx{"wire:stats"};
    // [stats]
    const Stats stats = ctx.stats();
    fmt::print("{}\n", stats);
    if (stats.drops.out_of_buffer > 0) fmt::print("receive packets ran out {} times\n", stats.drops.out_of_buffer);
    // [/stats]
    EXPECT_EQ(stats.posted_now, ctx.limits().recv_packets);
}

TEST_F(ApiSnippets, Timestamps) {
    // [timestamps]
    Context ctx{"wire:clock", {.timestamps = true}};
    const Flow flow = ctx.install(FlowRule{}.own_mac().tag(7));
    // [/timestamps]
    soft::WireTap world{"clock"};
    world.send(udp_headers(ctx.limits().mac, Ipv4Address{"10.0.0.2"}, 1));
    // [read-timestamps]
    for (const auto& pkt : ctx.recv(100ms))
        fmt::print("{} ns, tag {}, {} bytes\n", pkt.timestamp().count(), pkt.flow_tag(), pkt.length());
    // [/read-timestamps]
    EXPECT_TRUE(ctx.limits().timestamps);
}

TEST_F(ApiSnippets, RawVerbs) {
    Context ctx{"wire:raw"};
    // [raw]
    const verbs::Provider& provider = *ctx.device().provider;
    ibv_qp_attr attr{};
    ibv_qp_init_attr init{};
    verbs::check_result({"query_qp", "query the queue pair of", ctx.device().name},
                        [&] { return provider.query_qp(ctx.queue(0).raw(), &attr, IBV_QP_STATE, &init); });
    fmt::print("state {}\n", static_cast<int>(attr.qp_state));
    // [/raw]
    EXPECT_EQ(attr.qp_state, IBV_QPS_RTS);
}

TEST_F(ApiSnippets, VerbsFrames) {
    const verbs::OpenDevice device{find_device("wire:verbs_frames")};
    const verbs::ProtectionDomain pd{device};
    verbs::CompletionQueue cq{device};
    std::vector<std::uint8_t> memory(4096);
    const verbs::MemoryRegion region{pd, memory};
    soft::WireTap world{"verbs_frames"};
    std::ranges::copy(broadcast_frame(), memory.begin());
    // [verbs-frames]
    const verbs::LocalSlice headers = region.slice(0, 42);
    const verbs::LocalSlice payload = region.slice(2048, 1000);
    verbs::QueuePair qp = verbs::QueuePairBuilder{pd, IBV_QPT_RAW_PACKET}.completes_on(cq).slices(2, 1).create();
    qp.activate();
    qp.post_send(verbs::SendRequest::send().with(headers).with(payload).id(1));
    // [/verbs-frames]
    const auto frames = world.receive();
    ASSERT_EQ(frames.size(), 1u);
    EXPECT_EQ(frames.front().size(), 1042u);
    const auto sent = cq.poll_one();
    ASSERT_TRUE(sent);
    EXPECT_TRUE(sent->ok());
}

TEST_F(ApiSnippets, VerbsEvents) {
    verbs::OpenDevice device{find_device("wire:verbs_events")};
    soft::Wire{"verbs_events"}.set_link(false);
    pollfd readable{device.async_fd(), POLLIN, 0};
    EXPECT_EQ(poll(&readable, 1, 0), 1);
    // [verbs-events]
    while (const auto event = device.next_event())
        fmt::print(stderr, "{}: {}\n", device.device().name, event->to_string());
    // [/verbs-events]
    EXPECT_EQ(poll(&readable, 1, 0), 0);
}

TEST_F(ApiSnippets, FaultyProvider) {
    // [faulty-provider]
    Device device = find_device("wire:faulty");
    verbs::Provider faulty = *device.provider;
    faulty.create_qp = [](ibv_pd*, ibv_qp_init_attr*) -> ibv_qp* {
        errno = ENOMEM;
        return nullptr;
    };
    device.provider = &faulty;  // must outlive the context
    EXPECT_THROW(Context{device}, std::system_error);
    // [/faulty-provider]
}

TEST_F(ApiSnippets, Wire) {
    Context ctx{"wire:test"};
    const Flow flow = ctx.install(FlowRule{});
    const Bytes frame = broadcast_frame();
    // [wire]
    soft::Wire wire{"test"};
    soft::WireTap world{"test"};
    wire.set_faults({.loss = 0.25, .seed = 7});
    for (int i = 0; i < 100; ++i) world.send(frame);
    EXPECT_EQ(wire.counters().delivered + wire.counters().lost, 100u);
    wire.set_link(false);  // ctx.port().state says so, and nothing arrives
    // [/wire]
    EXPECT_EQ(ctx.port().state, IBV_PORT_DOWN);
}

}  // namespace
