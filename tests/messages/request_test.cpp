// SPDX-License-Identifier: Apache-2.0
// Requests that wait for an answer: what happens when one side gives up, and how many may wait.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string>
#include <vector>

#include "expect_error.hpp"
#include "pair.hpp"

namespace pktverbs::testing {
namespace {

using Texts = std::vector<std::string>;

/// A listener whose program keeps its requests.
struct Keeper {
    FakeFabric fabric;
    Loop loop{fabric.manager()};
    std::vector<messages::Request> requests;
    std::vector<std::string> errors;
    std::optional<messages::Listener> listener;

    void listen(messages::Options options = small) {
        listener.emplace(loop, messages::Address{}, options,
                         messages::ListenerHandlers{
                             .request = [this](messages::Request request) { requests.push_back(std::move(request)); },
                             .error = [this](const std::system_error& error) { errors.emplace_back(error.what()); }});
    }
    void ask(std::size_t times = 1) {
        for (std::size_t i = 0; i < times; ++i) fabric.ask();
        settle();
    }
    void settle() {
        while (loop.step(0ns)) continue;
    }
};

/// Events that end a waiting request; today's kernel reports none of them for a request that was not accepted.
constexpr rdma_cm_event_type ends[] = {RDMA_CM_EVENT_REJECTED, RDMA_CM_EVENT_UNREACHABLE, RDMA_CM_EVENT_CONNECT_ERROR,
                                       RDMA_CM_EVENT_DISCONNECTED, RDMA_CM_EVENT_TIMEWAIT_EXIT};

TEST(Request, ReportsThatThePeerWithdrewIt) {
    for (const auto event : ends) {
        SCOPED_TRACE(rdma_event_str(event));
        Keeper keeper;
        keeper.listen();
        keeper.ask();
        keeper.fabric.give_up(event);
        keeper.settle();
        Notes notes;
        const messages::Socket socket = keeper.requests.at(0).accept(notes.handlers());
        EXPECT_TRUE(notes.errors.empty()) << "handlers are not called within accept()";
        keeper.settle();
        ASSERT_EQ(notes.errors.size(), 1U);
        expect_words(notes.errors[0], {"cannot accept a connection from 10.0.0.9:", "the peer withdrew its request"});
        EXPECT_EQ(notes.why, std::errc::connection_aborted);
        EXPECT_EQ(notes.disconnected, 1);
        EXPECT_EQ(keeper.requests[0].peer().to_string().substr(0, 9), "10.0.0.9:");
        expect_error(EINVAL, [&] { static_cast<void>(keeper.requests[0].accept()); });
    }
}

TEST(Request, ReportsThatWithoutAnEvent) {
    Keeper keeper;
    keeper.listen();
    keeper.ask();
    keeper.fabric.give_up(std::nullopt);
    Notes notes;
    const messages::Socket socket = keeper.requests.at(0).accept(notes.handlers());
    keeper.settle();
    ASSERT_EQ(notes.errors.size(), 1U);
    expect_words(notes.errors[0], {"cannot accept a connection from 10.0.0.9:"});
}

TEST(Request, OutlivesItsListener) {
    for (const auto event : {RDMA_CM_EVENT_REJECTED, RDMA_CM_EVENT_DEVICE_REMOVAL, RDMA_CM_EVENT_ADDR_CHANGE}) {
        SCOPED_TRACE(rdma_event_str(event));
        Keeper keeper;
        keeper.listen();
        keeper.ask(2);
        keeper.listener.reset();
        keeper.fabric.give_up(event);
        keeper.settle();
        keeper.requests.pop_back();
        keeper.requests.at(0).reject("no");
    }
}

TEST(Request, EndsWithItsDeviceAndTheListenerDoesNot) {
    Keeper keeper;
    keeper.listen();
    keeper.ask();
    keeper.fabric.give_up(RDMA_CM_EVENT_DEVICE_REMOVAL);
    keeper.settle();
    EXPECT_TRUE(keeper.errors.empty()) << "a wildcard listener stays for the other devices";
    Notes notes;
    const messages::Socket socket = keeper.requests.at(0).accept(notes.handlers());
    keeper.ask();
    EXPECT_EQ(keeper.requests.size(), 2U);
    ASSERT_EQ(notes.errors.size(), 1U);
    expect_words(notes.errors[0], {"cannot accept a connection from 10.0.0.9:", "its RDMA device was removed"});
    EXPECT_EQ(notes.why, std::errc::no_such_device);
}

TEST(Request, IsNotOfferedOnceThePeerHasGivenUp) {
    Keeper keeper;
    keeper.listener.emplace(keeper.loop, messages::Address{}, small);
    std::vector<std::string> peers;
    const auto take = [](messages::Listener& from, std::vector<std::string>& to) -> async::Task<> {
        while (auto request = co_await from.request()) to.push_back(request->peer().to_string());
    };
    {
        // From the first request() on, requests are kept.
        Loop& loop = keeper.loop;
        const auto first = [](messages::Listener& from) -> async::Task<> { co_await from.request(); };
        loop.spawn(first(*keeper.listener));
        keeper.ask();
    }
    keeper.ask(2);
    keeper.fabric.give_up(RDMA_CM_EVENT_REJECTED);
    keeper.settle();
    keeper.ask();
    keeper.loop.spawn(take(*keeper.listener, peers));
    keeper.settle();
    EXPECT_EQ(peers, Texts{"10.0.0.9:40003"}) << "the others have left";
}

TEST(Listener, KeepsNoMoreRequestsThanItsBacklog) {
    for (const bool taken_by_handler : {false, true}) {
        Keeper keeper;
        messages::Options options = small;
        options.backlog = 3;
        if (taken_by_handler) {
            keeper.listen(options);
        } else {
            keeper.listener.emplace(keeper.loop, messages::Address{}, options);
            const auto first = [](messages::Listener& from) -> async::Task<> { co_await from.request(); };
            keeper.loop.spawn(first(*keeper.listener));
            keeper.ask();
            keeper.fabric.rejections.clear();  // the first one was dropped
        }
        const std::size_t before = keeper.fabric.living.size();
        keeper.ask(10);
        EXPECT_EQ(keeper.fabric.rejections, Texts(7, "too many requests wait for an answer"));
        EXPECT_EQ(keeper.fabric.living.size(), before + 3);
        if (!taken_by_handler) continue;
        EXPECT_EQ(keeper.requests.size(), 3U);
        keeper.requests.pop_back();                            // rejects it
        const auto socket = keeper.requests.front().accept();  // both are answers
        keeper.fabric.rejections.clear();
        keeper.ask(3);
        EXPECT_EQ(keeper.requests.size(), 4U);
        EXPECT_EQ(keeper.fabric.rejections.size(), 1U);
    }
}

TEST(Listener, CountsNoRequestThatIsAnsweredAtOnce) {
    Pair pair;
    pair.server_options.backlog = 1;
    pair.establish();
    messages::Socket second{pair.client_loop, "10.0.0.2", small};
    pair.settle();
    EXPECT_TRUE(second.is_established());
}

TEST(Listener, RejectsWithTheReasonThatTooManyWait) {
    Pair pair;
    std::vector<messages::Request> kept;
    messages::Options options = small;
    options.backlog = 1;
    pair.listener.emplace(
        pair.server_loop, messages::Address{}, options,
        messages::ListenerHandlers{.request = [&](messages::Request request) { kept.push_back(std::move(request)); }});
    const messages::Socket first{pair.client_loop, "10.0.0.2", small};
    pair.settle();
    pair.connect();
    pair.settle();
    EXPECT_EQ(pair.client_notes.errors,
              Texts{"cannot connect to 10.0.0.2:12345: Connection refused (the peer's reason: too "
                    "many requests wait for an answer)"});
}

TEST(Listener, KeepsAtLeastOne) {
    FakeFabric fabric;
    Loop loop{fabric.manager()};
    for (const int backlog : {0, -1})
        expect_words(expect_error(EINVAL,
                                  [&] {
                                      messages::Listener{loop, messages::Address{}, {.backlog = backlog}};
                                  }),
                     {"cannot listen at [::]:12345", "backlog must be at least 1"});
}

/// The client's error text for a rejection with that reason.
std::string rejection_text(const std::string& reason) {
    Pair pair;
    pair.listener.emplace(
        pair.server_loop, messages::Address{}, small,
        messages::ListenerHandlers{.request = [&](messages::Request request) { request.reject(reason); }});
    pair.connect();
    pair.settle();
    EXPECT_EQ(pair.client_notes.errors.size(), 1U);
    const std::string text = pair.client_notes.errors.empty() ? "" : pair.client_notes.errors[0];
    return text.substr(std::min(text.find('(') + 1, text.size()));
}

TEST(Request, IsRejectedWithWholeCharacters) {
    // 147 bytes fit: 146, and the first byte of U+00FC.
    EXPECT_EQ(rejection_text(std::string(146, 'x') + "\u00fc"), "the peer's reason: " + std::string(146, 'x') + ")");
    EXPECT_EQ(rejection_text(std::string(145, 'x') + "\u00fc"),
              "the peer's reason: " + std::string(145, 'x') + "\u00fc)");
    EXPECT_EQ(rejection_text(std::string(300, 'x')), "the peer's reason: " + std::string(147, 'x') + ")");
    EXPECT_EQ(rejection_text(std::string(300, '\x80')), "the peer rejected the connection)")
        << "it contains no character";
}

TEST(Request, IsRejectedWithoutControlCharacters) {
    for (const char* reason : {"\x1b[31mred", "two\nlines", "del\x7f",
                               "\xc2\x9b"
                               "31m",
                               "\xff\xfe", "\xc3"})
        EXPECT_EQ(rejection_text(reason), "the peer rejected the connection)") << reason;
    EXPECT_EQ(rejection_text("\u00a0\u00e9\u20ac"), "the peer's reason: \u00a0\u00e9\u20ac)");
}

}  // namespace
}  // namespace pktverbs::testing
