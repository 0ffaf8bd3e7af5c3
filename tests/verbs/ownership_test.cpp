// SPDX-License-Identifier: Apache-2.0
// Ownership: which objects keep others alive, with handles ending in any order.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <numeric>
#include <type_traits>
#include <utility>

#include "world.hpp"

namespace pktverbs::testing {
namespace {

using namespace verbs;  // NOLINT(google-build-using-namespace): all of it is on trial here

template <class Handle>
constexpr bool is_shared = std::is_copy_constructible_v<Handle>&& std::is_copy_assignable_v<Handle>&&
    std::is_nothrow_move_constructible_v<Handle>&& std::is_nothrow_move_assignable_v<Handle>;
template <class Handle>
constexpr bool is_move_only = !std::is_copy_constructible_v<Handle> && !std::is_copy_assignable_v<Handle> &&
                              std::is_nothrow_move_constructible_v<Handle> && std::is_nothrow_move_assignable_v<Handle>;
static_assert(is_shared<OpenDevice>);
static_assert(is_shared<ProtectionDomain>);
static_assert(is_shared<CompletionChannel>);
static_assert(is_shared<CompletionQueue>);
static_assert(is_shared<SharedReceiveQueue>);
static_assert(is_move_only<MemoryRegion>);
static_assert(is_move_only<AddressHandle>);
static_assert(is_move_only<QueuePair>);
static_assert(std::is_trivially_copyable_v<LocalSlice>);
static_assert(std::is_trivially_copyable_v<RemoteSlice>);
static_assert(!std::is_default_constructible_v<LocalSlice>);  // it comes from a region
static_assert(!std::is_convertible_v<OpenDevice, ProtectionDomain>);

class OwnershipTest : public ::testing::TestWithParam<bool> {
protected:
    FakeVerbs fake_;
};

INSTANTIATE_TEST_SUITE_P(, OwnershipTest, ::testing::Values(false, true),
                         [](const auto& test) { return test.param ? "ExtendedQueue" : "ClassicQueue"; });

TEST_P(OwnershipTest, LetsHandlesGoInAnyOrder) {
    std::array<std::size_t, World::handles> order{};
    std::iota(order.begin(), order.end(), 0U);
    do {
        {
            World world{fake_, GetParam()};
            EXPECT_EQ(world.cq->is_extended(), GetParam());
            for (const std::size_t number : order) world.drop(number);
            ASSERT_EQ(fake_.living(), 0U);
        }
        ASSERT_FALSE(HasFailure());
        fake_.calls.clear();
    } while (std::next_permutation(order.begin(), order.end()));
}

TEST_P(OwnershipTest, EndsInTheReverseOrderOfCreation) {
    { const World world{fake_, GetParam()}; }
    std::erase_if(fake_.calls, [](const std::string& call) { return call.find("de") != 0 && call.find("close") != 0; });
    EXPECT_EQ(fake_.calls,
              (std::vector<std::string>{"destroy_qp", "destroy_ah", "dereg_mr", "destroy_srq", "destroy_cq",
                                        "destroy_comp_channel", "dealloc_pd", "close_device"}));
}

/// An object ends before the parent that it kept alive.
TEST_P(OwnershipTest, EndsChildrenFirstWhereAHandleIsAssignedTo) {
    World old{fake_, GetParam()};
    World world{fake_, GetParam()};
    old.device.reset();
    old.qp.reset();
    old.cq.reset();
    old.pd.reset();
    *old.channel = *world.channel;
    *old.srq = *world.srq;
    *old.region = std::move(*world.region);
    *old.address = std::move(*world.address);  // the last owner of the old device
    EXPECT_EQ(fake_.count("close_device"), 1);
    EXPECT_EQ(old.region->size(), 4096U);
}

TEST_P(OwnershipTest, EndsChildrenFirstWhereEachAloneIsAssignedTo) {
    World world{fake_, GetParam()};
    {
        ProtectionDomain pd{OpenDevice{fake_.device()}};
        pd = *world.pd;
        CompletionChannel channel{OpenDevice{fake_.device()}};
        channel = *world.channel;
        CompletionQueue cq{OpenDevice{fake_.device()}};
        cq = *world.cq;
        SharedReceiveQueue srq{ProtectionDomain{OpenDevice{fake_.device()}}};
        srq = *world.srq;
        std::array<std::uint8_t, 10> memory{};
        MemoryRegion region{ProtectionDomain{OpenDevice{fake_.device()}}, memory};
        region = MemoryRegion{*world.pd, memory};
        AddressHandle address{ProtectionDomain{OpenDevice{fake_.device()}}, AddressOptions{}};
        address = AddressHandle{*world.pd, AddressOptions{}};
        const OpenDevice other{fake_.device()};
        const CompletionQueue other_cq{other};
        QueuePair qp = QueuePairBuilder{ProtectionDomain{other}, IBV_QPT_RC}.completes_on(other_cq).create();
        qp = QueuePairBuilder{*world.pd, IBV_QPT_RC}.completes_on(*world.cq).create();
        EXPECT_EQ(fake_.count("close_device"), 6);
    }
    EXPECT_EQ(fake_.count("close_device"), 7);
}

TEST_P(OwnershipTest, SurvivesAssigningToItself) {
    World world{fake_, GetParam()};
    const std::size_t living = fake_.living();
    auto& pd = *world.pd;
    pd = *world.pd;
    auto& region = *world.region;
    region = std::move(*world.region);
    auto& address = *world.address;
    address = std::move(*world.address);
    EXPECT_EQ(fake_.living(), living);
    EXPECT_EQ(region.size(), 4096U);
}

TEST_P(OwnershipTest, MovesWhatIsMoveOnly) {
    World world{fake_, GetParam()};
    const auto* const mr = world.region->raw();
    const MemoryRegion region{std::move(*world.region)};
    EXPECT_EQ(region.raw(), mr);
    const auto* const qp = world.qp->raw();
    const QueuePair queue_pair{std::move(*world.qp)};
    EXPECT_EQ(queue_pair.raw(), qp);
    world.region.reset();
    world.qp.reset();
    EXPECT_EQ(fake_.count("destroy_qp") + fake_.count("dereg_mr"), 0);
}

TEST_P(OwnershipTest, SharesWhatIsShared) {
    World world{fake_, GetParam()};
    const OpenDevice device = *world.device;
    const ProtectionDomain pd = *world.pd;
    const CompletionChannel channel = *world.channel;
    const CompletionQueue cq = *world.cq;
    const SharedReceiveQueue srq = *world.srq;
    EXPECT_EQ(device.raw(), world.device->raw());
    EXPECT_EQ(pd.raw(), world.pd->raw());
    EXPECT_EQ(channel.raw(), world.channel->raw());
    EXPECT_EQ(cq.raw(), world.cq->raw());
    EXPECT_EQ(srq.raw(), world.srq->raw());
}

TEST_P(OwnershipTest, AcknowledgesEventsBeforeAQueueEnds) {
    for (const int events : {1, 63, 64, 65, 200}) {
        World world{fake_, GetParam()};
        for (int i = 0; i < events; ++i) fake_.report(world.cq->raw());
        int taken = 0;
        while (const auto event = world.channel->next_event()) {
            EXPECT_EQ(event->cq, world.cq->raw());
            EXPECT_EQ(event->context, &world);
            ++taken;
        }
        EXPECT_EQ(taken, events);
        fake_.calls.clear();
        while (fake_.living() != 0) {
            for (std::size_t i = 0; i < World::handles; ++i) world.drop(i);
        }
        EXPECT_LE(fake_.count("ack_cq_events"), 1) << "many at once";
    }
}

using LentTest = OwnershipTest;
INSTANTIATE_TEST_SUITE_P(, LentTest, ::testing::Values(false));

TEST_P(LentTest, IsNotClosed) {
    const Device owner = fake_.device();
    ibv_context* const context = owner.provider->open_device(owner.handle.get());
    {
        OpenDevice device = OpenDevice::lent(context, 2, FakeVerbs::provider());
        EXPECT_EQ(device.raw(), context);
        EXPECT_EQ(device.device().port, 2);
        EXPECT_EQ(device.device().name, "/2");  // the fake's ibv_device has no name
        const ProtectionDomain pd{device};
        device = OpenDevice{fake_.device()};
    }
    EXPECT_EQ(fake_.count("close_device"), 1);
    EXPECT_EQ(fake_.living(), 1U);
    owner.provider->close_device(context);
}

TEST_P(LentTest, DoesNotWaitForEventsThoughItsDescriptorBlocks) {
    const Device owner = fake_.device();
    ibv_context* const context = owner.provider->open_device(owner.handle.get());
    {
        OpenDevice device = OpenDevice::lent(context, 1, FakeVerbs::provider());
        EXPECT_FALSE(device.next_event());
        ibv_async_event event{};
        event.event_type = IBV_EVENT_PORT_ACTIVE;
        fake_.report(context, event);
        EXPECT_TRUE(device.next_event());
        EXPECT_FALSE(device.next_event());
    }
    owner.provider->close_device(context);
}

class GroupTest : public ::testing::Test {
protected:
    std::vector<std::string> calls_of_groups() const {
        auto calls = fake_.calls;
        std::erase_if(calls, [](const std::string& call) {
            return call != "attach_mcast" && call != "detach_mcast" && call != "destroy_qp";
        });
        return calls;
    }

    FakeVerbs fake_;
    World world_{fake_};
    Ipv6Address one_{"ff0e::1"};
    Ipv6Address other_{"ff0e::2"};
};

TEST_F(GroupTest, IsLeftBeforeTheQueuePairEnds) {
    world_.qp->join(one_);
    world_.qp->join(other_);
    world_.qp.reset();
    EXPECT_EQ(calls_of_groups(),
              (std::vector<std::string>{"attach_mcast", "attach_mcast", "detach_mcast", "detach_mcast", "destroy_qp"}));
}

TEST_F(GroupTest, IsLeftOnce) {
    world_.qp->join(one_);
    world_.qp->leave(one_);
    world_.qp.reset();
    EXPECT_EQ(calls_of_groups(), (std::vector<std::string>{"attach_mcast", "detach_mcast", "destroy_qp"}));
}

TEST_F(GroupTest, IsNotLeftIfItCouldNotBeJoined) {
    fake_.fail("attach_mcast", ENOMEM);
    EXPECT_THROW(world_.qp->join(one_), std::system_error);
    fake_.works();
    world_.qp.reset();
    EXPECT_EQ(calls_of_groups(), (std::vector<std::string>{"attach_mcast", "destroy_qp"}));
}

TEST_F(GroupTest, IsLeftAgainAtTheEndIfThatFailed) {
    world_.qp->join(one_);
    fake_.fail("detach_mcast", EIO);
    EXPECT_THROW(world_.qp->leave(one_), std::system_error);
    fake_.works();
    world_.qp.reset();
    EXPECT_EQ(calls_of_groups(),
              (std::vector<std::string>{"attach_mcast", "detach_mcast", "detach_mcast", "destroy_qp"}));
}

}  // namespace
}  // namespace pktverbs::testing
