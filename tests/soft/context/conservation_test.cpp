// SPDX-License-Identifier: Apache-2.0
// Conservation: over random schedules of all operations, every frame and every packet is counted.
#include <fmt/core.h>

#include <array>
#include <numeric>
#include <random>
#include <vector>

#include <pktverbs/counters/counters.hpp>

#include "wired.hpp"

namespace pktverbs::testing {
namespace {

constexpr int steps = 1500;
constexpr std::size_t kind_count = 4;  ///< EtherTypes 0x1000 and on; the last has no rule
constexpr std::uint32_t too_long = 300, over_mtu = 1100;

std::uint64_t sum_of(const RecvList& list) {
    std::uint64_t sum = 0;
    for (const RecvPkt& pkt : list)
        for (const std::uint8_t byte : pkt.bytes()) sum = sum * 31 + byte;
    return sum;
}

std::uint64_t total(const Stats::ByStatus& errors, bool with_flushed) {
    const auto all = std::accumulate(errors.begin(), errors.end(), std::uint64_t{0});
    return with_flushed ? all : all - errors[IBV_WC_WR_FLUSH_ERR];
}

/// A user with a context, who keeps separate counts.
struct User {
    Context ctx;
    std::uint64_t posted = 0;    ///< packets that send() took
    std::uint64_t received = 0;  ///< whole frames
    std::uint64_t failed = 0;    ///< packets with a bad status
    struct Held {
        RecvList list;
        std::uint64_t sum;
    };
    std::vector<Held> held;
    std::vector<SendList> unsent;
    Flow::Count of_removed;  ///< counted by flows that have been removed

    void take(RecvList list) {
        for (const RecvPkt& pkt : list) ++(pkt.ok() ? received : failed);
        if (list.empty()) return;
        const std::uint64_t sum = sum_of(list);
        held.push_back({std::move(list), sum});
    }
    void release(std::size_t which) {
        EXPECT_EQ(sum_of(held[which].list), held[which].sum) << "a held packet changed";
        held.erase(held.begin() + static_cast<std::ptrdiff_t>(which));
    }
    /// Takes everything still on its way, and checks that all packets are back.
    void settle() {
        while (!held.empty()) release(0);
        unsent.clear();
        for (std::size_t i = 0; i < ctx.queue_count(); ++i) ctx.queue(i).recover();
        for (std::size_t i = 0; i < ctx.queue_count(); ++i)
            for (RecvList list = ctx.queue(i).recv(0ns); !list.empty(); list = ctx.queue(i).recv(0ns)) {
                take(std::move(list));
                release(0);
            }
    }
    /// The count of all flows, present and removed; each frame matches at most one.
    Flow::Count matched() const {
        Flow::Count sum = of_removed;
        for (const Counters::OfFlow& flow : ctx.counters().flows) {
            sum.packets += flow.count.packets;
            sum.bytes += flow.count.bytes;
        }
        return sum;
    }
    /// Changes flows with nothing arriving meanwhile: `change` may remove some.
    template <class Change>
    void change_flows(Change&& change) {
        const Counters before = ctx.counters();
        change();
        const Counters after = ctx.counters();
        for (const Counters::OfFlow& flow : before.flows) {
            if (std::ranges::find(after.flows, flow.id, &Counters::OfFlow::id) != after.flows.end()) continue;
            of_removed.packets += flow.count.packets;
            of_removed.bytes += flow.count.bytes;
        }
    }
    /// The frames that the NIC got, by the counts.
    std::uint64_t delivered() const { return received + failed + ctx.stats().drops.total(); }
    void check() const {
        const Stats stats = ctx.stats();
        EXPECT_EQ(stats.recv_packets, received);
        EXPECT_EQ(total(stats.recv_errors, false), failed);
        EXPECT_EQ(stats.sent_packets + total(stats.send_errors, true) + stats.in_flight, posted);
        EXPECT_EQ(stats.refused_posts, 0u);
        const verbs::DeviceDrops& drops = stats.drops;
        EXPECT_EQ(matched().packets, received + failed + drops.out_of_buffer + drops.not_ready + drops.by_rule);
        EXPECT_GE(matched().bytes, stats.recv_bytes);
        EXPECT_EQ(ctx.counters().sum().to_string(), stats.to_string());
        EXPECT_EQ(stats.drops.not_ready + stats.drops.out_of_buffer + stats.drops.unmatched + stats.drops.fragments +
                      stats.drops.by_rule + stats.drops.oversize,
                  stats.drops.total());
    }
};

class Schedule {
public:
    Schedule(const std::string& name, std::uint32_t seed, bool faults)
        : random_{seed}, with_faults_{faults}, wire_{name}, world_{name} {
        Options options{.send_packets = 16, .recv_packets = 32, .max_packet_size = 256};
        options.timestamps = seed % 2 == 0;
        options.max_batch = seed % 3 == 0 ? 5 : 0;
        options.queues = 2;
        users_.push_back({Context{"wire:" + name + "?mtu=1000", options}, 0, 0, 0, {}, {}, {}});
        options.queues = 1;
        // Its MTU is shorter than its packets: sending fails now and then.
        users_.push_back({Context{"wire:" + name + "?mtu=200", options}, 0, 0, 0, {}, {}, {}});
        for (User& user : users_)
            for (std::uint16_t kind = 0; kind + 1 < static_cast<int>(kind_count); ++kind)
                user.ctx.set_flow(kind, FlowRule{}.ether_type(static_cast<std::uint16_t>(0x1000 + kind)).count());
    }

    void run() {
        for (int step = 0; step < steps && !::testing::Test::HasFailure(); ++step) take_step();
        settle();
    }

private:
    std::uint32_t draw(std::size_t below) { return static_cast<std::uint32_t>(random_() % below); }
    bool draw_one_in(std::uint32_t chances) { return draw(chances) == 0; }
    User& any_user() { return users_[draw(users_.size())]; }
    Queue& any_queue(User& user) { return user.ctx.queue(draw(user.ctx.queue_count())); }

    Bytes any_frame(std::size_t bytes) {
        Bytes made = frame(number_++, bytes);
        made[12] = 0x10;
        made[13] = static_cast<std::uint8_t>(draw(kind_count));
        return made;
    }

    void take_step() {
        const std::uint32_t what = draw(100);
        if (what < 25) return send(any_user());
        if (what < 35) return plant(1 + draw(6), 18 + draw(190));
        if (what < 62) return receive(any_user());
        if (what < 78) return release(any_user());
        if (what < 84) return change_flow(any_user());
        if (what < 85) return plant(1, too_long);
        if (what < 86) return plant(1, over_mtu);
        if (what < 89) return wire_.set_link(!draw_one_in(4));
        if (what < 91 && with_faults_) return change_faults();
        if (what < 92) return wire_.release_held();
        recover(any_user());
    }

    void send(User& user) {
        Queue& queue = any_queue(user);
        SendList list = queue.acquire(1 + draw(8));
        for (SendPkt& pkt : list) {
            const Bytes bytes = any_frame(draw_one_in(60) ? 250 : 18 + draw(190));
            std::copy(bytes.begin(), bytes.end(), pkt.buffer().begin());
            pkt.set_length(bytes.size());
        }
        if (draw_one_in(10) && !list.empty()) return user.unsent.push_back(std::move(list));
        if (draw_one_in(5) && !user.unsent.empty()) user.unsent.pop_back();
        const std::size_t offered = list.size();
        const SendList refused = queue.send(std::move(list));
        if (!refused.empty()) {
            ASSERT_TRUE(queue.in_error());
            ASSERT_EQ(refused.error(), EIO);
        }
        user.posted += offered - refused.size();
    }
    void plant(std::uint32_t count, std::size_t bytes) {
        while (count-- > 0) {
            world_.send(any_frame(bytes));
            ++planted_;
        }
    }
    void receive(User& user) { user.take(draw_one_in(2) ? user.ctx.recv(0ns) : any_queue(user).recv(0ns)); }
    void release(User& user) {
        if (!user.held.empty()) user.release(draw(user.held.size()));
    }
    void change_flow(User& user) {
        const std::uint32_t kind = draw(kind_count - 1);
        const FlowRule rule = FlowRule{}.ether_type(static_cast<std::uint16_t>(0x1000 + kind)).count();
        user.change_flows([&] {
            switch (draw(4)) {
                case 0:
                    return user.ctx.clear_flow(kind);
                case 1:
                    return user.ctx.set_flow(kind, FlowRule{rule}.drop());
                default:
                    return user.ctx.set_flow(kind, rule, draw(user.ctx.queue_count()));
            }
        });
    }
    void change_faults() {
        soft::WireFaults faults;
        if (draw_one_in(2)) faults.loss = draw(30) / 100.0;
        if (draw_one_in(2)) faults.duplication = draw(30) / 100.0;
        if (draw_one_in(2)) faults.reordering = draw(30) / 100.0;
        if (draw_one_in(2)) faults.corruption = draw(30) / 100.0;
        faults.seed = draw(1000);
        wire_.set_faults(faults);
    }
    void recover(User& user) {
        Queue& queue = any_queue(user);
        if (queue.in_error() || draw_one_in(4)) queue.recover();
    }

    void settle() {
        wire_.set_faults({});
        wire_.release_held();
        for (User& user : users_) user.settle();
        const soft::WireCounters wire = wire_.counters();
        std::uint64_t sent = planted_, delivered = world_.receive().size();
        for (const User& user : users_) {
            user.check();
            sent += user.ctx.stats().sent_packets;
            delivered += user.delivered();
        }
        EXPECT_EQ(wire.sent, sent);
        EXPECT_EQ(wire.offered, sent * users_.size());  // three ends, and none hears itself
        EXPECT_EQ(wire.offered + wire.duplicated, wire.delivered + wire.lost + wire.link_down + wire.held);
        EXPECT_EQ(wire.held, 0u);
        EXPECT_EQ(wire.delivered, delivered);
        for (User& user : users_) {
            EXPECT_EQ(user.ctx.stats().posted_now, 32u * user.ctx.queue_count());
            for (std::size_t i = 0; i < user.ctx.queue_count(); ++i)
                EXPECT_EQ(user.ctx.queue(i).acquire(99).size(), 16u);
            EXPECT_GT(user.received, 100u) << "a schedule that tests nothing";
        }
    }

    std::mt19937 random_;
    const bool with_faults_;
    soft::Wire wire_;
    soft::WireTap world_;
    std::vector<User> users_;
    std::uint32_t number_ = 0;
    std::uint64_t planted_ = 0;
};

class Conservation : public ::testing::TestWithParam<std::uint32_t> {};

TEST_P(Conservation, OverARandomSchedule) {
    SCOPED_TRACE(fmt::format("seed {}", GetParam()));
    Schedule{fmt::format("Conservation.{}", GetParam()), GetParam(), GetParam() > 6}.run();
}
INSTANTIATE_TEST_SUITE_P(Seeds, Conservation, ::testing::Range(1U, 19U));

/// A single NIC's counts: the only other receiving end is a tap, which keeps its own count.
TEST_P(Conservation, OfASingleReceiver) {
    SCOPED_TRACE(fmt::format("seed {}", GetParam()));
    const std::string name = fmt::format("Conservation.one.{}", GetParam());
    std::mt19937 random{GetParam()};
    soft::Wire wire{name};
    soft::WireTap sender{name}, witness{name};
    User user{Context{"wire:" + name, Options{.send_packets = none, .recv_packets = 32, .max_packet_size = 256}},
              0,
              0,
              0,
              {},
              {},
              {}};
    const FlowRule rule = FlowRule{}.ether_type(0x88b5).count();
    user.ctx.set_flow(0, rule);
    wire.set_faults({.loss = 0.1, .duplication = 0.1, .reordering = 0.1, .corruption = 0.05, .seed = GetParam()});
    for (std::uint32_t step = 0; step < steps; ++step) {
        for (auto count = random() % 9; count > 0; --count)
            sender.send(frame(step, random() % 40 == 0 ? too_long : 18 + random() % 200));
        user.take(user.ctx.recv(0ns));
        while (user.held.size() > random() % 8) user.release(0);
        if (user.ctx.queue(0).in_error() && random() % 4 == 0) user.ctx.queue(0).recover();
        if (random() % 50 == 0) user.change_flows([&] { user.ctx.clear_flow(0); });
        if (random() % 20 == 0) user.ctx.set_flow(0, rule);
    }
    wire.set_faults({});
    wire.release_held();
    user.settle();
    user.check();
    EXPECT_EQ(wire.counters().delivered - witness.receive().size(), user.delivered());
    EXPECT_GT(user.received, 100u);
    EXPECT_GT(user.failed, 5u);
    EXPECT_GT(user.ctx.stats().drops.not_ready, 0u);
}

/// Without wire faults the order is kept, too, and a gap never exceeds the counted drops.
TEST_P(Conservation, KeepsTheOrder) {
    SCOPED_TRACE(fmt::format("seed {}", GetParam()));
    const std::string name = fmt::format("Conservation.order.{}", GetParam());
    std::mt19937 random{GetParam()};
    soft::WireTap sender{name};
    User user{Context{"wire:" + name, Options{.send_packets = none, .recv_packets = 32, .max_packet_size = 256}},
              0,
              0,
              0,
              {},
              {},
              {}};
    const Flow flow = user.ctx.install(FlowRule{});
    std::uint32_t sent = 0, next = 0;
    std::uint64_t missing = 0;
    for (int step = 0; step < steps; ++step) {
        for (auto count = random() % 9; count > 0; --count) sender.send(frame(sent++));
        if (random() % 16 == 0) user.ctx.queue(0).recover();
        const RecvList list = user.ctx.recv(0ns);
        for (const RecvPkt& pkt : list) {
            const std::uint32_t number = number_of(pkt.bytes());
            ASSERT_GE(number, next);
            missing += number - next;
            next = number + 1;
        }
    }
    user.settle();
    EXPECT_LE(missing, user.ctx.stats().drops.out_of_buffer);
    EXPECT_EQ(user.ctx.stats().recv_packets + user.ctx.stats().drops.total(), sent);
}

}  // namespace
}  // namespace pktverbs::testing
