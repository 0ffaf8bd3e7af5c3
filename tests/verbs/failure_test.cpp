// SPDX-License-Identifier: Apache-2.0
// Every verb fails once, in every convention of verbs.
#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <string>
#include <vector>

#include "expect_error.hpp"
#include "world.hpp"

namespace pktverbs::testing {
namespace {

using namespace verbs;  // NOLINT(google-build-using-namespace): all of it is on trial here

struct Failure {
    const char* verb;
    bool gives_pointer;
    int error;
    const char* what;  // between "cannot" and the colon
    const char* hint;  // a part of it
    void (*act)(World&);
};

QueuePair make_qp(World& world, ibv_qp_type type) {
    return QueuePairBuilder{*world.pd, type}.completes_on(*world.cq).create();
}

const std::vector<Failure> failures{
    {"open_device", true, EACCES, "open fake0", "/dev/infiniband", [](World& w) { OpenDevice{w.device->device()}; }},
    {"query_device", false, ENODEV, "query fake0", "removed", [](World& w) { w.device->attributes(); }},
    {"query_port", false, ENODEV, "query the port of fake0", "removed", [](World& w) { w.device->port(); }},
    {"query_gid_table", false, ENODEV, "read the GIDs of fake0", "removed", [](World& w) { w.device->default_gid(); }},
    {"query_gid", false, ENODEV, "read a GID of fake0", "removed", [](World& w) { w.qp->endpoint(); }},
    {"alloc_pd", true, ENOMEM, "allocate a protection domain on fake0", "",
     [](World& w) { ProtectionDomain{*w.device}; }},
    {"reg_mr", true, ENOMEM, "register memory on fake0", "ulimit -l",
     [](World& w) {
         MemoryRegion{*w.pd, w.memory};
     }},
    {"reg_mr", true, EINVAL, "register memory on fake0", "IBV_ACCESS_LOCAL_WRITE",
     [](World& w) {
         MemoryRegion{*w.pd, w.memory};
     }},
    {"reg_dmabuf_mr", true, EOPNOTSUPP, "register a dmabuf on fake0", "map the memory",
     [](World& w) { MemoryRegion::from_dmabuf(*w.pd, 3, 0, 10, 0); }},
    {"reg_dmabuf_mr", true, EBADF, "register a dmabuf on fake0", "not a dmabuf's",
     [](World& w) { MemoryRegion::from_dmabuf(*w.pd, 3, 0, 10, 0); }},
    {"create_ah", true, ETIMEDOUT, "create an address handle to :: on fake0", "no way leads there",
     [](World& w) {
         AddressHandle{*w.pd, AddressOptions{}};
     }},
    {"create_ah", true, ENODATA, "create an address handle to :: on fake0", "nothing is at that GID index",
     [](World& w) {
         AddressHandle{*w.pd, AddressOptions{}};
     }},
    {"create_srq", true, ENOMEM, "create a shared receive queue on fake0", "ask for fewer",
     [](World& w) { SharedReceiveQueue{*w.pd}; }},
    {"create_srq", true, EOPNOTSUPP, "create a shared receive queue on fake0", "to each queue pair",
     [](World& w) { SharedReceiveQueue{*w.pd}; }},
    {"modify_srq", false, EINVAL, "set the limit of a shared receive queue on fake0", "below",
     [](World& w) { w.srq->set_limit(4); }},
    {"query_srq", false, EIO, "query a shared receive queue on fake0", "", [](World& w) { w.srq->query(); }},
    {"create_comp_channel", true, EMFILE, "create a completion channel on fake0", "ulimit -n",
     [](World& w) { CompletionChannel{*w.device}; }},
    {"get_cq_event", true, EIO, "read a completion channel on fake0", "the device is gone",
     [](World& w) { w.channel->wait_event(std::chrono::seconds{5}); }},
    {"create_cq", true, ENOMEM, "create a completion queue on fake0", "or entries",
     [](World& w) { CompletionQueue{*w.device}; }},
    {"create_cq_ex", true, ENOMEM, "create a completion queue on fake0", "or entries",
     [](World& w) {
         CompletionQueue{*w.device, {.extended = true}};
     }},
    {"resize_cq", false, EINVAL, "resize a completion queue on fake0", "are waiting",
     [](World& w) { w.cq->resize(4); }},
    {"resize_cq", false, EOPNOTSUPP, "resize a completion queue on fake0", "as large",
     [](World& w) { w.cq->resize(4); }},
    {"req_notify_cq", false, EIO, "arm a completion queue on fake0", "", [](World& w) { w.cq->arm(); }},
    {"create_qp", true, EOPNOTSUPP, "create a reliable connected queue pair on fake0", "none of that type",
     [](World& w) { make_qp(w, IBV_QPT_RC); }},
    {"create_qp", true, EINVAL, "create a datagram queue pair on fake0", "ask for less",
     [](World& w) { make_qp(w, IBV_QPT_UD); }},
    {"create_qp", true, EPERM, "create a raw packet queue pair on fake0", "CAP_NET_RAW",
     [](World& w) { make_qp(w, IBV_QPT_RAW_PACKET); }},
    {"create_qp", true, EOPNOTSUPP, "create a raw packet queue pair on fake0", "packet:INTERFACE",
     [](World& w) { make_qp(w, IBV_QPT_RAW_PACKET); }},
    {"modify_qp", false, EIO, "bring a datagram queue pair to INIT on fake0", "",
     [](World& w) { make_qp(w, IBV_QPT_UD); }},
    {"modify_qp", false, ETIMEDOUT, "bring a datagram queue pair to RTR on fake0", "no way leads there",
     [](World& w) { w.qp->activate(); }},
    {"modify_qp", false, ENOMEM, "bring a datagram queue pair to ERR on fake0", "", [](World& w) { w.qp->to_error(); }},
    {"modify_qp", false, ENOMEM, "change a datagram queue pair on fake0", "", [](World& w) { w.qp->modify({}, 0); }},
    {"query_qp", false, EIO, "query a queue pair on fake0", "", [](World& w) { w.qp->state(); }},
    {"attach_mcast", false, EINVAL, "join the group ff0e::1 on fake0", "not a multicast address",
     [](World& w) { w.qp->join(Ipv6Address{"ff0e::1"}); }},
    {"attach_mcast", false, ENOMEM, "join the group ff0e::1 on fake0", "are full",
     [](World& w) { w.qp->join(Ipv6Address{"ff0e::1"}); }},
    {"detach_mcast", false, EINVAL, "leave the group ff0e::1 on fake0", "has not joined",
     [](World& w) { w.qp->leave(Ipv6Address{"ff0e::1"}); }},
};

class FailureTest : public ::testing::TestWithParam<Failure> {
protected:
    FakeVerbs fake_;
    World world_{fake_};
};

INSTANTIATE_TEST_SUITE_P(Verbs, FailureTest, ::testing::ValuesIn(failures), [](const auto& test) {
    return std::string{test.param.verb} + "_" + std::to_string(test.index);
});

TEST_P(FailureTest, IsReportedWithItsErrnoAndLeavesNothing) {
    const auto& [verb, gives_pointer, error, what, hint, act] = GetParam();
    const std::size_t living = fake_.living();
    for (const auto way : FakeVerbs::ways) {
        if (gives_pointer && way != FakeVerbs::Way::usual) continue;
        if (way == FakeVerbs::Way::forgets_errno) continue;
        fake_.fail(verb, error, way);
        const std::string text = expect_error(error, [&, do_it = act] { do_it(world_); });
        const std::string start = std::string{"cannot "} + what + ": " + std::generic_category().message(error);
        expect_words(text, {start.c_str(), hint});
        EXPECT_EQ(text.find(" ("), *hint ? start.size() : std::string::npos) << text;
        EXPECT_EQ(text.starts_with(start), true) << text;
        EXPECT_TRUE(fake_.did_fail());
        EXPECT_EQ(fake_.living(), living);
    }
}

TEST_P(FailureTest, IsEioWhereTheVerbForgotErrno) {
    const auto& [verb, gives_pointer, error, what, hint, act] = GetParam();
    if (std::string{verb} == "get_cq_event") return;  // a read, which the kernel answers
    const std::size_t living = fake_.living();
    fake_.fail(verb, error, FakeVerbs::Way::forgets_errno);
    errno = EPERM;  // left by an earlier call
    expect_error(EIO, [&, do_it = act] { do_it(world_); });
    EXPECT_EQ(fake_.living(), living);
}

TEST_P(FailureTest, IsForgottenWhenTheVerbWorksAgain) {
    const auto& [verb, gives_pointer, error, what, hint, act] = GetParam();
    if (std::string{verb} == "get_cq_event") fake_.report(world_.cq->raw());
    fake_.fail(verb, error);
    EXPECT_THROW(act(world_), std::system_error);
    fake_.works();
    EXPECT_NO_THROW(act(world_));
}

TEST_P(FailureTest, TouchesNothingElse) {
    const Failure& failure = GetParam();
    const std::size_t living = fake_.living();
    fake_.fail(failure.verb, failure.error);
    EXPECT_THROW(failure.act(world_), std::system_error);
    EXPECT_EQ(fake_.living(), living);
    for (std::size_t i = 0; i < World::handles; ++i) world_.drop(i);
    EXPECT_EQ(fake_.living(), 0U);
}

class FailedSetupTest : public ::testing::Test {
protected:
    FakeVerbs fake_;
};

TEST_F(FailedSetupTest, ClosesADeviceThatCannotBeQueried) {
    fake_.fail("query_device", EIO);
    expect_error(EIO, [&] { OpenDevice{fake_.device()}; });
    EXPECT_EQ(fake_.count("open_device"), 1);
    EXPECT_EQ(fake_.count("close_device"), 1);
}

TEST_F(FailedSetupTest, GivesAttributesOfADriverWithoutExtendedOnes) {
    fake_.attributes.max_qp = 9;
    const OpenDevice device{fake_.device()};
    EXPECT_EQ(device.extended_attributes().hca_core_clock, 7U);
    for (const auto way : FakeVerbs::ways) {
        fake_.fail("query_device_ex", EOPNOTSUPP, way);
        EXPECT_EQ(device.extended_attributes().hca_core_clock, 0U);
        EXPECT_EQ(device.extended_attributes().orig_attr.max_qp, 9);
    }
}

TEST_F(FailedSetupTest, SaysThatAGidTableIsEmpty) {
    fake_.gids.assign(16, ibv_gid_entry{});
    const OpenDevice device{fake_.device()};
    EXPECT_TRUE(device.gids().empty());
    expect_words(expect_error(ENOENT, [&] { device.default_gid(); }),
                 {"cannot choose a GID of fake0: No such file or directory (its table is empty", "an address"});
}

TEST_F(FailedSetupTest, GivesAClassicQueueWhereTheDriverHasNoExtendedOnes) {
    const OpenDevice device{fake_.device()};
    for (const int error : {EOPNOTSUPP, ENOSYS}) {
        fake_.fail("create_cq_ex", error);
        const CompletionQueue cq{device, {.extended = true}};
        EXPECT_FALSE(cq.is_extended());
    }
}

TEST_F(FailedSetupTest, NamesTheSoftDeviceThatHasRawPackets) {
    Device named = fake_.device("rxe7/1");
    named.alternative = "packet:eth7";
    const OpenDevice device{named};
    const ProtectionDomain pd{device};
    const CompletionQueue cq{device};
    fake_.fail("create_qp", EOPNOTSUPP);
    EXPECT_EQ(expect_error(EOPNOTSUPP,
                           [&] {
                               QueuePairBuilder{pd, IBV_QPT_RAW_PACKET}.completes_on(cq).create();
                           }),
              "cannot create a raw packet queue pair on rxe7/1: Operation not supported "
              "(this device has no raw packet queue pairs: open the soft device packet:eth7)");
}

TEST_F(FailedSetupTest, SaysThatNoDeviceWasFound) {
    EXPECT_EQ(expect_error(ENODEV, [] { OpenDevice{Device{}}; }),
              "cannot open a device: No such device (there is no verbs device behind it)");
    Device named = fake_.device("eth9");
    named.handle = nullptr;
    expect_words(expect_error(ENODEV, [&] { OpenDevice{named}; }), {"cannot open eth9: "});
    EXPECT_EQ(fake_.count("open_device"), 0);
    expect_error(ENODEV, [] { OpenDevice{find_hardware_device("no-such-if")}; });
    expect_error(ENODEV, [] { OpenDevice{hardware_device("no_such_device")}; });
}

TEST_F(FailedSetupTest, RefusesObjectsOfAnotherDevice) {
    const World world{fake_};
    const World other{fake_};
    expect_words(expect_error(EINVAL, [&] { CompletionQueue(*world.device, {.channel = *other.channel}); }),
                 {"cannot create a completion queue on fake0: ", "its channel was opened with another device"});
    for (const auto& builder : {
             QueuePairBuilder{*world.pd, IBV_QPT_RC}.completes_on(*other.cq),
             QueuePairBuilder{*world.pd, IBV_QPT_RC}.completes_on(*world.cq).sends_complete_on(*other.cq),
             QueuePairBuilder{*world.pd, IBV_QPT_RC}.completes_on(*world.cq).receives_complete_on(*other.cq),
             QueuePairBuilder{*world.pd, IBV_QPT_RC}.completes_on(*world.cq).receives_from(*other.srq),
         })
        expect_words(expect_error(EINVAL, [&] { builder.create(); }),
                     {"cannot create a reliable connected queue pair on fake0: ", "opened with another device"});
    EXPECT_EQ(fake_.count("create_qp"), 2);
    EXPECT_EQ(fake_.count("create_cq"), 2);
}

TEST_F(FailedSetupTest, NeedsACompletionQueue) {
    const OpenDevice device{fake_.device()};
    const ProtectionDomain pd{device};
    const CompletionQueue cq{device};
    EXPECT_THROW((QueuePairBuilder{pd, IBV_QPT_RC}.create()), std::invalid_argument);
    EXPECT_THROW((QueuePairBuilder{pd, IBV_QPT_RC}.sends_complete_on(cq).create()), std::invalid_argument);
    EXPECT_THROW((QueuePairBuilder{pd, IBV_QPT_RC}.receives_complete_on(cq).create()), std::invalid_argument);
}

TEST_F(FailedSetupTest, RefusesNumbersThatNoPacketCanCarry) {
    World world{fake_};
    QueuePairBuilder builder{*world.pd, IBV_QPT_RC};
    builder.completes_on(*world.cq).options().psn = 1 << 24;
    expect_words(expect_error(EINVAL, [&] { builder.create(); }),
                 {"cannot create a reliable connected queue pair on fake0: ", "psn has more than 24 bits"});
    AddressOptions address;
    address.gid_index = 256;
    expect_words(expect_error(EINVAL, [&] { AddressHandle(*world.pd, address); }), {"cannot send from GID index 256"});
    EXPECT_EQ(fake_.count("create_ah"), 1);
}

}  // namespace
}  // namespace pktverbs::testing
