// SPDX-License-Identifier: Apache-2.0
// Events that only the device reports, to programs that wait for messages.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "expect_error.hpp"
#include "pair.hpp"

namespace pktverbs::testing {
namespace {

using Texts = std::vector<std::string>;

std::ptrdiff_t count(const FakeFabric& fabric, std::string_view verb) {
    return std::ranges::count(fabric.living, verb, &FakeFabric::Living::verb);
}

TEST(MessengerDevice, EndsItsConnectionsWhenItFails) {
    for (const bool says_so : {true, false}) {
        Pair pair;
        pair.establish();
        pair.fabric.holds_data = true;
        ASSERT_FALSE(send_text(*pair.client, "never")) << "there are no probes while a send is in flight";
        pair.fabric.lose_device(says_so);
        pair.settle();
        for (const Notes* notes : {&pair.client_notes, &pair.server_notes}) {
            ASSERT_EQ(notes->errors.size(), 1U);
            expect_words(notes->errors[0], {"cannot keep the connection to 10.0.0.", "its RDMA device failed"});
            EXPECT_EQ(notes->why, std::errc::no_such_device);
            EXPECT_EQ(notes->order, (Texts{"established", "error", "disconnected"}));
        }
    }
}

TEST(MessengerDevice, EndsConnectionsThatWaitForSomethingElse) {
    Pair pair;
    pair.establish();
    pair.fabric.holds_data = true;
    for (int i = 0; i < 4; ++i) ASSERT_FALSE(send_text(*pair.client, "never"));
    std::string heard;
    const auto acquire = [](messages::Socket& socket, std::string& said) -> async::Task<> {
        said += co_await socket.acquire() ? "a message" : "the end";
    };
    pair.client_loop.spawn(acquire(*pair.client, heard));
    pair.settle();
    EXPECT_EQ(heard, "");
    pair.fabric.lose_device(true);
    pair.settle();
    EXPECT_EQ(heard, "the end");
}

TEST(MessengerDevice, DeliversWhatCameBeforeItFailed) {
    Pair pair;
    pair.establish();
    pair.fabric.holds_completion_events = true;
    ASSERT_FALSE(send_text(*pair.client, "last words"));
    pair.fabric.lose_device(true);
    pair.settle();
    EXPECT_EQ(pair.server_notes.order, (Texts{"established", "message", "error", "disconnected"}));
}

TEST(MessengerDevice, LeavesNothingWhenItFailed) {
    Pair pair;
    pair.establish();
    auto kept = text_message(*pair.client, "kept");
    pair.fabric.lose_device(true);
    pair.settle();
    EXPECT_EQ(count(pair.fabric, "open_device"), 0);
    EXPECT_EQ(count(pair.fabric, "reg_mr"), 0);
    EXPECT_EQ(kept.bytes()[3], 't');
}

TEST(MessengerDevice, IsNotKeptWhenItFailsWithoutConnections) {
    Pair pair;
    pair.establish();
    pair.client.reset();
    pair.settle();
    pair.server.reset();
    pair.settle();
    EXPECT_EQ(count(pair.fabric, "open_device"), 2) << "kept for the next connections";
    pair.fabric.lose_device(true);
    pair.settle();
    EXPECT_EQ(count(pair.fabric, "open_device"), 0);
    pair.client.emplace(pair.client_loop, "10.0.0.2", small);
    pair.settle();
    EXPECT_TRUE(pair.client->is_established()) << "it may have come back";
}

TEST(MessengerDevice, EndsTheConnectionOfAFailedQueuePairOrCompletionQueue) {
    for (const auto type : {IBV_EVENT_QP_FATAL, IBV_EVENT_QP_REQ_ERR, IBV_EVENT_QP_ACCESS_ERR, IBV_EVENT_CQ_ERR}) {
        SCOPED_TRACE(ibv_event_type_str(type));
        Pair pair;
        pair.establish();
        const messages::Socket kept_server{std::move(*pair.server)};
        const messages::Socket other{pair.client_loop, "10.0.0.2", small};
        pair.settle();
        pair.fabric.forge_async_event(pair.client->raw()->qp_num, type);
        pair.settle();
        ASSERT_EQ(pair.client_notes.errors.size(), 1U);
        expect_words(pair.client_notes.errors[0],
                     {"cannot keep the connection to 10.0.0.2:12345: Input/output error", ibv_event_type_str(type)});
        EXPECT_TRUE(other.is_established());
    }
}

TEST(MessengerDevice, TakesNoHarmFromOtherEvents) {
    for (const auto type :
         {IBV_EVENT_COMM_EST, IBV_EVENT_SQ_DRAINED, IBV_EVENT_PATH_MIG, IBV_EVENT_QP_LAST_WQE_REACHED}) {
        Pair pair;
        pair.establish();
        pair.fabric.forge_async_event(pair.server->raw()->qp_num, type);
        pair.settle();
        EXPECT_TRUE(pair.server->is_established());
        EXPECT_TRUE(pair.server_notes.errors.empty());
    }
}

TEST(MessengerDevice, TakesAnyWordOfThePeerForItsConfirmation) {
    Pair pair;
    pair.fabric.holds_established = true;
    pair.listen();
    pair.connect();
    pair.settle();
    ASSERT_FALSE(pair.server->is_established());
    // A keepalive probe takes no receive.
    pair.fabric.forge_async_event(pair.server->raw()->qp_num, IBV_EVENT_COMM_EST);
    pair.settle();
    EXPECT_EQ(pair.fabric.calls_of["notify"], 1);
    EXPECT_TRUE(pair.server->is_established());
}

}  // namespace
}  // namespace pktverbs::testing
