// SPDX-License-Identifier: Apache-2.0
// The in-memory wire: which ends hear each other, what faults do, and that the counters add up.
#include <gtest/gtest.h>

#include "soft/nic/nic.hpp"
#include "verbs_end.hpp"
#include "wire_device.hpp"

namespace pktverbs::testing {
namespace {

using soft::WireCounters;
using soft::WireFaults;

void expect_balanced(const WireCounters& counters) {
    EXPECT_EQ(counters.offered + counters.duplicated,
              counters.delivered + counters.lost + counters.link_down + counters.held);
}

/// The frames that a tap receives, out of `frames`, under faults.
std::vector<Frame> heard(const WireFaults& faults, std::uint32_t frames = 500) {
    Wire wire{"faulty"};
    wire.set_faults(faults);
    WireTap from{"faulty"};
    WireTap to{"faulty"};
    for (std::uint32_t i = 0; i < frames; ++i) {
        Frame frame = frame_to(1);
        frame[20] = static_cast<std::uint8_t>(i);
        frame[21] = static_cast<std::uint8_t>(i >> 8);
        from.send(frame);
    }
    wire.release_held();
    expect_balanced(wire.counters());
    return to.receive();
}
std::uint32_t number(const Frame& frame) { return frame[20] + 256U * frame[21]; }

TEST(Wire, CarriesToEveryOtherEnd) {
    VerbsEnd sender;
    VerbsEnd one;
    VerbsEnd two;
    WireTap tap{"w"};
    for (VerbsEnd* end : {&sender, &one, &two}) end->fill(1);
    ASSERT_EQ(sender.post_send(1, {sender.put(4096, frame_to(1))}), 0);
    EXPECT_TRUE(poll_all(sender.recv_cq).empty());
    for (VerbsEnd* end : {&one, &two}) {
        EXPECT_EQ(poll_one(end->recv_cq).byte_len, 60U);
        EXPECT_EQ(end->copy(0, 60), frame_to(1));
    }
    EXPECT_EQ(tap.receive(), Frames{frame_to(1)});
}

/// Its context was closed in the drop-in library.
TEST(Wire, CarriesToEveryEndFromOneThatHasLeft) {
    VerbsEnd sender;
    VerbsEnd one;
    VerbsEnd two;
    for (VerbsEnd* end : {&one, &two}) end->fill(1);
    soft::Nic::of(sender.context.get()).abandon();
    ASSERT_EQ(sender.post_send(1, {sender.put(4096, frame_to(1))}), 0);
    for (VerbsEnd* end : {&one, &two}) EXPECT_EQ(poll_all(end->recv_cq).size(), 1U);
}

TEST(Wire, KeepsTwoNamesApart) {
    WireTap one{"one"};
    WireTap other{"other"};
    one.send(frame_to(1));
    EXPECT_TRUE(other.receive().empty());
}

TEST(Wire, OfOneNameIsOneWire) {
    const Wire first{"w"};
    Wire second{"w"};
    second.set_link(false);
    WireTap tap{"w"};
    tap.send(frame_to(1));
    EXPECT_EQ(first.counters().sent, 1U);
}

TEST(Wire, EndsWithItsLastHolder) {
    { Wire{"w"}.set_link(false); }
    VerbsEnd end;
    ibv_port_attr attr;
    ASSERT_EQ(ibv_query_port(end.context.get(), 1, &attr), 0);
    EXPECT_EQ(attr.state, IBV_PORT_ACTIVE);
}

TEST(Wire, LosesFramesWhileTheLinkIsDown) {
    Wire wire{"w"};
    VerbsEnd end;
    WireTap tap{"w"};
    end.fill(1);
    wire.set_link(false);
    tap.send(frame_to(1));
    ASSERT_EQ(end.post_send(1, {end.sge(0, 60)}), 0);
    EXPECT_WC(poll_one(end.send_cq), 1U, IBV_WC_SUCCESS);
    EXPECT_TRUE(tap.receive().empty());
    EXPECT_TRUE(poll_all(end.recv_cq).empty());
    EXPECT_EQ(wire.counters().link_down, 2U);
    wire.set_link(true);
    tap.send(frame_to(1));
    EXPECT_EQ(poll_all(end.recv_cq).size(), 1U);
    expect_balanced(wire.counters());
}

TEST(Wire, ShowsItsStateAtThePort) {
    Wire wire{"w"};
    VerbsEnd end;
    ibv_port_attr attr;
    wire.set_link(false);
    ASSERT_EQ(ibv_query_port(end.context.get(), 1, &attr), 0);
    EXPECT_EQ(attr.state, IBV_PORT_DOWN);
    EXPECT_EQ(attr.phys_state, 3);
    wire.set_link(true);
    ASSERT_EQ(ibv_query_port(end.context.get(), 1, &attr), 0);
    EXPECT_EQ(attr.state, IBV_PORT_ACTIVE);
}

TEST(WireFaults, RepeatWithTheirSeed) {
    const WireFaults faults{.loss = 0.1, .duplication = 0.1, .reordering = 0.1, .corruption = 0.1, .seed = 7};
    const auto first = heard(faults);
    EXPECT_EQ(heard(faults), first);
    WireFaults other = faults;
    other.seed = 8;
    EXPECT_NE(heard(other), first);
}

TEST(WireFaults, LoseSomeInOrder) {
    const auto frames = heard({.loss = 0.5});
    EXPECT_GT(frames.size(), 100U);
    EXPECT_LT(frames.size(), 400U);
    for (std::size_t i = 1; i < frames.size(); ++i) EXPECT_LT(number(frames[i - 1]), number(frames[i]));
}

TEST(WireFaults, LoseEverything) { EXPECT_TRUE(heard({.loss = 1}).empty()); }

TEST(WireFaults, DuplicateEverything) {
    const auto frames = heard({.duplication = 1}, 10);
    ASSERT_EQ(frames.size(), 20U);
    for (std::uint32_t i = 0; i < 20; ++i) EXPECT_EQ(number(frames[i]), i / 2);
}

TEST(WireFaults, CorruptOneBit) {
    for (const Frame& frame : heard({.corruption = 1}, 1)) {
        int bits = 0;
        for (std::size_t i = 0; i < frame.size(); ++i) {
            const std::uint8_t right = i == 20 ? std::uint8_t{0} : i == 21 ? std::uint8_t{0} : frame_to(1)[i];
            bits += __builtin_popcount(frame[i] ^ right);
        }
        EXPECT_EQ(bits, 1);
    }
}

TEST(WireFaults, LeaveTheSendersMemoryAlone) {
    Wire wire{"w"};
    wire.set_faults({.corruption = 1});
    VerbsEnd end;
    WireTap tap{"w"};
    ASSERT_EQ(end.post_send(1, {end.put(0, frame_to(1))}), 0);
    EXPECT_EQ(end.copy(0, 60), frame_to(1));
    EXPECT_NE(tap.receive(), Frames{frame_to(1)});
}

TEST(WireFaults, HoldBackUntilTheNextOneHasPassed) {
    Wire wire{"w"};
    wire.set_faults({.reordering = 1});
    WireTap from{"w"};
    WireTap to{"w"};
    from.send(frame_to(1));
    EXPECT_TRUE(to.receive().empty());
    EXPECT_EQ(wire.counters().held, 1U);
    from.send(frame_to(2));
    EXPECT_EQ(to.receive(), (Frames{frame_to(2), frame_to(1)}));
    EXPECT_EQ(wire.counters().reordered, 1U);
    expect_balanced(wire.counters());
}

TEST(WireFaults, ReleaseWhatIsHeld) {
    Wire wire{"w"};
    wire.set_faults({.reordering = 1});
    WireTap from{"w"};
    WireTap to{"w"};
    from.send(frame_to(1));
    wire.release_held();
    wire.release_held();
    EXPECT_EQ(to.receive(), Frames{frame_to(1)});
    expect_balanced(wire.counters());
}

TEST(WireFaults, LoseWhatIsHeldWithTheLinkOrTheEnd) {
    Wire wire{"w"};
    wire.set_faults({.reordering = 1});
    WireTap from{"w"};
    {
        WireTap gone{"w"};
        from.send(frame_to(1));
    }
    EXPECT_EQ(wire.counters().lost, 1U);
    WireTap to{"w"};
    from.send(frame_to(1));
    wire.set_link(false);
    wire.release_held();
    EXPECT_TRUE(to.receive().empty());
    EXPECT_EQ(wire.counters().link_down, 1U);
    expect_balanced(wire.counters());
}

TEST(WireFaults, EndWithTheNextFrameWhenSwitchedOff) {
    Wire wire{"w"};
    wire.set_faults({.reordering = 1});
    WireTap from{"w"};
    WireTap to{"w"};
    from.send(frame_to(1));
    wire.set_faults({});
    from.send(frame_to(2));
    EXPECT_EQ(to.receive(), (Frames{frame_to(2), frame_to(1)}));
}

TEST(WireTap, CanBeMoved) {
    WireTap first{"w"};
    WireTap from{"w"};
    from.send(frame_to(1));
    WireTap second{std::move(first)};
    EXPECT_EQ(second.receive().size(), 1U);
    second = WireTap{"other"};
    from.send(frame_to(1));
    EXPECT_TRUE(second.receive().empty());
}

TEST(WireDevice, HasTheMacAndMtuOfItsOptions) {
    const verbs::Device device = testing::wire_device("w", "mtu=1500");
    EXPECT_EQ(device.name, "wire:w?mtu=1500");
    EXPECT_EQ(device.mtu, 1500U);
    EXPECT_EQ(device.port, 1);
    EXPECT_STREQ(device.handle->name, "w");
}

}  // namespace
}  // namespace pktverbs::testing
