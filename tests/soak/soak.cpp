// SPDX-License-Identifier: Apache-2.0
// Soak: frames over a wire that loses, duplicates, reorders and damages them, to several queues and threads, under
// rules that change all the time and queues that fail. In the end every frame must be in exactly one count.
#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <mutex>
#include <numeric>
#include <random>
#include <span>
#include <stop_token>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <pktverbs/counters/counters.hpp>
#include <pktverbs/pktverbs.hpp>
#include <pktverbs/soft/wire.hpp>

namespace {

using namespace pktverbs;
using namespace std::chrono_literals;

constexpr std::string_view usage = "soak [--frames N | --seconds N] [--seed N]";

constexpr std::size_t header_bytes = 42;
constexpr std::size_t min_bytes = header_bytes + 16;
constexpr std::uint32_t buffer_bytes = 1024;
constexpr std::uint32_t longest_bytes = 1400;  ///< too long for a buffer, but not for the wire
constexpr std::uint32_t batch = 32;
constexpr std::uint16_t first_port = 7000;
constexpr std::uint16_t ports = 8;  ///< the last never has a rule

struct Settings {
    std::uint64_t frames = 200'000;
    double seconds = 0;  ///< instead of a number of frames
    std::uint64_t seed = 20261128;
};

/// The bytes that a frame must have, from its number on.
std::uint64_t seal(std::uint64_t number, std::size_t bytes) {
    return (number * 0x9e3779b97f4a7c15) ^ (static_cast<std::uint64_t>(bytes) << 40);
}

/// IPv4 and UDP to one of the ports, from another source port for each number.
void write_frame(SendPkt& pkt, std::uint64_t number, std::uint16_t port, std::size_t bytes) {
    static constexpr std::array<std::uint8_t, header_bytes> headers{
        0x02, 0x00, 0x00, 0x00, 0x00, 0x02, 0x02, 0x00, 0x00, 0x00, 0x00, 0x01, 0x08, 0x00, 0x45, 0x00, 0x00,
        0x2e, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0x00, 0x00, 0x0a, 0x00, 0x00, 0x01, 0x0a, 0x00, 0x00, 0x02};
    const std::span buffer = pkt.buffer();
    std::ranges::copy(headers, buffer.begin());
    buffer[34] = static_cast<std::uint8_t>(number >> 8);
    buffer[35] = static_cast<std::uint8_t>(number);
    buffer[36] = static_cast<std::uint8_t>(port >> 8);
    buffer[37] = static_cast<std::uint8_t>(port);
    std::memcpy(&buffer[header_bytes], &number, sizeof number);
    const std::uint64_t end = seal(number, bytes);
    std::memcpy(&buffer[bytes - sizeof end], &end, sizeof end);
    pkt.set_length(bytes);
}

bool is_whole(std::span<const std::uint8_t> bytes) {
    if (bytes.size() < min_bytes) return false;
    std::uint64_t number = 0, end = 0;
    std::memcpy(&number, &bytes[header_bytes], sizeof number);
    std::memcpy(&end, &bytes[bytes.size() - sizeof end], sizeof end);
    return end == seal(number, bytes.size());
}

/// Lists that one thread received and another one ends.
class Returns {
public:
    void put(RecvList list) {
        const std::lock_guard lock{mutex_};
        lists_.push_back(std::move(list));
    }
    void end_all() {
        std::vector<RecvList> ending;
        const std::lock_guard lock{mutex_};
        ending.swap(lists_);
    }

private:
    std::mutex mutex_;
    std::vector<RecvList> lists_;
};

/// A context, the thread that receives from it, and that thread's own counts.
class Receiver {
public:
    Receiver(const char* device, const Options& options, Returns& returns, std::uint64_t seed)
        : ctx{device, options}, returns_{returns}, random_{seed} {}

    void receive(const std::stop_token& stop) {
        while (!stop.stop_requested()) {
            RecvList list = ctx.recv(10ms, stop);
            take(list);
            if (list.outcome() == Outcome::queue_error || any_in_error()) recover();
            if (!list.empty() && random_() % 8 == 0) returns_.put(std::move(list));
        }
    }
    /// Takes the remaining packets, and checks that every packet is back; no thread receives any more.
    void settle() {
        recover(true);
        for (std::size_t i = 0; i < ctx.queue_count(); ++i)
            for (RecvList list = ctx.queue(i).recv(0ns); !list.empty(); list = ctx.queue(i).recv(0ns)) take(list);
    }

    Context ctx;
    std::uint64_t received = 0, failed = 0, damaged = 0, recoveries = 0;

private:
    void take(const RecvList& list) {
        for (const RecvPkt& pkt : list) {
            ++(pkt.ok() ? received : failed);
            if (pkt.ok() && !is_whole(pkt.bytes())) ++damaged;
        }
    }
    bool any_in_error() {
        for (std::size_t i = 0; i < ctx.queue_count(); ++i)
            if (ctx.queue(i).in_error()) return true;
        return false;
    }
    void recover(bool all = false) {
        for (std::size_t i = 0; i < ctx.queue_count(); ++i) {
            if (!all && !ctx.queue(i).in_error()) continue;
            ctx.queue(i).recover();
            ++recoveries;
        }
    }

    Returns& returns_;
    std::mt19937_64 random_;
};

class Soak {
public:
    explicit Soak(const Settings& settings) : settings_{settings} {
        wire_.set_faults(
            {.loss = 0.01, .duplication = 0.01, .reordering = 0.01, .corruption = 0.002, .seed = settings.seed});
        for (std::uint16_t port = 0; port + 1 < ports; ++port) {
            rss_.ctx.set_flow(port, rule(port));
            plain_.ctx.set_flow(port, rule(port), port % plain_.ctx.queue_count());
        }
    }

    /// Whether all counts agree.
    bool run() {
        const auto start = std::chrono::steady_clock::now();
        {
            std::jthread to_spread{[this](const std::stop_token& stop) { rss_.receive(stop); }};
            std::jthread to_plain{[this](const std::stop_token& stop) { plain_.receive(stop); }};
            std::jthread changes{[this](const std::stop_token& stop) { change_rules(stop); }};
            send();
        }
        wire_.set_faults({});
        wire_.release_held();
        returns_.end_all();
        rss_.settle();
        plain_.settle();
        const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
        report(time.count());
        return check();
    }

private:
    static FlowRule rule(std::uint16_t port) {
        return FlowRule{}.ipv4().udp().dst_port(static_cast<std::uint16_t>(first_port + port)).count();
    }
    static Options options(std::uint32_t queues) {
        return {.send_packets = none, .recv_packets = 512, .max_packet_size = buffer_bytes, .queues = queues};
    }
    static Options spreading() {
        Options wanted = options(3);
        wanted.rss.emplace();
        return wanted;
    }

    void send() {
        std::mt19937_64 random{settings_.seed};
        const bool timed = settings_.seconds > 0;
        const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>{settings_.seconds};
        for (std::uint64_t turn = 0; timed || sent_ < settings_.frames; ++turn) {
            if (timed && std::chrono::steady_clock::now() >= end) return;
            // Usually no faster than they receive, and now and then at full speed.
            while (turn % 16 != 0 && (is_behind(rss_.ctx) || is_behind(plain_.ctx))) std::this_thread::yield();
            Queue& queue = sender_.queue(turn % sender_.queue_count());
            SendList list = queue.acquire(1 + random() % batch);
            for (SendPkt& pkt : list) {
                const bool too_long = random() % 20'000 == 0;
                const std::size_t bytes =
                    too_long ? longest_bytes : min_bytes + random() % (buffer_bytes - min_bytes + 1);
                write_frame(pkt, number_++, static_cast<std::uint16_t>(first_port + random() % ports), bytes);
            }
            const std::size_t offered = list.size();
            const SendList refused = queue.send(std::move(list));
            refused_ += refused.size();
            sent_ += offered - refused.size();
            progress_.notify_one();
        }
    }
    static bool is_behind(Context& ctx) {
        for (std::size_t i = 0; i < ctx.queue_count(); ++i)
            if (ctx.queue(i).stats().posted_now < 2 * batch && !ctx.queue(i).in_error()) return true;
        return false;
    }

    /// Changes a rule after every thousand frames or so; lists end here, too.
    void change_rules(const std::stop_token& stop) {
        std::mt19937_64 random{settings_.seed + 1};
        for (std::uint64_t next = 0;;) {
            std::unique_lock lock{progress_mutex_};
            const bool is_time = progress_.wait_for(lock, stop, 10ms, [&] { return sent_ >= next; });
            lock.unlock();
            if (stop.stop_requested()) return;
            // The sender waits for buffers, which may all be in lists that wait to end here.
            if (!is_time) {
                returns_.end_all();
                continue;
            }
            next = sent_ + 500 + random() % 1000;
            change_one(random);
            returns_.end_all();
        }
    }
    void change_one(std::mt19937_64& random) {
        Context& ctx = random() % 2 == 0 ? rss_.ctx : plain_.ctx;
        const auto port = static_cast<std::uint16_t>(random() % (ports - 1));
        const std::size_t queue = random() % ctx.queue_count();
        ++changes_;
        // Removes the old rule first: for a moment set_flow() has both rules in force, and a frame that matches both
        // goes to both their queues.
        ctx.clear_flow(port);
        switch (random() % 4) {
            case 0:
                return;
            case 1:
                return ctx.set_flow(port, rule(port).drop());
            case 2:
                return ctx.set_flow(port, rule(port));
            default:
                return ctx.set_flow(port, rule(port), queue);
        }
    }

    void report(double seconds) const {
        const soft::WireCounters wire = wire_.counters();
        fmt::print("seed {}: {} frames in {:.1f} s, {} rules changed\n", settings_.seed, sent_.load(), seconds,
                   changes_);
        fmt::print("wire: offered {}, delivered {}, lost {}, duplicated {}, reordered {}, corrupted {}\n", wire.offered,
                   wire.delivered, wire.lost, wire.duplicated, wire.reordered, wire.corrupted);
        for (const Receiver* one : {&rss_, &plain_})
            fmt::print("{} queues: received {}, failed {}, damaged {}, recoveries {}; {}\n", one->ctx.queue_count(),
                       one->received, one->failed, one->damaged, one->recoveries, one->ctx.stats().to_string());
    }

    bool check() {
        const soft::WireCounters wire = wire_.counters();
        bool agrees = true;
        const auto expect = [&](std::string_view what, std::uint64_t is, std::uint64_t should_be) {
            if (is == should_be) return;
            agrees = false;
            fmt::print("{}: {}, and not {}\n", what, is, should_be);
        };
        expect("refused sends", refused_, 0);
        expect("flushed", sender_.flush(0ns) ? 1 : 0, 1);
        expect("completed sends", sender_.stats().sent_packets, sent_);
        expect("frames put on the wire", wire.sent, sent_);
        expect("offered to two ends", wire.offered, 2 * sent_);
        expect("held back", wire.held, 0);
        expect("what became of the offered", wire.delivered + wire.lost + wire.link_down,
               wire.offered + wire.duplicated);
        std::uint64_t delivered = 0, damaged = 0;
        for (Receiver* one : {&rss_, &plain_}) {
            const Stats stats = one->ctx.stats();
            delivered += one->received + one->failed + stats.drops.total();
            damaged += one->damaged;
            expect("received", stats.recv_packets, one->received);
            expect("failed", failures(stats), one->failed);
            expect("posted again", stats.posted_now, 512 * one->ctx.queue_count());
            expect("refused receives", stats.refused_posts, 0);
            if (one->received < sent_ / 20) expect("received hardly anything", one->received, sent_);
        }
        expect("what became of the delivered", delivered, wire.delivered);
        if (damaged > wire.corrupted) expect("damaged", damaged, wire.corrupted);
        for (std::size_t i = 0; i < sender_.queue_count(); ++i)
            expect("free again", sender_.queue(i).acquire(1000).size(), 128);
        return agrees;
    }
    /// Except flushed ones: nothing had arrived in them.
    static std::uint64_t failures(const Stats& stats) {
        const auto& errors = stats.recv_errors;
        return std::accumulate(errors.begin(), errors.end(), std::uint64_t{0}) - errors[IBV_WC_WR_FLUSH_ERR];
    }

    const Settings settings_;
    soft::Wire wire_{"soak"};
    Returns returns_;
    Receiver rss_{"wire:soak", spreading(), returns_, settings_.seed + 2};
    Receiver plain_{"wire:soak", options(2), returns_, settings_.seed + 3};
    Context sender_{"wire:soak",
                    Options{.send_packets = 128, .recv_packets = none, .max_packet_size = longest_bytes, .queues = 2}};
    std::atomic<std::uint64_t> sent_{0};
    std::mutex progress_mutex_;
    std::condition_variable_any progress_;  ///< of sent_
    std::uint64_t number_ = 0, refused_ = 0, changes_ = 0;
};

template <class Number>
bool read_number(std::string_view text, Number& number) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc{} && end == text.data() + text.size();
}

bool read_settings(std::span<char*> arguments, Settings& settings) {
    for (; arguments.size() >= 2; arguments = arguments.subspan(2)) {
        const std::string_view option = arguments[0];
        const bool ok = option == "--frames"    ? read_number(arguments[1], settings.frames)
                        : option == "--seconds" ? read_number(arguments[1], settings.seconds)
                        : option == "--seed"    ? read_number(arguments[1], settings.seed)
                                                : false;
        if (!ok) return false;
    }
    return arguments.empty();
}

}  // namespace

int main(int argc, char** argv) {
    Settings settings;
    if (!read_settings(std::span{argv + 1, static_cast<std::size_t>(argc - 1)}, settings)) {
        fmt::print(stderr, "usage: {}\n", usage);
        return 2;
    }
    try {
        return Soak{settings}.run() ? EXIT_SUCCESS : EXIT_FAILURE;
    } catch (const std::exception& error) {
        fmt::print(stderr, "soak: {}\n", error.what());
        return EXIT_FAILURE;
    }
}
