// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/verbs/handle.hpp>

#include <gtest/gtest.h>

#include <cerrno>
#include <new>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace pktverbs::verbs {
namespace {

/// Destroys nothing, but records the destroy calls, in order.
std::vector<std::string> destroyed;

int note(const char* what) {
    destroyed.emplace_back(what);
    return 0;
}

constexpr Provider make_provider() {
    Provider table{};
    table.close_device = [](ibv_context*) { return note("context"); };
    table.dealloc_pd = [](ibv_pd*) { return note("pd"); };
    table.dereg_mr = [](ibv_mr*) { return note("mr"); };
    table.destroy_comp_channel = [](ibv_comp_channel*) { return note("channel"); };
    table.destroy_cq = [](ibv_cq*) { return note("cq"); };
    table.destroy_qp = [](ibv_qp*) { return note("qp"); };
    table.destroy_flow = [](ibv_flow*) { return note("flow"); };
    return table;
}
constexpr Provider provider = make_provider();

using Names = std::vector<std::string>;

class HandleTest : public ::testing::Test {
protected:
    HandleTest() { destroyed.clear(); }

    CqHandle cq_handle(ibv_cq& cq) { return CqHandle{&cq, {&provider}}; }

    ibv_cq first_{}, second_{};
};

TEST_F(HandleTest, DestroysExactlyOnce) {
    { const auto handle = cq_handle(first_); }
    EXPECT_EQ(destroyed, Names{"cq"});
}

TEST_F(HandleTest, DestroysNothingWhenEmpty) {
    {
        CqHandle made_empty;
        CqHandle null{nullptr, {&provider}};
        PdHandle other;
    }
    EXPECT_EQ(destroyed, Names{});
}

TEST_F(HandleTest, LeavesNothingBehindWhenMovedFrom) {
    auto from = cq_handle(first_);
    {
        const auto to = std::move(from);
        EXPECT_EQ(from.get(), nullptr);
        EXPECT_EQ(to.get(), &first_);
    }
    EXPECT_EQ(destroyed, Names{"cq"});
    from.reset();
    EXPECT_EQ(destroyed, Names{"cq"});
}

TEST_F(HandleTest, DestroysWhatItHeldWhenAssignedTo) {
    auto to = cq_handle(first_);
    auto from = cq_handle(second_);
    to = std::move(from);
    EXPECT_EQ(destroyed, Names{"cq"});
    EXPECT_EQ(to.get(), &second_);
}

TEST_F(HandleTest, TakesTheProviderAlongWhenAssigned) {
    CqHandle to;  // has no provider
    to = cq_handle(first_);
    to.reset();
    EXPECT_EQ(destroyed, Names{"cq"});
}

TEST_F(HandleTest, SurvivesMovingOntoItself) {
    auto handle = cq_handle(first_);
    auto& same = handle;
    handle = std::move(same);
    EXPECT_EQ(destroyed, Names{});
    EXPECT_EQ(handle.get(), &first_);
}

TEST_F(HandleTest, GivesUpWhatItReleases) {
    auto handle = cq_handle(first_);
    EXPECT_EQ(handle.release(), &first_);
    handle.reset();
    EXPECT_EQ(destroyed, Names{});
}

TEST_F(HandleTest, IgnoresADestroyThatFails) {
    static int calls;
    calls = 0;
    Provider busy{};
    busy.destroy_cq = [](ibv_cq*) {
        ++calls;
        return EBUSY;
    };
    { const CqHandle handle{&first_, {&busy}}; }
    EXPECT_EQ(calls, 1);
}

/// A queue's members, in order of creation.
struct Everything {
    ContextHandle context;
    PdHandle pd;
    MrHandle mr;
    CompChannelHandle channel;
    CqHandle cq;
    QpHandle qp;
    FlowHandle flow;
};

TEST_F(HandleTest, DestroysInReverseOrderOfMembers) {
    ibv_context context{};
    ibv_pd pd{};
    ibv_mr mr{};
    ibv_comp_channel channel{};
    ibv_qp qp{};
    ibv_flow flow{};
    {
        const Everything all{ContextHandle{&context, {&provider}}, PdHandle{&pd, {&provider}},
                             MrHandle{&mr, {&provider}},           CompChannelHandle{&channel, {&provider}},
                             CqHandle{&first_, {&provider}},       QpHandle{&qp, {&provider}},
                             FlowHandle{&flow, {&provider}}};
    }
    EXPECT_EQ(destroyed, (Names{"flow", "qp", "cq", "channel", "mr", "pd", "context"}));
}

TEST_F(HandleTest, DestroysWhatWasMadeWhenALaterStepThrows) {
    ibv_context context{};
    ibv_pd pd{};
    const auto make_both = [&] {
        const ContextHandle first{&context, {&provider}};
        const PdHandle second{&pd, {&provider}};
        throw std::bad_alloc{};
    };
    EXPECT_THROW(make_both(), std::bad_alloc);
    EXPECT_EQ(destroyed, (Names{"pd", "context"}));
}

static_assert(!std::is_copy_constructible_v<QpHandle> && !std::is_copy_assignable_v<QpHandle>);
static_assert(std::is_nothrow_move_constructible_v<QpHandle> && std::is_nothrow_move_assignable_v<QpHandle>);
static_assert(sizeof(QpHandle) == 2 * sizeof(void*));

}  // namespace
}  // namespace pktverbs::verbs
