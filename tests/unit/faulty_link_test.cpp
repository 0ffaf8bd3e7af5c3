// SPDX-License-Identifier: Apache-2.0
#include "soft/link/faulty.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <chrono>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/file_descriptor.hpp"
#include "soft/link/delay_line.hpp"
#include "soft/link/frame_faults.hpp"

namespace pktverbs::soft {
namespace {

using Frame = std::vector<std::uint8_t>;
using Frames = std::vector<Frame>;

/// The device above: keeps the frames that it gets.
class Nic final : public Sink {
public:
    void deliver(std::span<const RxFrame> frames) noexcept override {
        for (const RxFrame& frame : frames) {
            got.emplace_back(frame.data, frame.data + frame.length);
            addresses.push_back(frame.data);
            checked.push_back(frame.checksum_ok);
            times.push_back(frame.timestamp_ns);
        }
    }
    void link_changed(bool up) noexcept override { changes.push_back(up); }

    Frames got;
    std::vector<const std::uint8_t*> addresses;
    std::vector<bool> checked;
    std::vector<std::uint64_t> times;
    std::vector<bool> changes;
};

/// The link below. With `fetched`, its frames wait for receive(); otherwise it delivers them on arrival.
class FakeLink final : public Link {
public:
    explicit FakeLink(bool fetched) : fetched_{fetched} {
        if (fetched) fd_ = FileDescriptor{eventfd(0, EFD_NONBLOCK)};
    }

    void arrive(Frame frame) {
        waiting_.push_back(std::move(frame));
        if (fetched_)
            eventfd_write(fd_.get(), 1);
        else
            flush();
    }
    Sink* sink = nullptr;
    int receives = 0;
    std::size_t takes = 0;

    MacAddress mac() const noexcept override { return MacAddress{MacAddress::Bytes{2, 0, 0, 0, 0, 9}}; }
    std::uint32_t mtu() const noexcept override { return 1234; }
    bool up() const noexcept override { return false; }
    std::vector<Ipv6Address> addresses() const override { return {Ipv6Address{"fd00::1"}}; }
    std::uint32_t interface_index() const noexcept override { return 5; }
    void attach(Sink& to) override {
        sink = &to;
        wants_receive_ = fetched_;
    }
    void detach() noexcept override {
        sink = nullptr;
        wants_receive_ = false;
    }
    std::size_t send(std::span<const TxFrame> frames) noexcept override { return std::min(frames.size(), takes); }
    void receive(std::size_t) noexcept override {
        ++receives;
        eventfd_t count;
        if (fetched_) eventfd_read(fd_.get(), &count);
        flush();
    }
    int receive_fd() const noexcept override { return fd_.get(); }
    int send_fd() const noexcept override { return 77; }
    int set_flows(std::span<const FlowMatch* const>) noexcept override { return ENOBUFS; }
    std::uint64_t lost() noexcept override { return 5; }
    std::uint64_t unsent() noexcept override { return 6; }

private:
    /// In one delivery, like a ring's block.
    void flush() {
        std::vector<RxFrame> frames;
        for (const Frame& frame : waiting_)
            frames.push_back({frame.data(), static_cast<std::uint32_t>(frame.size()), true, 1000 + frame.size()});
        if (!frames.empty()) sink->deliver(frames);
        waiting_.clear();
    }

    bool fetched_;
    FileDescriptor fd_;
    std::deque<Frame> waiting_;
};

Frame numbered(unsigned number, std::size_t bytes = 60) {
    Frame frame(bytes);
    frame[0] = static_cast<std::uint8_t>(number);
    frame[1] = static_cast<std::uint8_t>(number >> 8);
    return frame;
}
unsigned number(const Frame& frame) { return frame[0] + 256U * frame[1]; }
std::vector<unsigned> numbers(const Frames& frames) {
    std::vector<unsigned> all;
    for (const Frame& frame : frames) all.push_back(number(frame));
    return all;
}
using Numbers = std::vector<unsigned>;

bool readable(int fd) {
    pollfd one{fd, POLLIN, 0};
    return poll(&one, 1, 0) == 1;
}

struct Faulty {
    explicit Faulty(const LinkFaults& faults, bool fetched = false)
        : inner{new FakeLink{fetched}}, link{make_faulty(std::unique_ptr<Link>{inner}, faults)} {
        link->attach(nic);
    }
    void arrive(unsigned first, unsigned count) {
        for (unsigned i = 0; i < count; ++i) inner->arrive(numbered(first + i));
    }

    FakeLink* inner;
    Nic nic;
    std::unique_ptr<ImpairedLink> link;
};

/// What arrives of 500 frames; with `looks`, a call looks for frames after every third.
Frames heard(const LinkFaults& faults, bool looks = false) {
    Faulty faulty{faults};
    for (unsigned i = 0; i < 500; ++i) {
        faulty.arrive(i, 1);
        if (looks && i % 3 == 0) faulty.link->receive(256);
    }
    faulty.link->receive(256);
    return faulty.nic.got;
}

TEST(FaultyLink, LosesTheSameFramesWithTheSameSeed) {
    const auto first = numbers(heard({.loss = 0.1, .seed = 7}));
    EXPECT_EQ(numbers(heard({.loss = 0.1, .seed = 7})), first);
    EXPECT_NE(numbers(heard({.loss = 0.1, .seed = 8})), first);
    EXPECT_GT(first.size(), 400U);
    EXPECT_LT(first.size(), 490U);
}

TEST(FaultyLink, LosesTheSameFramesWhenTheyAreLookedForAtOtherTimes) {
    const LinkFaults faults{.loss = 0.2, .duplication = 0.2, .reordering = 0.5, .corruption = 0, .seed = 7};
    auto one = numbers(heard(faults, false));
    auto other = numbers(heard(faults, true));
    EXPECT_NE(one, other);  // in another order
    std::ranges::sort(one);
    std::ranges::sort(other);
    EXPECT_EQ(one, other);
}

TEST(FaultyLink, CountsWhatItLoses) {
    Faulty faulty{{.loss = 1}};
    faulty.arrive(0, 10);
    EXPECT_TRUE(faulty.nic.got.empty());
    EXPECT_EQ(faulty.link->lost(), 15U);
}

TEST(FaultyLink, DeliversTwice) {
    Faulty faulty{{.duplication = 1}};
    faulty.arrive(1, 2);
    EXPECT_EQ(numbers(faulty.nic.got), (Numbers{1, 1, 2, 2}));
}

TEST(FaultyLink, FlipsOneBitAndVouchesForNothing) {
    Faulty faulty{{.corruption = 1}};
    const Frame sent = numbered(0);
    faulty.inner->arrive(sent);
    ASSERT_EQ(faulty.nic.got.size(), 1U);
    int bits = 0;
    for (std::size_t i = 0; i < sent.size(); ++i)
        bits += std::popcount(static_cast<std::uint8_t>(faulty.nic.got[0][i] ^ sent[i]));
    EXPECT_EQ(bits, 1);
    EXPECT_FALSE(faulty.nic.checked[0]);
}

TEST(FaultyLink, PassesAnEmptyFrame) {
    Faulty faulty{{.duplication = 1, .reordering = 1, .corruption = 1}};
    faulty.inner->arrive({});
    EXPECT_EQ(faulty.nic.got, (Frames{{}, {}}));
}

TEST(FaultyLink, CopiesNothingThatArrivesAsItIs) {
    Faulty faulty{{.loss = 1e-9, .duplication = 1}};
    Frame frame = numbered(1);
    const std::uint8_t* const where = frame.data();
    faulty.inner->arrive(std::move(frame));
    EXPECT_EQ(faulty.nic.addresses, (std::vector{where, where}));
    EXPECT_TRUE(faulty.nic.checked[0]);
    EXPECT_EQ(faulty.nic.times[0], 1060U);
}

TEST(HeldFrame, GoesAfterTheNextOneWithItsOwnTimeAndChecksum) {
    Faulty faulty{{.reordering = 1}};
    faulty.inner->arrive(numbered(1, 100));
    EXPECT_TRUE(faulty.nic.got.empty());
    faulty.inner->arrive(numbered(2, 60));
    EXPECT_EQ(faulty.nic.got, (Frames{numbered(2, 60), numbered(1, 100)}));
    EXPECT_EQ(faulty.nic.times, (std::vector<std::uint64_t>{1060, 1100}));
    EXPECT_TRUE(faulty.nic.checked[1]);
}

TEST(HeldFrame, IsDeliveredByAPollIfNothingFollowed) {
    Faulty faulty{{.reordering = 1}};
    EXPECT_FALSE(faulty.link->wants_receive());
    EXPECT_FALSE(readable(faulty.link->receive_fd()));
    faulty.arrive(1, 1);
    EXPECT_TRUE(faulty.link->wants_receive());
    EXPECT_TRUE(readable(faulty.link->receive_fd()));
    faulty.link->receive(256);
    EXPECT_EQ(numbers(faulty.nic.got), Numbers{1});
    EXPECT_FALSE(faulty.link->wants_receive());
    EXPECT_FALSE(readable(faulty.link->receive_fd()));
    faulty.link->receive(256);
    EXPECT_EQ(faulty.nic.got.size(), 1U);
}

TEST(HeldFrame, ThatIsFetchedGoesWithTheNextFetchThatFindsNothing) {
    Faulty faulty{{.reordering = 1}, true};
    EXPECT_TRUE(faulty.link->wants_receive());
    EXPECT_FALSE(readable(faulty.link->receive_fd()));
    faulty.arrive(1, 3);
    EXPECT_TRUE(readable(faulty.link->receive_fd()));
    faulty.link->receive(256);
    EXPECT_EQ(numbers(faulty.nic.got), (Numbers{2, 1}));
    EXPECT_TRUE(readable(faulty.link->receive_fd()));
    faulty.link->receive(256);
    EXPECT_EQ(numbers(faulty.nic.got), (Numbers{2, 1, 3}));
    EXPECT_FALSE(readable(faulty.link->receive_fd()));
    EXPECT_TRUE(faulty.link->wants_receive());
}

TEST(HeldFrame, IsGoneWithTheDetachedDevice) {
    Faulty faulty{{.reordering = 1}, true};
    faulty.arrive(1, 1);
    faulty.link->receive(256);
    faulty.link->detach();
    EXPECT_EQ(faulty.inner->sink, nullptr);
    EXPECT_FALSE(faulty.link->wants_receive());
    EXPECT_FALSE(readable(faulty.link->receive_fd()));
    faulty.link->receive(256);
    EXPECT_TRUE(faulty.nic.got.empty());
}

TEST(FaultyLink, IsTheLinkBehindItInAllElse) {
    Faulty faulty{{.loss = 1}};
    faulty.inner->takes = 1;
    const TxFrame frames[2]{};
    EXPECT_EQ(faulty.link->send(frames), 1U);
    EXPECT_EQ(faulty.link->mac(), faulty.inner->mac());
    EXPECT_EQ(faulty.link->mtu(), 1234U);
    EXPECT_EQ(faulty.link->addresses(), std::vector{Ipv6Address{"fd00::1"}});
    EXPECT_EQ(faulty.link->interface_index(), 5U);
    EXPECT_FALSE(faulty.link->up());
    EXPECT_EQ(faulty.link->send_fd(), 77);
    EXPECT_EQ(faulty.link->set_flows({}), ENOBUFS);
    EXPECT_EQ(faulty.link->unsent(), 6U);
    faulty.inner->sink->link_changed(true);
    EXPECT_EQ(faulty.nic.changes, std::vector{true});
}

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

void expect_conserved(const ImpairmentCounters& counted) {
    EXPECT_EQ(counted.arrived + counted.duplicated,
              counted.delivered + counted.lost + counted.overflowed + counted.held);
}

/// Looks for frames until none is held.
void drain(Faulty& faulty) {
    while (faulty.link->impairment_counters().held != 0) faulty.link->receive(256);
}

TEST(BurstLoss, AlternatesWhereEveryFrameChangesTheState) {
    Faulty faulty{{.bursts = {.to_bad = 1, .to_good = 1}}};
    faulty.arrive(0, 6);
    EXPECT_EQ(numbers(faulty.nic.got), (Numbers{0, 2, 4}));
    EXPECT_EQ(faulty.link->lost(), 5U + 3U);
}

TEST(BurstLoss, LosesInEachStateWithItsChance) {
    Faulty good{{.bursts = {.in_good = 1}}};
    good.arrive(0, 10);
    EXPECT_TRUE(good.nic.got.empty());
    Faulty harmless{{.bursts = {.to_bad = 1, .to_good = 0.5, .in_bad = 0}}};
    harmless.arrive(0, 100);
    EXPECT_EQ(harmless.nic.got.size(), 100U);
}

/// In the bad state p / (p + r) of the time, for 1 / r frames each time.
TEST(BurstLoss, ComesInBurstsOfTheirLength) {
    Faulty faulty{{.seed = 7, .bursts = {.to_bad = 0.02, .to_good = 0.25}}};
    constexpr unsigned frames = 50'000;
    faulty.arrive(0, frames);
    unsigned bursts = 0;
    unsigned expected = 0;
    for (const unsigned got : numbers(faulty.nic.got)) {
        if (got != expected) ++bursts;
        expected = got + 1;
    }
    const double lost = frames - static_cast<double>(faulty.nic.got.size());
    EXPECT_NEAR(lost / frames, 0.02 / 0.27, 0.01);
    EXPECT_NEAR(lost / bursts, 4, 0.3);
    expect_conserved(faulty.link->impairment_counters());
}

TEST(DelayedFrame, IsHeldUntilItIsDue) {
    Faulty faulty{{.delay = 1h}};
    faulty.arrive(1, 3);
    faulty.link->receive(256);
    EXPECT_TRUE(faulty.nic.got.empty());
    EXPECT_TRUE(faulty.link->wants_receive());
    EXPECT_FALSE(readable(faulty.link->receive_fd()));
    EXPECT_EQ(faulty.link->impairment_counters().held, 3U);
    faulty.link->detach();
    EXPECT_FALSE(faulty.link->wants_receive());
}

TEST(DelayedFrame, WakesWaitersOnceItIsDue) {
    for (const bool fetched : {false, true}) {
        Faulty faulty{{.delay = 5ms}, fetched};
        const auto start = Clock::now();
        faulty.inner->arrive(numbered(1, 100));
        if (fetched) faulty.link->receive(256);
        while (faulty.nic.got.empty()) {
            pollfd one{faulty.link->receive_fd(), POLLIN, 0};
            ASSERT_EQ(poll(&one, 1, 20'000), 1);
            faulty.link->receive(256);
        }
        EXPECT_GE(Clock::now() - start, 5ms);
        EXPECT_EQ(faulty.nic.got, Frames{numbered(1, 100)});
        EXPECT_EQ(faulty.nic.times[0], 1100U);
        EXPECT_TRUE(faulty.nic.checked[0]);
        EXPECT_FALSE(readable(faulty.link->receive_fd()));
        EXPECT_EQ(faulty.link->wants_receive(), fetched);
    }
}

TEST(DelayedFrame, KeepsItsOrderWithoutJitter) {
    Faulty faulty{{.delay = 1ms}};
    for (unsigned i = 0; i < 500; ++i) faulty.arrive(i, 1);
    drain(faulty);
    auto got = numbers(faulty.nic.got);
    EXPECT_EQ(got.size(), 500U);
    EXPECT_TRUE(std::ranges::is_sorted(got));
}

TEST(DelayedFrame, IsOvertakenWithJitter) {
    Faulty faulty{{.delay = 1ms, .jitter = 2ms}};
    faulty.arrive(0, 500);
    drain(faulty);
    auto got = numbers(faulty.nic.got);
    EXPECT_FALSE(std::ranges::is_sorted(got));
    std::ranges::sort(got);
    EXPECT_EQ(got.size(), 500U);
    EXPECT_EQ(std::ranges::adjacent_find(got), got.end());
}

TEST(DelayedFrame, PassesALineOneAfterTheOther) {
    Faulty faulty{{.rate = 480'000}};  // a frame of 60 bytes in a millisecond
    const auto start = Clock::now();
    faulty.arrive(0, 10);
    for (std::size_t before = 0; before < 10;) {
        faulty.link->receive(256);
        const std::size_t now = faulty.nic.got.size();
        if (now > before) {
            EXPECT_GE(Clock::now() - start, now * 1ms);
        }
        before = now;
    }
    EXPECT_TRUE(std::ranges::is_sorted(numbers(faulty.nic.got)));
}

TEST(DelayedFrame, IsLostBeyondTheLimit) {
    Faulty faulty{{.delay = 1h, .limit = 10}};
    faulty.arrive(0, 15);
    const auto counted = faulty.link->impairment_counters();
    EXPECT_EQ(counted.held, 10U);
    EXPECT_EQ(counted.overflowed, 5U);
    EXPECT_EQ(faulty.link->lost(), 5U + 5U);
    expect_conserved(counted);
}

TEST(DelayedFrame, IsOvertakenByThoseThatAreReordered) {
    Faulty faulty{{.reordering = 0.5, .delay = 1h}};
    faulty.arrive(0, 100);
    const auto counted = faulty.link->impairment_counters();
    EXPECT_EQ(counted.reordered, faulty.nic.got.size());
    EXPECT_EQ(counted.held, 100 - faulty.nic.got.size());
    EXPECT_GT(counted.held, 20U);
    EXPECT_GT(counted.reordered, 20U);
    expect_conserved(counted);
}

TEST(DelayedFrame, KeepsItsTimeWhenTheDelayEnds) {
    Faulty faulty{{.delay = 1h}};
    faulty.arrive(0, 2);
    faulty.link->set_impairments({});
    faulty.arrive(2, 2);
    EXPECT_EQ(numbers(faulty.nic.got), (Numbers{2, 3}));
    EXPECT_EQ(faulty.link->impairment_counters().held, 2U);
    expect_conserved(faulty.link->impairment_counters());
}

TEST(Impairments, AccountForEveryFrame) {
    const LinkFaults all{.loss = 0.1,
                         .duplication = 0.1,
                         .reordering = 0.1,
                         .corruption = 0.1,
                         .bursts = {.to_bad = 0.1, .to_good = 0.5},
                         .delay = 100us,
                         .jitter = 100us,
                         .rate = 1'000'000'000,
                         .limit = 50};
    Faulty faulty{all};
    for (unsigned i = 0; i < 1000; ++i) {
        faulty.arrive(i, 1);
        expect_conserved(faulty.link->impairment_counters());
        if (i == 500) faulty.link->set_impairments({.duplication = 0.5, .reordering = 0.5});
    }
    drain(faulty);
    const auto counted = faulty.link->impairment_counters();
    expect_conserved(counted);
    EXPECT_EQ(counted.arrived, 1000U);
    EXPECT_EQ(counted.delivered, faulty.nic.got.size());
    for (const auto made : {counted.lost, counted.duplicated, counted.reordered, counted.corrupted})
        EXPECT_GT(made, 0U);
}

/// Reads a key's value.
std::string read_key(LinkFaults& faults, const char* key, const char* value) {
    return set_fault(faults, *find_fault_key(key), value);
}

TEST(FaultKeys, AreRead) {
    LinkFaults faults;
    EXPECT_EQ(read_key(faults, "gemodel", "0.1:0.2"), "");
    EXPECT_EQ(faults.bursts.to_good, 0.2);
    EXPECT_EQ(faults.bursts.in_bad, 1);
    EXPECT_EQ(read_key(faults, "gemodel", "0.1:0.2:0.3:0.4"), "");
    EXPECT_EQ(faults.bursts.to_bad, 0.1);
    EXPECT_EQ(faults.bursts.in_bad, 0.3);
    EXPECT_EQ(faults.bursts.in_good, 0.4);
    EXPECT_EQ(read_key(faults, "delay", "1.5ms"), "");
    EXPECT_EQ(faults.delay, 1500us);
    EXPECT_EQ(read_key(faults, "jitter", "20us"), "");
    EXPECT_EQ(faults.jitter, 20us);
    for (const char* rate : {"10Mbit/s", "10M", "10mbps", "10000kbit", "0.01G"}) {
        faults.rate = 0;
        EXPECT_EQ(read_key(faults, "rate", rate), "") << rate;
        EXPECT_EQ(faults.rate, 10'000'000U) << rate;
    }
    EXPECT_EQ(read_key(faults, "limit", "7"), "");
    EXPECT_EQ(faults.limit, 7U);
    EXPECT_EQ(find_mistake(faults), "");
}

TEST(FaultKeys, AreRefusedOutOfTheirRanges) {
    const std::pair<const char*, std::vector<const char*>> wrong[] = {
        {"gemodel", {"", "0.1", "0.1:", "0.1:1.1", "0.1:0.2:", "0.1:0.2:0.3:0.4:0.5", "a:b"}},
        {"delay", {"", "1", "-1s", "3601s", "1min", "1 s"}},
        {"rate", {"", "0", "10", "999bps", "10T", "10MB/s", "1Mpps"}},
        {"limit", {"", "0", "-1", "1000001", "1.5"}},
    };
    for (const auto& [key, values] : wrong)
        for (const char* value : values) {
            LinkFaults faults;
            EXPECT_NE(read_key(faults, key, value), "") << key << "=" << value;
        }
}

/// A frame that another process may change, and copies that nobody changes.
class SharedFrameTest : public ::testing::Test {
protected:
    Frame bytes = Frame(60, 1);
    const Frame head = Frame(RxFrame::head_bytes, 1);
    const RxFrame frame{.data = bytes.data(), .length = 60, .head = head.data()};
    Frame copy;  ///< the bytes of what was delivered last
    bool has_head = true;

    auto keep() {
        return [this](const RxFrame& delivered) {
            copy.assign(delivered.data, delivered.data + delivered.length);
            has_head = delivered.head != nullptr;
        };
    }
    void change() { std::ranges::fill(bytes, std::uint8_t{2}); }
};

TEST_F(SharedFrameTest, IsItsOwnWhenItIsDelayed) {
    DelayLine line;
    ASSERT_TRUE(line.put(frame, 1));
    change();
    line.release(1, keep());
    EXPECT_EQ(copy, Frame(60, 1));
    EXPECT_FALSE(has_head);
}

TEST_F(SharedFrameTest, IsItsOwnWhenItIsHeld) {
    HeldFrame held;
    ASSERT_TRUE(held.keep(frame));
    change();
    held.release(keep());
    EXPECT_EQ(copy, Frame(60, 1));
    EXPECT_FALSE(has_head);
}

TEST_F(SharedFrameTest, IsItsOwnWhenItIsDamaged) {
    FrameFaults faults;
    faults.set({.corruption = 1});
    HeldFrame held;
    faults.pass(frame, held, keep());
    EXPECT_NE(copy, bytes);
    EXPECT_FALSE(has_head) << "or the damage would not be delivered";
}

}  // namespace
}  // namespace pktverbs::soft
