// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "expect_error.hpp"
#include "pair.hpp"

namespace pktverbs::testing {
namespace {

using Texts = std::vector<std::string>;

TEST(Connection, IsEstablishedAtBothEnds) {
    Pair pair;
    pair.establish();
    EXPECT_TRUE(pair.client->is_established());
    EXPECT_TRUE(pair.server->is_established());
    EXPECT_EQ(pair.client->peer().to_string(), "10.0.0.2:12345");
    EXPECT_EQ(pair.server->peer().to_string(), pair.client->local().to_string());
    EXPECT_TRUE(pair.client_notes.errors.empty());
}

TEST(Connection, CarriesEveryMessageBothWays) {
    Pair pair;
    pair.establish();
    for (int i = 0; i < 1000; ++i) {
        ASSERT_FALSE(send_text(*pair.client, "to " + std::to_string(i)));
        ASSERT_FALSE(send_text(*pair.server, "fro " + std::to_string(i)));
        pair.settle();
    }
    ASSERT_EQ(pair.server_notes.received.size(), 1000U);
    ASSERT_EQ(pair.client_notes.received.size(), 1000U);
    EXPECT_EQ(pair.server_notes.received.back(), "to 999");
    EXPECT_EQ(pair.client_notes.received.back(), "fro 999");
    EXPECT_EQ(pair.client_notes.sent, 1000);
    EXPECT_EQ(pair.server_notes.sent, 1000);
}

TEST(Connection, CarriesEmptyAndFullMessages) {
    Pair pair;
    pair.establish();
    ASSERT_FALSE(send_text(*pair.client, ""));
    ASSERT_FALSE(send_text(*pair.client, std::string(100, 'x')));
    pair.settle();
    EXPECT_EQ(pair.server_notes.received, (Texts{"", std::string(100, 'x')}));
}

TEST(Connection, PostsReceivesBeforeItAccepts) {
    Pair pair;
    pair.establish();
    EXPECT_EQ(pair.fabric.posted_at_accept, std::vector<std::size_t>{4});
}

TEST(Connection, LetsNoPeerWaitLongForAReceive) {
    Pair pair;
    pair.establish();
    // 0, which the connection manager suggests, would be 655 ms.
    EXPECT_EQ(pair.fabric.rnr_timers, (std::vector<int>{12, 12}));
}

TEST(Connection, TakesAMessageThatOvertakesTheConfirmation) {
    Pair pair;
    pair.fabric.holds_established = true;
    pair.listen();
    pair.connect();
    pair.settle();
    ASSERT_TRUE(pair.client->is_established());
    ASSERT_FALSE(pair.server->is_established());
    ASSERT_FALSE(send_text(*pair.client, "first"));
    pair.settle();
    EXPECT_EQ(pair.server_notes.order, (Texts{"established", "message"}));
    EXPECT_EQ(pair.fabric.calls_of["notify"], 1);
    pair.fabric.let_established_pass();
    pair.settle();
    EXPECT_EQ(pair.server_notes.established, 1);
}

TEST(Connection, KeepsAMessageThatOvertookTheConfirmationIfItsHandlerThrows) {
    Pair pair;
    pair.fabric.holds_established = true;
    pair.listen();
    pair.connect();
    pair.settle();
    auto handlers = pair.server_notes.handlers();
    handlers.established = [](auto&) { throw std::runtime_error{"mine"}; };
    pair.server->set_handlers(std::move(handlers));
    ASSERT_FALSE(send_text(*pair.client, "first"));
    ASSERT_FALSE(send_text(*pair.client, "second"));
    EXPECT_THROW(pair.settle(), std::runtime_error);
    pair.settle();
    EXPECT_EQ(pair.server_notes.received, (Texts{"first", "second"}));
}

TEST(Connection, DeliversWhatCameBeforeThePeerLeft) {
    Pair pair;
    pair.establish();
    ASSERT_FALSE(send_text(*pair.client, "last words"));
    pair.client.reset();
    pair.settle();
    EXPECT_EQ(pair.server_notes.order, (Texts{"established", "message", "disconnected"}));
    EXPECT_FALSE(pair.server_notes.why);
    EXPECT_TRUE(pair.server_notes.errors.empty());
}

TEST(Connection, DeliversWhatCameWithTheGoodbye) {
    Pair pair;
    pair.establish();
    pair.fabric.holds_completion_events = true;
    ASSERT_FALSE(send_text(*pair.client, "last words"));
    pair.client.reset();
    pair.settle();
    EXPECT_EQ(pair.server_notes.order, (Texts{"established", "message", "disconnected"}));
}

/// More than one turn handles.
constexpr messages::Options many{.message_bytes = 100, .receives = 400, .sends = 400, .keepalive = 0ms};

TEST(Connection, DeliversHoweverMuchCameBeforeThePeerLeft) {
    Pair pair;
    pair.server_options = pair.client_options = many;
    pair.establish();
    pair.fabric.holds_completion_events = true;
    for (int i = 0; i < 400; ++i) ASSERT_FALSE(send_text(*pair.client, "x"));
    pair.client.reset();
    pair.settle();
    EXPECT_EQ(pair.server_notes.received.size(), 400U);
    EXPECT_EQ(pair.server_notes.order.back(), "disconnected");
    EXPECT_TRUE(pair.server_notes.errors.empty());
}

TEST(Connection, DeliversHoweverMuchCameBeforeItLeaves) {
    Pair pair;
    pair.server_options = pair.client_options = many;
    pair.establish();
    for (int i = 0; i < 400; ++i) ASSERT_FALSE(send_text(*pair.client, "x"));
    pair.server->disconnect();
    pair.settle();
    EXPECT_EQ(pair.server_notes.received.size(), 400U);
    EXPECT_EQ(pair.server_notes.disconnected, 1);
}

TEST(Connection, EndsAfterAHandlerThatThrewAtTheGoodbye) {
    Pair pair;
    pair.establish();
    int calls = 0;
    auto handlers = pair.server_notes.handlers();
    handlers.message = [&](auto&, messages::Message) {
        if (++calls == 1) throw std::runtime_error{"mine"};
    };
    pair.server->set_handlers(std::move(handlers));
    pair.fabric.holds_completion_events = true;
    ASSERT_FALSE(send_text(*pair.client, "one"));
    ASSERT_FALSE(send_text(*pair.client, "two"));
    pair.client.reset();
    EXPECT_THROW(pair.settle(), std::runtime_error);
    pair.settle();
    EXPECT_EQ(calls, 2);
    EXPECT_EQ(pair.server_notes.disconnected, 1);
    EXPECT_FALSE(pair.server_notes.why);
}

TEST(Connection, StopsItsQueuePairWhenItLeaves) {
    Pair pair;
    pair.establish();
    pair.client->disconnect();
    pair.client_loop.step(0ns);
    EXPECT_EQ(pair.fabric.order.back(), "ERR");
    EXPECT_EQ(pair.client_notes.disconnected, 0) << "the peer hasn't answered";
    pair.settle();
    EXPECT_EQ(pair.client_notes.disconnected, 1);
}

TEST(Connection, IsWritableForTheFirstMessage) {
    Pair pair;
    pair.listen();
    pair.connect();
    EXPECT_EQ(send_text(*pair.client, "too early"), std::errc::resource_unavailable_try_again);
    pair.settle();
    EXPECT_EQ(pair.client_notes.writable, 1);
}

TEST(Connection, WaitsForMessagesUnderWayBeforeItLeaves) {
    Pair pair;
    pair.establish();
    pair.fabric.holds_data = true;
    ASSERT_FALSE(send_text(*pair.client, "one"));
    ASSERT_FALSE(send_text(*pair.client, "two"));
    pair.client->disconnect();
    EXPECT_EQ(send_text(*pair.client, "three"), std::errc::resource_unavailable_try_again);
    pair.settle();
    EXPECT_EQ(pair.server_notes.disconnected, 0);
    pair.fabric.let_data_pass();
    pair.settle();
    EXPECT_EQ(pair.server_notes.order, (Texts{"established", "message", "message", "disconnected"}));
    EXPECT_EQ(pair.client_notes.order, (Texts{"established", "sent", "sent", "disconnected"}));
    EXPECT_FALSE(pair.client_notes.why);
}

TEST(Connection, LeavesWithMessagesUnderWayWhenTheyTakeTooLong) {
    Pair pair;
    pair.client_options.close_timeout = 1ms;
    pair.establish();
    pair.fabric.holds_data = true;
    ASSERT_FALSE(send_text(*pair.client, "never"));
    pair.client->disconnect();
    pair.wait_for_end(pair.client_notes);
    // A flush at the end is not an error.
    EXPECT_TRUE(pair.client_notes.errors.empty());
    EXPECT_FALSE(pair.client_notes.why);
    EXPECT_EQ(pair.client_notes.sent, 0);
    pair.settle();
    EXPECT_EQ(pair.server_notes.disconnected, 1);
    EXPECT_TRUE(pair.server_notes.received.empty());
}

TEST(Connection, EndsWithMessagesUnderWay) {
    Pair pair;
    pair.establish();
    pair.fabric.holds_data = true;
    ASSERT_FALSE(send_text(*pair.client, "never"));
    ASSERT_FALSE(send_text(*pair.server, "never"));
    pair.client.reset();
    pair.settle();
    EXPECT_TRUE(pair.server_notes.errors.empty());
    EXPECT_EQ(pair.server_notes.disconnected, 1);
    EXPECT_EQ(pair.server->try_send({}), std::errc::not_connected);
}

TEST(Connection, SendsNoMoreThanItHasRoomForAndIsWritableAfterwards) {
    Pair pair;
    pair.establish();
    pair.fabric.holds_data = true;
    auto kept = text_message(*pair.client, "kept");
    for (int i = 0; i < 3; ++i) ASSERT_FALSE(send_text(*pair.client, "full"));
    EXPECT_EQ(pair.client->in_flight(), 3U);
    EXPECT_EQ(pair.client->send_capacity(), 1U);
    EXPECT_FALSE(pair.client->try_acquire());
    ASSERT_FALSE(pair.client->try_send(std::move(kept)));
    EXPECT_EQ(pair.client->send_capacity(), 0U);
    pair.settle();
    EXPECT_EQ(pair.client_notes.writable, 0);
    pair.fabric.let_data_pass();
    pair.settle();
    EXPECT_EQ(pair.client_notes.writable, 1);
    EXPECT_EQ(pair.client->send_capacity(), 4U);
    EXPECT_EQ(pair.server_notes.received.size(), 4U);
}

TEST(Connection, LeavesAMessageThatItCannotSendNow) {
    Pair pair;
    pair.establish();
    std::vector<messages::Message> held;
    auto keep = pair.server_notes.handlers();
    keep.message = [&](auto&, messages::Message message) { held.push_back(std::move(message)); };
    pair.server->set_handlers(std::move(keep));
    ASSERT_FALSE(send_text(*pair.client, "forwarded"));
    pair.settle();
    ASSERT_EQ(held.size(), 1U);
    pair.fabric.holds_data = true;
    for (int i = 0; i < 4; ++i) ASSERT_FALSE(send_text(*pair.server, "full"));
    EXPECT_EQ(pair.server->try_send(std::move(held[0])), std::errc::resource_unavailable_try_again);
    ASSERT_TRUE(held[0]);
    EXPECT_EQ(held[0].size(), 9U);
    pair.fabric.let_data_pass();
    pair.settle();
    EXPECT_EQ(pair.server_notes.writable, 1);
    // A received message goes out as it is.
    ASSERT_FALSE(pair.server->try_send(std::move(held[0])));
    EXPECT_FALSE(held[0]);
    pair.settle();
    EXPECT_EQ(pair.client_notes.received.back(), "forwarded");
}

TEST(Connection, IsWritableThoughAllBuffersAreTaken) {
    Pair pair;
    pair.establish();
    pair.client->set_handlers({.writable = [&](auto&) { ++pair.client_notes.writable; }});
    for (int i = 0; i < 4; ++i) ASSERT_FALSE(send_text(*pair.server, "forwarded"));
    pair.settle();
    pair.fabric.holds_data = true;
    std::vector<messages::Message> own;
    for (int i = 0; i < 4; ++i) own.push_back(text_message(*pair.client, "own"));
    for (int i = 0; i < 4; ++i) ASSERT_FALSE(pair.client->try_send(pair.client->try_receive()));
    EXPECT_EQ(pair.client->try_send(std::move(own[0])), std::errc::resource_unavailable_try_again);
    pair.fabric.let_data_pass();
    pair.settle();
    EXPECT_EQ(pair.client_notes.writable, 1);
    EXPECT_FALSE(pair.client->try_send(std::move(own[0])));
}

TEST(Connection, LetsThePeerWaitWhileItsMessagesAreHeld) {
    Pair pair;
    pair.establish();
    std::vector<messages::Message> held;
    auto keep = pair.server_notes.handlers();
    keep.message = [&](auto&, messages::Message message) { held.push_back(std::move(message)); };
    pair.server->set_handlers(std::move(keep));
    for (int i = 0; i < 4; ++i) ASSERT_FALSE(send_text(*pair.client, "held"));
    pair.settle();
    ASSERT_EQ(held.size(), 4U);
    ASSERT_FALSE(send_text(*pair.client, "waits"));
    pair.settle();
    EXPECT_EQ(held.size(), 4U);
    EXPECT_EQ(pair.client->in_flight(), 1U);
    held.pop_back();
    pair.settle();
    EXPECT_EQ(held.size(), 4U);
    EXPECT_EQ(pair.client->in_flight(), 0U);
}

TEST(Connection, RefusesAMessageThatThePeerCannotTake) {
    Pair pair;
    pair.client_options.message_bytes = 1000;
    pair.establish();
    EXPECT_EQ(pair.client->peer_message_bytes(), 100U);
    auto message = text_message(*pair.client, std::string(101, 'x'));
    const std::string text =
        expect_error(EMSGSIZE, [&] { static_cast<void>(pair.client->try_send(std::move(message))); });
    EXPECT_EQ(
        text,
        "cannot send a message of 101 bytes to 10.0.0.2:12345: Message too long (the peer accepts at most 100 bytes)");
    EXPECT_TRUE(message);
    message.resize(100);
    EXPECT_FALSE(pair.client->try_send(std::move(message)));
    pair.settle();
    EXPECT_EQ(pair.server_notes.received.size(), 1U);
}

TEST(Connection, RefusesNoMessageAndForeignOnes) {
    Pair pair;
    pair.establish();
    expect_words(expect_error(EINVAL, [&] { static_cast<void>(pair.client->try_send({})); }), {"no buffer"});
    auto foreign = text_message(*pair.server, "of another loop");
    expect_words(expect_error(EINVAL, [&] { static_cast<void>(pair.client->try_send(std::move(foreign))); }),
                 {"another device or messenger"});
}

TEST(Connection, AssumesTheLimitOfAPeerThatAnnouncesNone) {
    Pair pair;
    pair.fabric.replaces_private_data = true;
    pair.server_options.message_bytes = 9000;
    pair.client_options.message_bytes = 9000;
    pair.establish();
    EXPECT_EQ(pair.server->peer_message_bytes(), 4096U);
    EXPECT_EQ(pair.client->peer_message_bytes(), 9000U);
}

TEST(Connection, LendsForeignPrivateDataToTheHandler) {
    Pair pair;
    pair.fabric.replaces_private_data = true;
    pair.fabric.replaced_private_data = {'h', 'i'};
    std::string seen;
    pair.listener.emplace(pair.server_loop, messages::Address{}, small,
                          messages::ListenerHandlers{.request = [&](messages::Request request) {
                              const auto data = request.private_data();
                              seen.assign(data.begin(), data.end());
                              pair.server.emplace(request.accept(pair.server_notes.handlers()));
                          }});
    pair.connect();
    pair.settle();
    EXPECT_EQ(seen, "hi");
    EXPECT_EQ(pair.client_notes.established, 1);
}

TEST(Connection, UsesRcParametersThatSuitIbmsg) {
    Pair pair;
    pair.establish();
    ASSERT_EQ(pair.fabric.parameters.size(), 2U);
    for (const rdma_conn_param& param : pair.fabric.parameters) {
        EXPECT_EQ(param.retry_count, 7);
        EXPECT_EQ(param.rnr_retry_count, 7);
        EXPECT_EQ(param.responder_resources, 1);
        EXPECT_NE(param.qp_num, 0U);
    }
}

TEST(Connection, IsRejectedWithAReason) {
    Pair pair;
    pair.listener.emplace(
        pair.server_loop, messages::Address{}, small,
        messages::ListenerHandlers{.request = [](messages::Request request) { request.reject("full until noon"); }});
    pair.connect();
    pair.settle();
    EXPECT_EQ(pair.client_notes.errors,
              Texts{"cannot connect to 10.0.0.2:12345: Connection refused (the peer's reason: full until noon)"});
    EXPECT_EQ(pair.client_notes.order, (Texts{"error", "disconnected"}));
    EXPECT_EQ(pair.client_notes.why, std::errc::connection_refused);
    EXPECT_EQ(pair.client->try_send({}), std::errc::not_connected);
}

TEST(Connection, IsRejectedWithoutARequestHandler) {
    Pair pair;
    pair.listener.emplace(pair.server_loop, messages::Address{}, small);
    pair.connect();
    pair.settle();
    ASSERT_EQ(pair.client_notes.errors.size(), 1U);
    expect_words(pair.client_notes.errors[0], {"Connection refused", "the peer rejected the connection"});
}

TEST(Connection, IsRefusedWithoutAListener) {
    Pair pair;
    pair.connect();
    pair.settle();
    ASSERT_EQ(pair.client_notes.errors.size(), 1U);
    expect_words(pair.client_notes.errors[0], {"Connection refused", "no listener at this address"});
}

TEST(Connection, GivesUpAfterItsTimeout) {
    Pair pair;
    pair.fabric.is_silent = true;
    pair.client_options.connect_timeout = 5ms;
    pair.connect();
    pair.wait_for_end(pair.client_notes);
    ASSERT_EQ(pair.client_notes.errors.size(), 1U);
    expect_words(pair.client_notes.errors[0], {"cannot connect to 10.0.0.2:12345", "timed out", "no answer"});
    EXPECT_EQ(pair.client_notes.why, std::errc::timed_out);
}

TEST(Connection, GivesEachAddressItsShareOfTheTime) {
    Pair pair;
    pair.fabric.is_silent = true;
    pair.client_options.connect_timeout = 300ms;
    const std::vector<messages::Address> addresses{*messages::Address::parse("10.0.0.2"),
                                                   *messages::Address::parse("10.0.0.3"),
                                                   *messages::Address::parse("10.0.0.4")};
    pair.client.emplace(pair.client_loop, addresses, pair.client_options, pair.client_notes.handlers());
    pair.wait_for_end(pair.client_notes);
    EXPECT_EQ(pair.fabric.calls_of["resolve_addr"], 3);
    expect_words(pair.client_notes.errors[0], {"cannot connect to 10.0.0.4:12345"});
}

TEST(Connection, TriesTheNextAddress) {
    Pair pair;
    pair.listen();
    const std::vector<messages::Address> addresses{*messages::Address::parse("10.0.0.2:1"),
                                                   *messages::Address::parse("10.0.0.3:2"),
                                                   *messages::Address::parse("10.0.0.4")};
    pair.client.emplace(pair.client_loop, addresses, small, pair.client_notes.handlers());
    pair.settle();
    EXPECT_TRUE(pair.client_notes.errors.empty());
    EXPECT_EQ(pair.client->peer().to_string(), "10.0.0.4:12345");
    ASSERT_FALSE(send_text(*pair.client, "hello"));
    pair.settle();
    EXPECT_EQ(pair.server_notes.received, Texts{"hello"});
}

TEST(Connection, TriesTheNextAddressWithAFreshState) {
    Pair pair;
    pair.listen();
    const std::vector<messages::Address> addresses{*messages::Address::parse("10.0.0.2"),
                                                   *messages::Address::parse("10.0.0.3")};
    pair.fabric.fail(1, ENOMEM, "post_recv");
    pair.client.emplace(pair.client_loop, addresses, small, pair.client_notes.handlers());
    pair.settle();
    EXPECT_TRUE(pair.client_notes.errors.empty());
    EXPECT_EQ(pair.client->peer().to_string(), "10.0.0.3:12345");
    EXPECT_TRUE(pair.client->is_established());
}

TEST(Connection, GivesUpOnAPeerThatNeverConfirms) {
    Pair pair;
    pair.fabric.holds_established = true;
    pair.server_options.connect_timeout = 5ms;
    pair.listen();
    pair.connect();
    pair.wait_for_end(pair.server_notes);
    ASSERT_EQ(pair.server_notes.errors.size(), 1U);
    expect_words(pair.server_notes.errors[0], {"cannot accept a connection from", "timed out", "confirm"});
}

TEST(Connection, NoticesAPeerThatDiesWhileItSends) {
    Pair pair;
    pair.establish();
    pair.fabric.cut();
    ASSERT_FALSE(send_text(*pair.client, "into the void"));
    pair.settle();
    ASSERT_EQ(pair.client_notes.errors.size(), 1U);
    expect_words(pair.client_notes.errors[0],
                 {"cannot send to 10.0.0.2:12345: Connection timed out", "retry counter", "has failed"});
    EXPECT_EQ(pair.client_notes.order, (Texts{"established", "error", "disconnected"}));
    EXPECT_EQ(pair.client_notes.why, std::errc::timed_out);
    EXPECT_EQ(pair.client_notes.sent, 0);
}

TEST(Connection, NoticesADeadPeerWhenIdle) {
    Pair pair;
    pair.client_options.keepalive = 1ms;
    pair.establish();
    while (pair.fabric.probes < 3) {
        pair.client_loop.step(1ms);
        pair.server_loop.step(0ns);
    }
    EXPECT_TRUE(pair.server_notes.received.empty()) << "a probe is no message";
    EXPECT_EQ(pair.client_notes.disconnected, 0);
    pair.fabric.cut();
    pair.wait_for_end(pair.client_notes);
    EXPECT_EQ(pair.client_notes.why, std::errc::timed_out);
}

TEST(Connection, NeverTakesAFailedCompletionForAMessage) {
    for (const auto status :
         {IBV_WC_LOC_LEN_ERR, IBV_WC_LOC_PROT_ERR, IBV_WC_WR_FLUSH_ERR, IBV_WC_REM_ABORT_ERR, IBV_WC_GENERAL_ERR}) {
        Pair pair;
        pair.establish();
        ibv_wc wc{};
        wc.wr_id = pair.server_options.sends;  // the first receive
        wc.status = status;
        wc.opcode = IBV_WC_RECV;
        wc.byte_len = 5;
        pair.fabric.forge_completion(pair.server->raw()->qp_num, wc);
        pair.settle();
        EXPECT_TRUE(pair.server_notes.received.empty());
        ASSERT_EQ(pair.server_notes.errors.size(), 1U);
        expect_words(pair.server_notes.errors[0], {"cannot receive from 10.0.0.1", ibv_wc_status_str(status)});
        EXPECT_EQ(pair.server_notes.disconnected, 1);
        EXPECT_EQ(pair.client_notes.disconnected, 1);
    }
}

TEST(Connection, FailsOnACompletionThatIsNotItsOwn) {
    for (const std::uint64_t id : {std::uint64_t{0}, std::uint64_t{8}, ~std::uint64_t{0}, std::uint64_t{1} << 63}) {
        Pair pair;
        pair.establish();
        ibv_wc wc{};
        wc.wr_id = id;
        wc.opcode = IBV_WC_RECV;
        pair.fabric.forge_completion(pair.server->raw()->qp_num, wc);
        pair.settle();
        ASSERT_EQ(pair.server_notes.errors.size(), 1U) << id;
        expect_words(pair.server_notes.errors[0], {"unknown wr_id"});
        EXPECT_TRUE(pair.server_notes.received.empty());
    }
}

TEST(Connection, FailsOnASendThatCompletesOutOfTurn) {
    Pair pair;
    pair.establish();
    pair.fabric.holds_data = true;
    ASSERT_FALSE(send_text(*pair.client, "first"));
    ASSERT_FALSE(send_text(*pair.client, "second"));
    ibv_wc wc{};
    wc.wr_id = std::uint64_t{1} << 63 | 1;
    pair.fabric.forge_completion(pair.client->raw()->qp_num, wc);
    pair.settle();
    ASSERT_EQ(pair.client_notes.errors.size(), 1U);
    expect_words(pair.client_notes.errors[0], {"unknown wr_id 0x8000000000000001"});
    EXPECT_EQ(pair.client_notes.sent, 0);
}

TEST(Connection, TakesAWriteWithImmediateForNoMessage) {
    Pair pair;
    pair.establish();
    const auto qp_num = pair.server->raw()->qp_num;
    const std::size_t posted = pair.fabric.receives_posted(qp_num);
    // With twice as many, each takes a receive that must have been posted again.
    for (std::size_t i = 0; i < 2 * posted; ++i) {
        ASSERT_NO_FATAL_FAILURE(pair.fabric.write_with_immediate(qp_num));
        pair.settle();
        ASSERT_EQ(pair.fabric.receives_posted(qp_num), posted);
    }
    EXPECT_EQ(pair.server_notes.order, Texts{"established"});
    ASSERT_FALSE(send_text(*pair.client, "a message"));
    pair.settle();
    EXPECT_EQ(pair.server_notes.received, Texts{"a message"});
    EXPECT_TRUE(pair.server_notes.errors.empty());
}

TEST(Connection, TakesAWriteWithImmediateThatOvertakesTheConfirmation) {
    Pair pair;
    pair.fabric.holds_established = true;
    pair.listen();
    pair.connect();
    pair.settle();
    ASSERT_NO_FATAL_FAILURE(pair.fabric.write_with_immediate(pair.server->raw()->qp_num));
    pair.settle();
    EXPECT_EQ(pair.server_notes.order, Texts{"established"}) << "the peer sends only once it is connected";
    EXPECT_EQ(pair.fabric.receives_posted(pair.server->raw()->qp_num), 4U);
}

TEST(Connection, TakesNoLengthOfAWriteWithImmediate) {
    Pair pair;
    pair.establish();
    // It is the write's (ibv_poll_cq(3)), unrelated to the receive.
    ibv_wc wc{};
    wc.wr_id = pair.server_options.sends;
    wc.opcode = IBV_WC_RECV_RDMA_WITH_IMM;
    wc.byte_len = pair.server_options.message_bytes + 1;
    pair.fabric.forge_completion(pair.server->raw()->qp_num, wc);
    pair.settle();
    EXPECT_EQ(pair.server_notes.order, Texts{"established"});
    EXPECT_TRUE(pair.server_notes.errors.empty());
}

TEST(Connection, ReportsThatAPeerSentTooMuch) {
    Pair pair;
    pair.fabric.replaces_private_data = true;  // so the server assumes 4096
    pair.server_options.message_bytes = 200;
    pair.establish();
    ASSERT_FALSE(send_text(*pair.server, std::string(150, 'x')));
    pair.settle();
    ASSERT_EQ(pair.client_notes.errors.size(), 1U);
    expect_words(pair.client_notes.errors[0], {"cannot receive", "Message too long", "Options::message_bytes"});
    ASSERT_EQ(pair.server_notes.errors.size(), 1U);
    expect_words(pair.server_notes.errors[0], {"cannot send", "Message too long", "assumed_peer_message_bytes"});
}

TEST(Connection, EndsWithItsDevice) {
    Pair pair;
    pair.establish();
    pair.fabric.forge_event(pair.client->raw()->qp_num, RDMA_CM_EVENT_DEVICE_REMOVAL, 0);
    pair.settle();
    ASSERT_EQ(pair.client_notes.errors.size(), 1U);
    expect_words(pair.client_notes.errors[0], {"device was removed"});
    EXPECT_EQ(pair.client_notes.why, std::errc::no_such_device);
}

TEST(Connection, LeavesNothingOnADeviceThatWasRemoved) {
    Pair pair;
    pair.establish();
    const auto domains = [&] { return std::ranges::count(pair.fabric.living, "alloc_pd", &FakeFabric::Living::verb); };
    auto kept = text_message(*pair.client, "kept");
    const messages::Socket kept_server{std::move(*pair.server)};
    messages::Socket other{pair.client_loop, "10.0.0.2", small};
    pair.settle();
    EXPECT_EQ(domains(), 2);
    pair.fabric.forge_event(pair.client->raw()->qp_num, RDMA_CM_EVENT_DEVICE_REMOVAL, 0);
    pair.settle();
    EXPECT_EQ(domains(), 2) << "the other one still uses it";
    other.disconnect();
    pair.settle();
    EXPECT_EQ(domains(), 1) << "the server's";
    EXPECT_EQ(kept.bytes()[3], 't');
    pair.client.emplace(pair.client_loop, "10.0.0.2", small);
    pair.settle();
    EXPECT_TRUE(pair.client->is_established());
}

TEST(Connection, IgnoresStepsOutOfTheirTurn) {
    const auto steps = {RDMA_CM_EVENT_ADDR_RESOLVED, RDMA_CM_EVENT_ROUTE_RESOLVED, RDMA_CM_EVENT_CONNECT_RESPONSE,
                        RDMA_CM_EVENT_ESTABLISHED};
    for (const auto step : steps) {
        for (int turns = 0; turns < 6; ++turns) {
            Pair pair;
            pair.listen();
            pair.connect();
            for (int i = 0; i < turns; ++i) {
                pair.client_loop.step(0ns);
                pair.server_loop.step(0ns);
            }
            pair.fabric.forge_events(step);
            pair.settle();
            EXPECT_LE(pair.client_notes.established, 1);
            EXPECT_LE(pair.server_notes.established, 1);
            EXPECT_LE(std::ranges::count(pair.fabric.living, "create_qp", &FakeFabric::Living::verb), 2);
        }
    }
}

TEST(Connection, FailsWhenTheConnectionManagerEndsIt) {
    Pair pair;
    pair.establish();
    pair.fabric.forge_event(pair.client->raw()->qp_num, RDMA_CM_EVENT_TIMEWAIT_EXIT, 0);
    pair.settle();
    EXPECT_EQ(pair.client_notes.why, std::errc::connection_reset);
}

TEST(Connection, RefusesOptionsThatMakeNoSense) {
    Pair pair;
    const auto refuses = [&](messages::Options options, const char* words) {
        expect_words(expect_error(EINVAL, [&] { messages::Socket{pair.client_loop, "10.0.0.2", options}; }), {words});
    };
    refuses({.message_bytes = 0}, "message_bytes");
    refuses({.receives = 0}, "receives");
    refuses({.sends = 0}, "sends");
    refuses({.connect_timeout = 0ms}, "connect_timeout");
    refuses({.ack_timeout = 32}, "ack_timeout");
    refuses({.retry_count = 8}, "retry_count");
    refuses({.min_rnr_timer = 32}, "min_rnr_timer");
    expect_error(EDESTADDRREQ, [&] { messages::Socket{pair.client_loop, std::vector<messages::Address>{}}; });
}

TEST(Connection, WaitsForTheLongestTimeOfItsType) {
    Pair pair;
    for (auto* options : {&pair.client_options, &pair.server_options})
        options->connect_timeout = options->close_timeout = options->keepalive = std::chrono::milliseconds::max();
    pair.establish();
    ASSERT_FALSE(send_text(*pair.client, "x"));
    pair.settle();
    EXPECT_EQ(pair.server_notes.received, Texts{"x"});
    EXPECT_EQ(pair.fabric.probes, 0);
    pair.fabric.holds_data = true;
    ASSERT_FALSE(send_text(*pair.client, "y"));
    pair.client->disconnect();
    pair.settle();
    EXPECT_EQ(pair.client_notes.disconnected, 0) << "it waits";
    pair.fabric.let_data_pass();
    pair.settle();
    EXPECT_EQ(pair.client_notes.disconnected, 1);
    EXPECT_TRUE(pair.client_notes.errors.empty());
}

TEST(Connection, IsDisconnectedThoughItsErrorHandlerThrows) {
    Pair pair;
    auto handlers = pair.client_notes.handlers();
    handlers.error = [](auto&, const std::system_error&) { throw std::runtime_error{"mine"}; };
    pair.client.emplace(pair.client_loop, "10.0.0.2", small, std::move(handlers));
    EXPECT_THROW(pair.settle(), std::runtime_error);
    EXPECT_EQ(pair.client_notes.disconnected, 1);
    EXPECT_EQ(pair.client_notes.why, std::errc::connection_refused);
}

TEST(Connection, ToleratesAHandlerThatThrows) {
    Pair pair;
    pair.establish();
    int calls = 0;
    pair.server->set_handlers({.message = [&](auto&, messages::Message) {
        if (++calls == 2) throw std::runtime_error{"mine"};
    }});
    for (int i = 0; i < 4; ++i) ASSERT_FALSE(send_text(*pair.client, "x"));
    EXPECT_THROW(pair.settle(), std::runtime_error);
    EXPECT_EQ(calls, 2);
    pair.settle();  // nothing is lost
    EXPECT_EQ(calls, 4);
}

}  // namespace
}  // namespace pktverbs::testing
