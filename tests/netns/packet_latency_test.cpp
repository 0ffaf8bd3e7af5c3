// SPDX-License-Identifier: Apache-2.0
// Frames over AF_PACKET that come before their block of the ring is handed over. Blocks last longer here than any test
// may, unless it says otherwise: what comes did not wait for its block.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <semaphore>
#include <span>
#include <thread>
#include <vector>

#include <pktverbs/pktverbs.hpp>

#include "base/file_descriptor.hpp"
#include "cable.hpp"
#include "frame_sender.hpp"
#include "interface/interface.hpp"
#include "network_namespace.hpp"
#include "rounds.hpp"
#include "soft/device/soft_device.hpp"
#include "soft/link/packet.hpp"
#include "soft/link/packet_filter.hpp"
#include "soft/link/packet_ring.hpp"
#include "soft/link/packet_socket.hpp"

namespace pktverbs::soft {
namespace {

using test::FrameSender;
using test::NetworkNamespace;
using test::patience;
using test::VethPair;
using Frame = std::vector<std::uint8_t>;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::hours longer_than_any_test{1};
constexpr std::uint16_t private_type = 0x88b5;  // IEEE 802, for private use
constexpr std::size_t most_bytes = 9000;

/// Broadcast, with its number, and bytes that depend on it.
Frame numbered(std::uint32_t number, std::size_t bytes) {
    Frame frame(bytes);
    for (std::size_t i = 0; i < bytes; ++i) frame[i] = static_cast<std::uint8_t>(i * 7 + number * 13);
    std::fill_n(frame.begin(), 6, std::uint8_t{0xff});
    frame[12] = private_type >> 8;
    frame[13] = private_type & 0xff;
    std::memcpy(&frame[14], &number, sizeof number);
    return frame;
}

std::shared_ptr<const Interface> right_interface(const VethPair& veth) {
    return veth.right.run([&] { return Interface::find(veth.right.interface); });
}

struct PacketLatencyTest : ::testing::Test {
    void SetUp() override {
        if (!NetworkNamespace::unavailable().empty()) GTEST_SKIP() << "NOT TESTED: " << NetworkNamespace::unavailable();
        if (!PacketRing::stores_come_in_order) GTEST_SKIP() << "NOT TESTED: frames wait for their block here";
        // On one processor a frame is in the ring when its sender returns, and not still on its way between sockets.
        cpu_set_t one;
        CPU_ZERO(&one);
        ::sched_getaffinity(0, sizeof before_, &before_);
        pinned_to_ = static_cast<unsigned>(::sched_getcpu());
        CPU_SET(pinned_to_, &one);
        ::sched_setaffinity(0, sizeof one, &one);
        is_pinned_ = true;
    }
    void TearDown() override {
        if (is_pinned_) ::sched_setaffinity(0, sizeof before_, &before_);
    }

    /// The calling thread: to the last one that the test may use.
    void move_to_another_processor() const {
        cpu_set_t one;
        CPU_ZERO(&one);
        for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
            if (!CPU_ISSET(cpu, &before_) || cpu == pinned_to_) continue;
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
        }
        ::sched_setaffinity(0, sizeof one, &one);  // fails if there is no other
    }

private:
    cpu_set_t before_;
    unsigned pinned_to_ = 0;
    bool is_pinned_ = false;
};

/// A ring on the right end that gets all frames: the kernel sends none of its own without IPv6.
class Receiver {
public:
    Receiver(const VethPair& veth, std::chrono::milliseconds block_time)
        : socket_{right_interface(veth)}, ring_{socket_, block_time} {
        socket_.set(PACKET_IGNORE_OUTGOING, 1, "leave out what is sent on");
        socket_.bind(0x0003);  // ETH_P_ALL
    }

    PacketRing& ring() { return ring_; }
    std::uint32_t next() const { return next_; }

    /// Takes what is there, at most so many at once, and checks that each frame is the next one.
    std::size_t take(std::size_t at_once, const std::function<Frame(std::uint32_t)>& expected) {
        std::vector<RxFrame> frames(at_once);
        const std::size_t taken = ring_.take(frames);
        for (const RxFrame& frame : std::span{frames}.first(taken)) {
            EXPECT_TRUE(Frame(frame.data, frame.data + frame.length) == expected(next_))
                << "frame " << next_ << " of " << expected(next_).size() << " bytes came as one of " << frame.length;
            EXPECT_GT(frame.timestamp_ns, 1'500'000'000'000'000'000u);
            ++next_;
        }
        ring_.release();
        return taken;
    }
    void take_until(std::uint32_t end, std::size_t at_once, const std::function<Frame(std::uint32_t)>& expected) {
        const auto deadline = Clock::now() + patience;
        while (next_ < end && !::testing::Test::HasFailure()) {
            ASSERT_TRUE(take(at_once, expected) != 0 || Clock::now() < deadline) << next_ << " did not come";
        }
    }

private:
    PacketSocket socket_;
    PacketRing ring_;
    std::uint32_t next_ = 0;
};

/// So many frames find room in the ring even if each has a block of its own.
constexpr std::uint32_t most_unread = 30;
/// So many find room in the kernel's queue between the interfaces (net.core.netdev_max_backlog).
constexpr std::uint32_t most_on_their_way = 500;

constexpr std::size_t sizes[] = {60, 61, 64, 128, 1000, 1514, 4000, 8999, most_bytes};

TEST_F(PacketLatencyTest, GivesFramesOfAllSizesOneByOne) {
    const VethPair veth{{.mtu = most_bytes}};
    Receiver receiver{veth, longer_than_any_test};
    const FrameSender sender{veth};
    const auto expected = [](std::uint32_t number) { return numbered(number, sizes[number % std::size(sizes)]); };
    for (std::uint32_t number = 0; number < 6 * std::size(sizes); ++number) {
        EXPECT_FALSE(receiver.ring().ready());
        sender.send(expected(number));
        receiver.take_until(number + 1, 16, expected);
    }
    EXPECT_FALSE(receiver.ring().ready());
}

TEST_F(PacketLatencyTest, GivesWhatHasComeInSeveralBlocks) {
    const VethPair veth{{.mtu = most_bytes}};
    Receiver receiver{veth, longer_than_any_test};
    const FrameSender sender{veth};
    const auto expected = [](std::uint32_t number) { return numbered(number, sizes[number % std::size(sizes)]); };
    // Blocks end while some of their frames have been taken, all, or none.
    std::mt19937 random{20261129};
    const auto below = [&](std::uint32_t end) { return static_cast<std::uint32_t>(random()) % end; };
    std::uint32_t sent = 0;
    while (sent < 1500) {
        const std::uint32_t burst = 1 + below(sent % 2 == 0 ? 3 : 120);
        for (std::uint32_t i = 0; i < burst; ++i) sender.send(expected(sent++));
        const std::uint32_t unread = sent - receiver.next();
        const std::uint32_t takes = unread > most_on_their_way ? unread : below(unread + 1);
        receiver.take_until(receiver.next() + takes, 1 + below(64), expected);
    }
    receiver.take_until(sent, 64, expected);
    EXPECT_FALSE(receiver.ring().ready());
}

TEST_F(PacketLatencyTest, WakesNobodyForEachFrameOfALoad) {
    const VethPair veth;
    Receiver receiver{veth, longer_than_any_test};
    const FrameSender sender{veth};
    const auto expected = [](std::uint32_t number) { return numbered(number, 60); };
    EXPECT_TRUE(receiver.ring().begin_wait());
    constexpr std::uint32_t some_blocks = 5000;
    while (receiver.next() < some_blocks) {
        for (std::uint32_t i = 0; i < most_on_their_way; ++i) sender.send(expected(receiver.next() + i));
        receiver.take_until(receiver.next() + most_on_their_way, 64, expected);
        ASSERT_FALSE(HasFailure());
    }
    EXPECT_FALSE(receiver.ring().begin_wait());
    // What was sent one by one is worth it again, once a block has been full of it.
    for (std::uint32_t number = some_blocks; !receiver.ring().begin_wait(); ++number) {
        ASSERT_LT(number, 3 * some_blocks);
        sender.send(expected(number));
        receiver.take_until(number + 1, 64, expected);
    }
}

TEST_F(PacketLatencyTest, PutsTheVlanTagBackInPlace) {
    const VethPair veth;
    Receiver receiver{veth, longer_than_any_test};
    const FrameSender sender{veth};
    const auto expected = [](std::uint32_t number) {
        Frame frame = numbered(number, 200);
        constexpr std::uint8_t tag[] = {0x81, 0x00, 0x60, 0x07};
        frame.insert(frame.begin() + 12, std::begin(tag), std::end(tag));
        return frame;
    };
    for (std::uint32_t number = 0; number < 10; ++number) {
        sender.send(expected(number));
        receiver.take_until(number + 1, 1, expected);
    }
}

// Blocks of a millisecond: the ring turns, and what is in it is old.
TEST_F(PacketLatencyTest, IsQuickAgainAfterALoad) {
    const VethPair veth{{.mtu = most_bytes}};
    Receiver receiver{veth, PacketRing::default_block_time};
    const FrameSender sender{veth};
    std::mt19937 random{20261129};
    std::vector<std::uint16_t> lengths;
    const auto expected = [&](std::uint32_t number) { return numbered(number, lengths[number]); };
    const auto send = [&] {
        lengths.push_back(
            static_cast<std::uint16_t>(random() % 4 == 0 ? 60 + random() % 1000 : most_bytes - random() % 100));
        sender.send(expected(static_cast<std::uint32_t>(lengths.size() - 1)));
    };
    const auto send_and_take = [&] {
        send();
        receiver.take_until(static_cast<std::uint32_t>(lengths.size()), 64, expected);
    };
    // In the SoftRoCE machine a turn takes seconds.
    const int turns = std::getenv("PKTVERBS_SOFTROCE") ? pktverbs::testing::short_or_long(1, 3) : 3;
    for (int turn = 0; turn < turns; ++turn) {
        for (int i = 0; i < 100; ++i) send_and_take();
        // Three times the ring's 8 MiB. On a busy machine each frame may have a block of its own.
        for (std::size_t bytes = 0; bytes < 24u << 20;) {
            for (std::uint32_t i = 0; i < most_unread; ++i) bytes += (send(), lengths.back());
            receiver.take_until(static_cast<std::uint32_t>(lengths.size()), 64, expected);
        }
        const auto deadline = Clock::now() + patience;
        while (!receiver.ring().begin_wait()) {
            send_and_take();
            ASSERT_LT(Clock::now(), deadline) << "frames still wait for their blocks";
        }
    }
}

// On two processors, if there are: the kernel writes frames and ends blocks while they are read.
TEST_F(PacketLatencyTest, GivesNoFrameBeforeItIsWhole) {
    const VethPair veth{{.mtu = most_bytes}};
    Receiver receiver{veth, PacketRing::default_block_time};
    const FrameSender sender{veth};
    const auto expected = [](std::uint32_t number) { return numbered(number, 60 + number * 7919 % (most_bytes - 59)); };
    const std::uint32_t frames = pktverbs::testing::rounds(std::uint32_t{4'000});
    std::atomic<std::uint32_t> taken{0};
    std::atomic<bool> gives_up{false};
    std::thread other{[&] {
        move_to_another_processor();
        for (std::uint32_t number = 0; number < frames; ++number) {
            const Frame frame = expected(number);
            // Alone, a few at once, or as many as come.
            const std::uint32_t ahead = number % 1000 < 300 ? 0 : number % 1000 < 600 ? 3 : most_unread;
            while (number > taken + ahead && !gives_up) std::this_thread::yield();
            sender.send(frame);
        }
    }};
    const auto deadline = Clock::now() + 3 * patience;
    while (receiver.next() < frames && !HasFailure() && Clock::now() < deadline) {
        receiver.take(16, expected);
        taken = receiver.next();
    }
    EXPECT_EQ(receiver.next(), frames);
    gives_up = true;
    other.join();
}

/// A context on the right end, whose link has such blocks.
struct Waiting {
    explicit Waiting(const VethPair& veth)
        : device{make_device(right_interface(veth))}, ctx{[&] {
              static_cast<SoftDevice&>(*device.handle).port =
                  packet_port(right_interface(veth), {.block_time = longer_than_any_test});
              return Context{device, {.send_packets = none, .recv_packets = 64, .max_packet_size = 2048}};
          }()} {}

    /// As waiting.md says: arms, and polls once more.
    void arm() {
        ctx.drain();
        ASSERT_TRUE(ctx.arm());
        ASSERT_TRUE(ctx.recv(std::chrono::nanoseconds{0}).empty());
    }
    bool is_readable(int timeout_ms = 0) const {
        pollfd waiting{ctx.fd(), POLLIN, 0};
        return ::poll(&waiting, 1, timeout_ms) == 1;
    }
    /// Waits for one frame by the descriptor.
    Frame wait() {
        Frame frame;
        while (frame.empty()) {
            if (!is_readable(std::chrono::milliseconds{patience}.count())) break;
            ctx.drain();
            EXPECT_TRUE(ctx.arm());
            for (const auto& pkt : ctx.recv(std::chrono::nanoseconds{0}))
                frame.assign(pkt.bytes().begin(), pkt.bytes().end());
        }
        return frame;
    }

    verbs::Device device;
    Context ctx;
    Flow flow = ctx.install(FlowRule{}.dst_mac("ff:ff:ff:ff:ff:ff").ether_type(private_type));
};

TEST_F(PacketLatencyTest, WakesWhoWaitsForTheDescriptor) {
    const VethPair veth;
    Waiting receiver{veth};
    const FrameSender sender{veth};
    for (std::uint32_t number = 0; number < 100; ++number) {
        receiver.arm();
        ASSERT_FALSE(receiver.is_readable()) << "before frame " << number;
        sender.send(numbered(number, 100));
        ASSERT_EQ(receiver.wait(), numbered(number, 100));
        // Those that come while nobody waits fill the bell.
        if (number % 10 != 0) continue;
        for (std::uint32_t more = 0; more < 20; ++more) sender.send(numbered(1000 + more, 100));
        // A busy kernel brings them later.
        const auto deadline = Clock::now() + patience;
        for (std::uint32_t came = 0; came < 20;) {
            came += static_cast<std::uint32_t>(receiver.ctx.recv(std::chrono::nanoseconds{0}).size());
            ASSERT_LT(Clock::now(), deadline) << came << " came";
        }
    }
}

TEST_F(PacketLatencyTest, WakesWhoSleepsInRecv) {
    const VethPair veth;
    Waiting receiver{veth};
    const FrameSender sender{veth};
    constexpr std::uint32_t frames = 500;
    std::counting_semaphore<> wanted{0};
    std::thread other{[&] {
        for (std::uint32_t number = 0; number < frames; ++number) {
            wanted.acquire();
            sender.send(numbered(number, 100));
        }
    }};
    std::uint32_t came = 0;
    while (came < frames) {
        wanted.release();
        const RecvList list = receiver.ctx.recv(patience);
        EXPECT_FALSE(list.empty()) << came << " did not come";
        if (list.empty()) break;
        for (const auto& pkt : list) EXPECT_TRUE(std::ranges::equal(pkt.bytes(), numbered(came++, 100)));
    }
    wanted.release(frames);
    other.join();
    EXPECT_EQ(came, frames);
}

TEST_F(PacketLatencyTest, IsNotWokenByFramesForOthers) {
    const VethPair veth;
    Waiting receiver{veth};
    const FrameSender sender{veth};
    Frame foreign = numbered(0, 100);
    foreign[13] ^= 1;
    for (int i = 0; i < 3; ++i) {
        receiver.arm();
        sender.send(foreign);
        EXPECT_FALSE(receiver.is_readable());
        sender.send(numbered(1, 100));
        EXPECT_EQ(receiver.wait(), numbered(1, 100));
    }
}

TEST_F(PacketLatencyTest, WakesAfterTheInterfaceWasDown) {
    const VethPair veth;
    Waiting receiver{veth};
    const FrameSender sender{veth};
    for (std::uint32_t number = 0; number < 3; ++number) {
        receiver.arm();
        sender.send(numbered(number, 100));
        ASSERT_EQ(receiver.wait(), numbered(number, 100));
        receiver.arm();
        veth.right.set_up(false);
        veth.right.wait_for_carrier(false);
        veth.right.set_up(true);
        veth.right.wait_for_carrier(true);
        // What the interface reports wakes, too; then it is silent again.
        const auto deadline = Clock::now() + patience;
        do {
            receiver.arm();
            ASSERT_LT(Clock::now(), deadline) << "always readable";
        } while (receiver.is_readable());
    }
}

TEST_F(PacketLatencyTest, WakesAThreadWithoutCapabilities) {
    const VethPair veth;
    Waiting receiver{veth};
    const FrameSender sender{veth};
    std::thread other{[&] {
        __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
        __user_cap_data_struct none_of_them[2]{};
        ASSERT_EQ(::syscall(SYS_capset, &header, none_of_them), 0);
        receiver.arm();
        sender.send(numbered(7, 100));
        EXPECT_EQ(receiver.wait(), numbered(7, 100));
    }};
    other.join();
}

}  // namespace
}  // namespace pktverbs::soft
