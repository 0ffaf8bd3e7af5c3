// SPDX-License-Identifier: Apache-2.0
// Lists of both kinds: empty, with one packet, full, one too many, moved-from.
#include <algorithm>
#include <cerrno>
#include <ranges>
#include <type_traits>

#include "expect_error.hpp"
#include "wired.hpp"

namespace pktverbs::testing {
namespace {

template <class List>
constexpr bool is_owner = std::is_nothrow_default_constructible_v<List>&& std::is_nothrow_move_constructible_v<List>&&
                              std::is_nothrow_move_assignable_v<List> &&
                          !std::is_copy_constructible_v<List> && !std::is_copy_assignable_v<List> &&
                          std::ranges::forward_range<List> && std::ranges::forward_range<const List>;
static_assert(is_owner<RecvList> && is_owner<SendList>);
static_assert(!std::is_copy_constructible_v<RecvPkt> && !std::is_copy_constructible_v<SendPkt>);
static_assert(!std::is_default_constructible_v<RecvPkt> && !std::is_default_constructible_v<SendPkt>);

/// For both kinds of lists: `take(n)` returns a list of n packets, out of 8.
template <class List>
struct Lists : Receiving {
    List take(std::uint32_t count) {
        if constexpr (std::is_same_v<List, SendList>) {
            return ctx.acquire(count);
        } else {
            plant(count);
            return ctx.recv(0ns);
        }
    }
    std::size_t available() {
        return std::is_same_v<List, SendList> ? ctx.acquire(100).size() : ctx.stats().posted_now - 8;
    }
};
using Kinds = ::testing::Types<RecvList, SendList>;
TYPED_TEST_SUITE(Lists, Kinds);

TYPED_TEST(Lists, DefaultIsEmpty) {
    TypeParam list;
    EXPECT_TRUE(list.empty());
    EXPECT_EQ(list.size(), 0u);
    EXPECT_EQ(list.begin(), list.end());
    EXPECT_TRUE(list.pop_front().empty());
}

TYPED_TEST(Lists, OfOneHasItsFrontOnly) {
    const TypeParam list = this->take(1);
    EXPECT_EQ(list.size(), 1u);
    EXPECT_EQ(&*list.begin(), &list.front());
    EXPECT_EQ(std::next(list.begin()), list.end());
}

TYPED_TEST(Lists, FullHoldsAllAndOneMoreIsNotThere) {
    TypeParam list = this->take(8);
    EXPECT_EQ(list.size(), 8u);
    EXPECT_EQ(std::ranges::distance(list), 8);
    EXPECT_EQ(this->available(), 0u);
    for (int i = 0; i < 8; ++i) EXPECT_EQ(list.pop_front().size(), 1u);
    EXPECT_TRUE(list.pop_front().empty());
    EXPECT_EQ(this->available(), 8u);
}

TYPED_TEST(Lists, MovedFromIsEmptyAndUsable) {
    TypeParam list = this->take(3);
    TypeParam other{std::move(list)};
    EXPECT_TRUE(list.empty());
    EXPECT_EQ(list.size(), 0u);
    EXPECT_TRUE(list.pop_front().empty());
    list = std::move(other);
    EXPECT_EQ(list.size(), 3u);
    EXPECT_TRUE(other.empty());
}

TYPED_TEST(Lists, AssignmentGivesBackWhatWasThere) {
    TypeParam list = this->take(3);
    list = this->take(2);
    EXPECT_EQ(list.size(), 2u);
    EXPECT_EQ(this->available(), 6u);
    list = {};
    EXPECT_EQ(this->available(), 8u);
}

TYPED_TEST(Lists, SelfMoveKeepsThePackets) {
    TypeParam list = this->take(3);
    TypeParam& same = list;
    list = std::move(same);
    EXPECT_EQ(list.size(), 3u);
    EXPECT_EQ(std::ranges::distance(list), 3);
}

TYPED_TEST(Lists, AppendJoinsInOrder) {
    TypeParam list, rest = this->take(4);
    TypeParam first = rest.pop_front();
    std::vector<const void*> order{&first.front()};
    for (auto& pkt : rest) order.push_back(&pkt);
    list.append(std::move(first));
    list.append(TypeParam{});
    list.append(std::move(rest));
    std::vector<const void*> joined;
    for (auto& pkt : list) joined.push_back(&pkt);
    EXPECT_EQ(joined, order);
    EXPECT_EQ(list.size(), 4u);
    EXPECT_TRUE(rest.empty());
}

TYPED_TEST(Lists, AppendAfterTakingAllOutStartsAnew) {
    TypeParam list = this->take(2);
    TypeParam first = list.pop_front(), second = list.pop_front();
    list.append(std::move(second));
    list.append(std::move(first));
    EXPECT_EQ(std::ranges::distance(list), 2);
    list = {};
    EXPECT_EQ(this->available(), 8u);
}

TYPED_TEST(Lists, WorkWithTheStandardAlgorithms) {
    const TypeParam list = this->take(3);
    EXPECT_TRUE(std::ranges::all_of(list, [](const auto& pkt) { return pkt.bytes().size() <= 64; }));
    EXPECT_EQ(std::ranges::adjacent_find(list, {}, [](auto& pkt) { return &pkt; }), list.end());
}

TYPED_TEST(Lists, AreWorkRequestChains) {
    TypeParam list = this->take(3);
    auto* wr = list.front().raw();
    for (auto& pkt : list) {
        ASSERT_EQ(static_cast<void*>(wr), static_cast<void*>(&pkt));
        wr = wr->next;
    }
    EXPECT_EQ(wr, nullptr);
}

TYPED_TEST(Lists, SwapExchangesEverything) {
    TypeParam one = this->take(1), two = this->take(2);
    one.swap(two);
    EXPECT_EQ(one.size(), 2u);
    EXPECT_EQ(two.size(), 1u);
}

TYPED_TEST(Lists, OfDifferentQueuesDoNotJoin) {
    if (datagrams) GTEST_SKIP() << "has nothing to do with the device";
    TypeParam list = this->take(1);
    Context second = this->open();
    const Flow to_second = this->hear(second);
    this->plant();
    TypeParam other;
    if constexpr (std::is_same_v<TypeParam, SendList>)
        other = second.acquire(1);
    else
        other = second.recv(0ns);
    const std::string text = expect_error(EINVAL, [&] { list.append(std::move(other)); });
    expect_words(text, {"cannot join two lists", "two queues"});
    EXPECT_EQ(std::ranges::distance(list), 1);
    EXPECT_EQ(std::ranges::distance(other), 1);
    list = {};
    other = {};
    EXPECT_EQ(this->available(), 8u);
    EXPECT_EQ(second.stats().posted_now, 16u);
    EXPECT_EQ(second.acquire(99).size(), 8u);
}

}  // namespace
}  // namespace pktverbs::testing
