// SPDX-License-Identifier: Apache-2.0
// Flow counters: what may be attached and read when, and what they count.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <thread>

#include "verbs_end.hpp"
#include "wire_device.hpp"

namespace pktverbs::testing {
namespace {

class CountersTest : public ::testing::Test {
protected:
    VerbsEnd end{{.all_default = false}};
    WireTap tap{"w"};
    ibv_counters* counters = make(end);
    std::array<std::uint64_t, 4> values{};

    void TearDown() override {
        if (counters) {
            EXPECT_EQ(ibv_destroy_counters(counters), 0);
        }
    }

    static ibv_counters* make(VerbsEnd& in) {
        ibv_counters_init_attr attr{};
        return ibv_create_counters(in.context.get(), &attr);
    }
    int attach(ibv_counter_description what, std::uint32_t index, ibv_flow* flow = nullptr) {
        ibv_counter_attach_attr attr{what, index, 0};
        return ibv_attach_counters_point_flow(counters, &attr, flow);
    }
    /// Packets at index 0, bytes at 1.
    void attach_both() {
        ASSERT_EQ(attach(IBV_COUNTER_PACKETS, 0), 0);
        ASSERT_EQ(attach(IBV_COUNTER_BYTES, 1), 0);
    }
    int read(std::uint32_t count, std::uint32_t flags = 0) {
        values.fill(0x5a5a);
        return ibv_read_counters(counters, values.data(), count, flags);
    }
    void expect_counted(std::uint64_t packets, std::uint64_t bytes) {
        ASSERT_EQ(read(2), 0);
        EXPECT_EQ(values[0], packets);
        EXPECT_EQ(values[1], bytes);
    }
    FlowAttr counting(FlowAttr attr) { return attr.add(count_spec(counters)); }
    void expect_no_flow(const FlowAttr& attr, int error) {
        errno = 0;
        EXPECT_EQ(end.make_flow(end.qp.get(), attr), nullptr);
        EXPECT_EQ(errno, error);
    }
};

TEST_F(CountersTest, CountWhatTheirFlowTakes) {
    attach_both();
    const auto flow = end.make_flow(end.qp.get(), counting(to_mac(1)));
    ASSERT_NE(flow, nullptr);
    expect_counted(0, 0);
    end.fill(2);
    tap.send(frame_to(1, 60));
    tap.send(frame_to(2, 70));
    tap.send(frame_to(1, 100));
    expect_counted(2, 160);
    EXPECT_EQ(poll_all(end.recv_cq).size(), 2U);
}

TEST_F(CountersTest, CountFramesWithoutABuffer) {
    attach_both();
    const auto flow = end.make_flow(end.qp.get(), counting(to_mac(1)));
    tap.send(frame_to(1, 60));
    expect_counted(1, 60);
    EXPECT_EQ(end.drops().out_of_buffer, 1U);
}

TEST_F(CountersTest, CountWhatIsDropped) {
    attach_both();
    const auto flow = end.make_flow(end.qp.get(), counting(to_mac(1).add(drop_spec())));
    ASSERT_NE(flow, nullptr);
    tap.send(frame_to(1, 60));
    expect_counted(1, 60);
    EXPECT_EQ(end.drops().by_rule, 1U);
}

TEST_F(CountersTest, CountCopies) {
    attach_both();
    const auto copy = end.make_flow(end.qp.get(), counting(to_mac(1).flags(IBV_FLOW_ATTR_FLAGS_DONT_TRAP)));
    const auto taker = end.make_flow(end.qp.get(), to_mac(1, 1));
    tap.send(frame_to(1, 60));
    expect_counted(1, 60);
}

TEST_F(CountersTest, LeaveOutWhatAnEarlierFlowTakes) {
    attach_both();
    const auto first = end.make_flow(end.qp.get(), to_mac(1, 0));
    const auto second = end.make_flow(end.qp.get(), counting(to_mac(1, 1)));
    tap.send(frame_to(1));
    expect_counted(0, 0);
}

TEST_F(CountersTest, SumUpTheirFlows) {
    attach_both();
    const auto other = end.make_qp();
    std::vector<verbs::FlowHandle> flows;
    // Enough flows to be found by a hash, and two that share a match.
    for (unsigned last = 1; last <= 10; ++last) flows.push_back(end.make_flow(end.qp.get(), counting(to_mac(last))));
    flows.push_back(end.make_flow(other.get(), counting(to_mac(10))));
    for (unsigned last = 1; last <= 10; ++last) tap.send(frame_to(last, 60));
    expect_counted(11, 660);
}

TEST_F(CountersTest, AddPointsOfOneIndex) {
    ASSERT_EQ(attach(IBV_COUNTER_PACKETS, 2), 0);
    ASSERT_EQ(attach(IBV_COUNTER_BYTES, 2), 0);
    const auto flow = end.make_flow(end.qp.get(), counting(to_mac(1)));
    tap.send(frame_to(1, 60));
    ASSERT_EQ(read(4), 0);
    EXPECT_EQ(values, (std::array<std::uint64_t, 4>{0, 0, 61, 0}));
}

TEST_F(CountersTest, GoOnWithTheNextFlow) {
    attach_both();
    for (std::uint64_t round = 1; round <= 2; ++round) {
        const auto flow = end.make_flow(end.qp.get(), counting(to_mac(1)));
        tap.send(frame_to(1, 60));
        expect_counted(round, 60 * round);
    }
}

TEST_F(CountersTest, TakeNoPointsOnceThereAreFlows) {
    attach_both();
    auto flow = end.make_flow(end.qp.get(), counting(to_mac(1)));
    EXPECT_EQ(attach(IBV_COUNTER_PACKETS, 2), EBUSY);
    flow.reset();
    EXPECT_EQ(attach(IBV_COUNTER_PACKETS, 2), 0);
}

TEST_F(CountersTest, AttachToNoFlowThatExists) {
    const auto flow = end.make_flow(end.qp.get(), to_mac(1));
    EXPECT_EQ(attach(IBV_COUNTER_PACKETS, 0, flow.get()), EOPNOTSUPP);
}

TEST_F(CountersTest, RefuseAttributesThatTheyDoNotKnow) {
    ibv_counter_attach_attr attr{IBV_COUNTER_PACKETS, 0, 1};
    EXPECT_EQ(ibv_attach_counters_point_flow(counters, &attr, nullptr), EOPNOTSUPP);
    ibv_counters_init_attr init{.comp_mask = 1};
    errno = 0;
    EXPECT_EQ(ibv_create_counters(end.context.get(), &init), nullptr);
    EXPECT_EQ(errno, EOPNOTSUPP);
}

TEST_F(CountersTest, AreReadWhileTheyHaveFlowsOnly) {
    attach_both();
    EXPECT_EQ(read(2), EINVAL);
    const auto flow = end.make_flow(end.qp.get(), counting(to_mac(1)));
    EXPECT_EQ(read(1), EINVAL) << "the second point has no place";
    EXPECT_EQ(read(2), 0);
    EXPECT_EQ(read(2, IBV_READ_COUNTERS_ATTR_PREFER_CACHED), 0);
    EXPECT_EQ(read(2, 2), EINVAL);
}

TEST_F(CountersTest, NeedAPointForAFlow) { expect_no_flow(counting(to_mac(1)), EINVAL); }

TEST_F(CountersTest, AreOfOneContext) {
    VerbsEnd other;
    ibv_counters* const foreign = make(other);
    ibv_counter_attach_attr attr{IBV_COUNTER_PACKETS, 0, 0};
    ASSERT_EQ(ibv_attach_counters_point_flow(foreign, &attr, nullptr), 0);
    expect_no_flow(to_mac(1).add(count_spec(foreign)), EINVAL);
    EXPECT_EQ(ibv_destroy_counters(foreign), 0);
}

TEST_F(CountersTest, AreBusyWithAFlow) {
    attach_both();
    auto flow = end.make_flow(end.qp.get(), counting(to_mac(1)));
    EXPECT_EQ(ibv_destroy_counters(counters), EBUSY);
    flow.reset();
    EXPECT_EQ(ibv_destroy_counters(counters), 0);
    counters = nullptr;
}

TEST_F(CountersTest, KeepTheirDeviceInUse) {
    const verbs::Device device = testing::wire_device("w");
    const verbs::Provider& verbs = *device.provider;
    verbs::ContextHandle context{verbs.open_device(device.handle.get()), {&verbs}};
    ibv_counters_init_attr attr{};
    ibv_counters* const made = ibv_create_counters(context.get(), &attr);
    EXPECT_EQ(verbs.close_device(context.get()), EBUSY);
    EXPECT_EQ(ibv_destroy_counters(made), 0);
    EXPECT_EQ(verbs.close_device(context.release()), 0);
}

TEST_F(CountersTest, AreReadWhileFramesArrive) {
    constexpr std::uint64_t frames = 5000;
    attach_both();
    const auto flow = end.make_flow(end.qp.get(), counting(to_mac(1)));
    std::atomic<bool> stop{false};
    std::thread others{[&] {
        while (!stop) {
            const auto more = end.make_flow(end.qp.get(), counting(to_mac(2)));
            EXPECT_NE(more, nullptr);
        }
    }};
    std::thread sender{[&] {
        for (std::uint64_t i = 0; i < frames; ++i) tap.send(frame_to(1, 60));
    }};
    for (std::uint64_t seen = 0; seen < frames;) {
        ASSERT_EQ(read(2), 0);
        ASSERT_GE(values[0], seen);
        seen = values[0];
    }
    sender.join();
    stop = true;
    others.join();
    expect_counted(frames, 60 * frames);
}

}  // namespace
}  // namespace pktverbs::testing
