// SPDX-License-Identifier: Apache-2.0
// Faults: every verb fails, one at a time: the message, and the objects left behind.
#include <fmt/core.h>

#include <net/if.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>
#include <atomic>
#include <future>
#include <utility>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>

#include <pktverbs/soft/device.hpp>
#include "base/file_descriptor.hpp"
#include "expect_error.hpp"
#include "faulty_ops.hpp"
#include "faulty_provider.hpp"
#include "wired.hpp"

#include "wire_device.hpp"

namespace pktverbs::testing {
namespace {

std::size_t open_files() {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator{"/proc/self/fd"}, {}));
}

/// Memory mapped by pktverbs::Memory: no other memory here is kept from forked children ("dc" in smaps).
std::size_t mapped_kib() {
    std::ifstream smaps{"/proc/self/smaps"};
    std::size_t size = 0, total = 0;
    for (std::string line; std::getline(smaps, line);) {
        if (line.starts_with("Size:")) size = std::stoul(line.substr(5));
        if (line.starts_with("VmFlags:") && line.find(" dc") != std::string::npos) total += size;
    }
    return total;
}

/// What the message must say about the failed verb.
const std::map<std::string, const char*> words_for{
    {"open_device", "open"},
    {"query_device", "query"},
    {"query_port", "query the port"},
    {"alloc_pd", "protection domain"},
    {"create_comp_channel", "completion channel"},
    {"create_cq", "completion queue"},
    {"create_cq_ex", "completion queue"},
    {"reg_mr", "buffers"},
    {"create_qp", "raw packet queue pair"},
    {"modify_qp", "queue pair to "},
};

struct Setup {
    const char* name;
    std::uint32_t queues;
    bool timestamps;
};

class Faults : public Wired {};
class SetupFaults : public Faults, public ::testing::WithParamInterface<Setup> {
protected:
    SetupFaults() {
        options.queues = GetParam().queues;
        options.timestamps = GetParam().timestamps;
    }
    /// A context opens without these: there is another way to the same information, or it is optional.
    static bool is_optional(const std::string& verb) { return verb == "query_gid" || verb == "query_device_ex"; }

    Options options = small;
    FaultyProvider faults;
};

TEST_P(SetupFaults, EveryVerbInEveryWaySaysWhatFailedAndLeavesNothing) {
    using Way = FaultyProvider::Way;
    { Context all_well{faults.device(name), options}; }
    const int verbs = faults.calls;
    ASSERT_GE(verbs, 10);
    const std::size_t files = open_files(), kib = mapped_kib();
    for (const Way way : {Way::usual, Way::returns_minus_one, Way::returns_negative, Way::forgets_errno}) {
        for (int nth = 1; nth <= verbs; ++nth) {
            faults.fail(nth, ENOSPC, way);
            std::string text;
            try {
                Context ctx{faults.device(name), options};
            } catch (const std::system_error& error) {
                text = error.what();
                EXPECT_EQ(error.code().value(), way == Way::forgets_errno ? EIO : ENOSPC) << faults.failed_verb;
            }
            ASSERT_NE(faults.failed_verb, "");
            if (is_optional(faults.failed_verb)) {
                EXPECT_EQ(text, "");
            } else {
                ASSERT_TRUE(words_for.contains(faults.failed_verb)) << faults.failed_verb;
                expect_words(text, {"cannot ", words_for.at(faults.failed_verb), ("wire:" + name).c_str(),
                                    std::strerror(way == Way::forgets_errno ? EIO : ENOSPC)});
            }
            EXPECT_TRUE(faults.living.empty()) << text;
            EXPECT_EQ(open_files(), files) << text;
            EXPECT_EQ(mapped_kib(), kib) << text;
        }
    }
}
INSTANTIATE_TEST_SUITE_P(Faults, SetupFaults,
                         ::testing::Values(Setup{"one", 1, false}, Setup{"one_extended", 1, true},
                                           Setup{"two", 2, false}, Setup{"two_extended", 2, true}),
                         [](const auto& param) { return param.param.name; });

TEST_F(Faults, FailingOpenSaysWhatIsMissing) {
    FaultyProvider faults;
    faults.fail(1, EPERM);
    expect_words(expect_error(EPERM, [&] { Context{faults.device(name), small}; }), {"CAP_NET_RAW"});
}

TEST_F(Faults, WithoutGidsTheMacIsZero) {
    verbs::Device device = testing::wire_device(name);
    verbs::Provider without_gids = *device.provider;
    without_gids.query_gid = [](ibv_context*, std::uint8_t, int, ibv_gid*) {
        errno = EIO;
        return -1;
    };
    device.provider = &without_gids;
    EXPECT_TRUE((Context{device, small}.limits().mac.is_zero()));
}

TEST_F(Faults, WithoutExtendedAttributesThereAreNoTimestamps) {
    FaultyProvider faults;
    faults.fail(3, EOPNOTSUPP);
    const Context ctx{faults.device(name), with_timestamps(small)};
    EXPECT_EQ(faults.failed_verb, "query_device_ex");
    EXPECT_FALSE(ctx.limits().timestamps);
}

TEST_F(Faults, RefusedReceivePacketsAtSetupLeaveNothing) {
    static std::optional<FaultyOps> ops;
    FaultyProvider faults;
    faults.opened = [](ibv_context* context) {
        ops.emplace(context);
        ops->recv_takes = 5;
        ops->error = ENOMEM;
    };
    const std::size_t files = open_files(), kib = mapped_kib();
    const std::string text = expect_error(ENOMEM, [&] { Context{faults.device(name), small}; });
    expect_words(text, {"cannot post 11 of 16 receive packets", ("wire:" + name).c_str(), "Cannot allocate memory"});
    EXPECT_TRUE(faults.living.empty());
    EXPECT_EQ(open_files(), files);
    EXPECT_EQ(mapped_kib(), kib);
    ops->forget();
    ops.reset();
}

/// As if `ulimit -n` were reached while a context is opened: at each of its descriptors in turn.
TEST_F(Faults, NoMoreDescriptorsLeaveNothing) {
#ifdef PKTVERBS_SANITIZED
    GTEST_SKIP() << "UBSan itself needs descriptors where an exception is caught";
#endif
    FaultyProvider faults;
    rlimit before{};
    ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
    const std::size_t files = open_files();
    bool opened = false;
    for (rlim_t room = 0; !opened; ++room) {
        ASSERT_LT(room, 64u);
        const int lowest_free = dup(0);
        close(lowest_free);
        const rlimit tight{static_cast<rlim_t>(lowest_free) + room, before.rlim_max};
        ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &tight), 0);
        std::exception_ptr thrown;
        try {
            Context ctx{faults.device(name), with_queues(2)};
            opened = true;
        } catch (...) {
            thrown = std::current_exception();
        }
        ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
        if (!opened)
            expect_words(expect_error(EMFILE, [&] { std::rethrow_exception(thrown); }), {"cannot ", "ulimit -n"});
        EXPECT_TRUE(faults.living.empty()) << room;
        EXPECT_EQ(open_files(), files) << room;
    }
}

/// Users of a multicast group on loopback, from /proc/net/igmp: groups are listed there as u32 in host order.
int members(const std::string& group_as_hex) {
    std::ifstream igmp{"/proc/net/igmp"};
    bool loopback = false;
    for (std::string line; std::getline(igmp, line);) {
        if (line.find("\tlo ") != std::string::npos)
            loopback = true;
        else if (!line.empty() && line[0] != '\t')
            loopback = false;
        const auto at = line.find(group_as_hex);
        if (loopback && at != std::string::npos) return std::stoi(line.substr(at + 8));
    }
    return 0;
}

/// A wire device that claims to be loopback, so that groups are really joined.
class GroupFaults : public Faults {
protected:
    Device on_loopback() const {
        Device device = faults.device(name);
        device.interface = "lo";
        return device;
    }
    void SetUp() override {
        if (if_nametoindex("lo") == 0 || !std::filesystem::exists("/proc/net/igmp"))
            GTEST_SKIP() << "no loopback interface to join groups on";
    }
    /// A group of this process's: the kernel counts the members of all.
    const unsigned high = static_cast<unsigned>(getpid()) >> 8 & 0xff, low = static_cast<unsigned>(getpid()) & 0xff;
    const std::string address = fmt::format("239.81.{}.{}", high, low);
    const std::string group = fmt::format("{:02X}{:02X}51EF", low, high);
    const FlowRule rule = FlowRule{}.dst_ip(address).udp().dst_port(7148);
    FaultyProvider faults;
};

TEST_F(GroupFaults, FailingCreateFlowLeavesNoMembership) {
    Context ctx{on_loopback(), small};
    const std::size_t files = open_files();
    faults.fail(1, ENOMEM);
    const std::string text = expect_error(ENOMEM, [&] { (void)ctx.install(rule); });
    expect_words(text, {"cannot install the flow rule", ("dst_ip " + address + " udp dst_port 7148").c_str(),
                        "wire:", "Cannot allocate memory", "flow table is full"});
    EXPECT_EQ(members(group), 0);
    EXPECT_EQ(open_files(), files);
    EXPECT_EQ(ctx.stats().posted_now, 16u);
    const Flow flow = ctx.install(rule);  // and the retry works
    EXPECT_TRUE(flow.installed());
    EXPECT_EQ(members(group), 1);
}

TEST_F(GroupFaults, TwoRulesShareOneMembership) {
    Context ctx{on_loopback(), small};
    Flow one = ctx.install(rule);
    Flow two = ctx.install(FlowRule{rule}.dst_port(7149));
    EXPECT_EQ(members(group), 1);
    one.remove();
    one.remove();
    EXPECT_EQ(members(group), 1);
    faults.fail(1, EIO);
    EXPECT_THROW((void)ctx.install(rule), std::system_error);
    EXPECT_EQ(members(group), 1);
    two.remove();
    EXPECT_EQ(members(group), 0);
}

TEST_F(GroupFaults, ClosingLeavesTheGroups) {
    std::optional<Context> ctx{std::in_place, on_loopback(), small};
    const Flow flow = ctx->install(rule);
    ctx->set_flow(3, FlowRule{rule}.dst_port(1));
    ctx.reset();
    EXPECT_EQ(members(group), 0);
}

TEST_F(GroupFaults, FailedReplaceKeepsTheOldMembership) {
    Context ctx{on_loopback(), small};
    ctx.set_flow(0, rule);
    faults.fail(1, EIO);
    expect_error(EIO, [&] { ctx.set_flow(0, FlowRule{}.dst_ip("239.81.7.43")); });
    EXPECT_EQ(members(group), 1);
    EXPECT_EQ(members("2B0751EF"), 0);
    ctx.set_flow(0, FlowRule{}.dst_ip("239.81.7.43"));
    EXPECT_EQ(members(group), 0);
    EXPECT_EQ(members("2B0751EF"), 1);
}

TEST_F(GroupFaults, GroupThatTheKernelRefusesInstallsNoFlow) {
    Device device = faults.device(name);
    device.interface = "not-there0";
    device.netdev = nullptr;
    device.joins_groups = true;
    Context ctx{device, small};
    faults.fail(0, 0);
    expect_words(expect_error(ENODEV, [&] { (void)ctx.install(rule); }),
                 {("cannot join multicast group " + address + " for " + device.name + ": no interface").c_str()});
    EXPECT_EQ(faults.calls, 0);
}

// The data path.

using DataFaults = Receiving;

TEST_F(Wired, FailingPollNeverLosesChainedPackets) {
    Context ctx = open({.send_packets = none, .recv_packets = 256, .max_packet_size = 64, .max_batch = 256});
    const Flow flow = ctx.install(FlowRule{});
    plant(100);
    {
        FaultyOps ops{ctx};
        ops.good_polls = 1;
        ops.bad_polls = 1;
        const RecvList list = ctx.recv(0ns);
        EXPECT_EQ(list.size(), 64u);
        EXPECT_EQ(list.outcome(), Outcome::packets);
        EXPECT_EQ(ctx.queue(0).error(), EIO);
        ops.bad_polls = FaultyOps::always;
        EXPECT_EQ(ctx.recv(no_timeout).outcome(), Outcome::device_error);
        EXPECT_EQ(to_string(ctx.recv(0ns).outcome()), "device error");
    }
    EXPECT_EQ(ctx.recv(0ns).size(), 36u);
    EXPECT_EQ(ctx.recv(no_timeout).outcome(), Outcome::device_error);  // until recover()
    EXPECT_EQ(ctx.stats().posted_now, 256u);
}

TEST_F(DataFaults, FailingArmIsReportedAndLosesNoWakeUp) {
    {
        FaultyOps ops{ctx};
        ops.bad_notifies = 1;
        ops.error = ENOMEM;
        EXPECT_EQ(ctx.recv(no_timeout).outcome(), Outcome::device_error);
        EXPECT_EQ(ctx.queue(0).error(), ENOMEM);
        ops.bad_notifies = 1;
        EXPECT_FALSE(ctx.arm());
    }
    plant(2);
    EXPECT_EQ(ctx.recv(no_timeout).size(), 2u);
    EXPECT_EQ(ctx.recv(no_timeout).outcome(), Outcome::device_error);
}

TEST_F(DataFaults, FrameThatComesWhileArmingFailsIsGivenNext) {
    FaultyOps ops{ctx};
    ops.bad_notifies = 1;
    EXPECT_EQ(ctx.recv(1ms).outcome(), Outcome::device_error);
    plant();
    EXPECT_EQ(ctx.recv(0ns).size(), 1u);
}

TEST_F(DataFaults, OfTheSendSideDoNotStopTheReceiver) {
    FaultyOps ops{ctx};
    ops.withheld = ctx.queue(0).raw_send_cq();
    ctx.send(filled(ctx.acquire(1), 0));
    ops.bad_notifies = 1;
    EXPECT_FALSE(ctx.flush(no_timeout));
    EXPECT_EQ(ctx.queue(0).error(), EIO);
    EXPECT_EQ(ctx.recv(1ms).outcome(), Outcome::timeout);
}

TEST_F(DataFaults, OfTheReceiveSideDoNotStopTheSender) {
    FaultyOps ops{ctx};
    ops.bad_notifies = 1;
    EXPECT_EQ(ctx.recv(1ms).outcome(), Outcome::device_error);
    ctx.send(filled(ctx.acquire(8), 0));
    EXPECT_TRUE(ctx.flush(no_timeout));
    EXPECT_EQ(ctx.acquire(8, no_timeout).size(), 8u);
}

class WaitModes : public Wired, public ::testing::WithParamInterface<WaitMode> {};

TEST_P(WaitModes, FailingPollOfTheSendSideEndsEveryWait) {
    Context ctx = open(with_wait(GetParam()));
    FaultyOps ops{ctx};
    ops.withheld = ctx.queue(0).raw_send_cq();
    ctx.send(filled(ctx.acquire(3), 0));
    ops.good_polls = 0;
    ops.bad_polls = FaultyOps::always;
    EXPECT_FALSE(ctx.flush(no_timeout));
    EXPECT_EQ(ctx.acquire(8, no_timeout).size(), 5u);
}

TEST_P(WaitModes, FailingPollOfTheReceiveSideEndsEveryWait) {
    Context ctx = open(with_wait(GetParam()));
    FaultyOps ops{ctx};
    ops.good_polls = 1;
    ops.bad_polls = FaultyOps::always;
    EXPECT_EQ(ctx.recv(no_timeout).outcome(), Outcome::device_error);
}

TEST_P(WaitModes, QueueInErrorEndsEveryWait) {
    Context ctx = open(with_wait(GetParam()));
    const Flow flow = ctx.install(FlowRule{});
    world.send(frame(0, 300));
    EXPECT_EQ(ctx.recv(no_timeout).size(), 1u);
    EXPECT_EQ(ctx.recv(no_timeout).outcome(), Outcome::queue_error);
}
INSTANTIATE_TEST_SUITE_P(Faults, WaitModes,
                         ::testing::Values(WaitMode::block, WaitMode::busy_poll, WaitMode::spin_then_block));

/// A device that reports a failure on the test's request.
class FailingDevice : public Wired, public ::testing::WithParamInterface<WaitMode> {
protected:
    FailingDevice() {
        provider = soft::provider();
        provider.get_async_event = [](ibv_context*, ibv_async_event* event) {
            errno = EAGAIN;
            if (!failed.exchange(false)) return -1;
            event->event_type = IBV_EVENT_DEVICE_FATAL;
            return 0;
        };
        provider.ack_async_event = [](ibv_async_event*) {};
        real_fd_ = std::exchange(ctx.raw()->async_fd, announced_.get());
        ops_.withheld = ctx.queue(0).raw_send_cq();
        ctx.send(filled(ctx.acquire(3), 0));
    }
    ~FailingDevice() override { ctx.raw()->async_fd = real_fd_; }
    void fail() {
        failed = true;
        ASSERT_EQ(eventfd_write(announced_.get(), 1), 0);
    }
    static inline std::atomic<bool> failed{false};
    static inline verbs::Provider provider;
    static Device device(const std::string& name) {
        Device made = testing::wire_device(name);
        made.provider = &(provider = soft::provider());
        return made;
    }
    Context ctx{device(name), with_wait(GetParam())};

private:
    FileDescriptor announced_{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    int real_fd_ = -1;
    FaultyOps ops_{ctx};
};

INSTANTIATE_TEST_SUITE_P(Faults, FailingDevice,
                         ::testing::Values(WaitMode::block, WaitMode::busy_poll, WaitMode::spin_then_block));

TEST_P(FailingDevice, EndsAWaitToSend) {
    auto flushed = std::async(std::launch::async, [&] { return ctx.flush(no_timeout); });
    fail();
    EXPECT_FALSE(flushed.get());
    EXPECT_EQ(ctx.queue(0).error(), EIO);
}

TEST_P(FailingDevice, EndsAWaitToReceiveAndOneToSend) {
    auto flushed = std::async(std::launch::async, [&] { return ctx.flush(no_timeout); });
    auto received = std::async(std::launch::async, [&] { return ctx.recv(no_timeout); });
    fail();  // whichever takes the event, both get it
    EXPECT_FALSE(flushed.get());
    EXPECT_EQ(received.get().outcome(), Outcome::device_error);
}

TEST_F(Wired, DriverThatDoesNotSayWhatItRefusedTookNothing) {
    Context ctx = open();
    const Flow flow = hear(ctx);
    plant(3);
    RecvList received = ctx.recv(0ns);
    const ibv_context_ops real = ctx.raw()->ops;
    ctx.raw()->ops.post_send = [](ibv_qp*, ibv_send_wr*, ibv_send_wr**) { return ENOMEM; };
    ctx.raw()->ops.post_recv = [](ibv_qp*, ibv_recv_wr*, ibv_recv_wr**) { return ENOMEM; };
    const SendList refused = ctx.send(filled(ctx.acquire(3), 0));
    EXPECT_EQ(refused.size(), 3u);
    EXPECT_EQ(refused.error(), ENOMEM);
    EXPECT_EQ(received.release(), 0u);
    ctx.raw()->ops = real;
    EXPECT_TRUE(ctx.recv(0ns).empty());
    EXPECT_EQ(ctx.stats().posted_now, 16u);
}

TEST_F(Wired, FailingExtendedPollIsReportedAfterItsPackets) {
    Context ctx = open(with_timestamps(small));
    const Flow flow = ctx.install(FlowRule{});
    plant(5);
    ibv_cq_ex* const cq = reinterpret_cast<ibv_cq_ex*>(ctx.queue(0).raw_recv_cq());
    const auto start = cq->start_poll;
    const auto next = cq->next_poll;
    cq->next_poll = [](ibv_cq_ex*) { return EIO; };
    EXPECT_EQ(numbers(ctx.recv(0ns)), Numbers{0});
    EXPECT_EQ(ctx.queue(0).error(), EIO);
    cq->start_poll = [](ibv_cq_ex*, ibv_poll_cq_attr*) { return EINVAL; };
    EXPECT_EQ(ctx.recv(no_timeout).outcome(), Outcome::device_error);
    EXPECT_EQ(ctx.queue(0).error(), EINVAL);
    cq->start_poll = start;
    cq->next_poll = next;
    EXPECT_EQ(numbers(ctx.recv(0ns)), (Numbers{1, 2, 3, 4}));
}

}  // namespace
}  // namespace pktverbs::testing
