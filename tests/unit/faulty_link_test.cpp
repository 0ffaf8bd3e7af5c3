// SPDX-License-Identifier: Apache-2.0
#include "soft/link/faulty.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "base/file_descriptor.hpp"

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
    std::unique_ptr<Link> link;
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

}  // namespace
}  // namespace pktverbs::soft
