// SPDX-License-Identifier: Apache-2.0
#include "soft/nic/object_entry.hpp"

#include <gtest/gtest.h>

#include <list>
#include <memory>
#include <new>
#include <vector>

namespace pktverbs::soft {
namespace {

using Kind = ObjectEntry::Kind;

TEST(ObjectEntry, IsInUseWhileObjectsMadeFromItLive) {
    ObjectTable table;
    ObjectEntry parent{table, Kind::other};
    auto child = std::make_unique<ObjectEntry>(table, Kind::other, std::vector<ObjectEntry*>{&parent, nullptr});
    EXPECT_TRUE(parent.in_use());
    EXPECT_FALSE(parent.remove_unused());
    EXPECT_FALSE(child->in_use());
    child.reset();
    EXPECT_FALSE(parent.in_use());
    EXPECT_TRUE(parent.remove_unused());
}

TEST(ObjectEntry, UsesAnObjectOnceForEveryTimeItIsNamed) {
    ObjectTable table;
    ObjectEntry parent{table, Kind::other};
    auto first = std::make_unique<ObjectEntry>(table, Kind::other, std::vector<ObjectEntry*>{&parent, &parent});
    auto second = std::make_unique<ObjectEntry>(table, Kind::other);
    second->use(parent);
    first.reset();
    EXPECT_TRUE(parent.in_use());
    second.reset();
    EXPECT_FALSE(parent.in_use());
}

TEST(ObjectEntry, RemovedEarlyUsesNothingAndIsNotCounted) {
    ObjectTable table;
    auto parent = std::make_unique<ObjectEntry>(table, Kind::domain);
    auto child = std::make_unique<ObjectEntry>(table, Kind::queue_pair, std::vector<ObjectEntry*>{parent.get()});
    EXPECT_TRUE(child->remove_unused());
    EXPECT_FALSE(parent->in_use());
    EXPECT_TRUE(parent->remove_unused());
    EXPECT_TRUE(table.empty());
    parent.reset();
    child.reset();
    EXPECT_TRUE(table.empty());
}

TEST(ObjectEntry, NumbersDomainsApartFromQueues) {
    ObjectTable table;
    const ObjectEntry domain{table, Kind::domain};
    const ObjectEntry queue_pair{table, Kind::queue_pair};
    const ObjectEntry other{table, Kind::other};
    const ObjectEntry work_queue{table, Kind::work_queue};
    const ObjectEntry table_of_queues{table, Kind::indirection_table};
    const ObjectEntry second_domain{table, Kind::domain};
    EXPECT_EQ(domain.number(), 1U);
    EXPECT_EQ(queue_pair.number(), 1U);
    EXPECT_EQ(work_queue.number(), 2U);
    EXPECT_EQ(second_domain.number(), 2U);
    EXPECT_EQ(other.number(), 0U);
    EXPECT_EQ(table_of_queues.number(), 0U);
}

TEST(ObjectEntry, BeyondItsKindsLimitIsRefusedAndUsesNothing) {
    for (const Kind kind : {Kind::queue_pair, Kind::work_queue, Kind::indirection_table}) {
        ObjectTable table;
        ObjectEntry parent{table, Kind::other};
        std::list<ObjectEntry> entries;
        for (int i = 0; i < 1024; ++i) entries.emplace_back(table, kind);
        EXPECT_THROW(ObjectEntry(table, kind, {&parent}), std::bad_alloc);
        EXPECT_FALSE(parent.in_use());
        entries.pop_back();
        entries.emplace_back(table, kind);
        const ObjectEntry another{table, Kind::other};
    }
}

}  // namespace
}  // namespace pktverbs::soft
