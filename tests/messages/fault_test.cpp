// SPDX-License-Identifier: Apache-2.0
// Every verb fails, at each of its calls; the fabric checks that nothing is left over.
#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <string_view>

#include "expect_error.hpp"
#include "pair.hpp"

namespace pktverbs::testing {
namespace {

/// All errors thrown or reported to a handler, at either end.
struct Outcome {
    std::string words;
    bool is_complete = false;  ///< all messages came
    std::string failed_verb;
};

/// A connection with messages each way and a disconnect.
Outcome run_with(const std::function<void(FakeFabric&)>& fail) {
    FakeFabric fabric;
    Notes server_notes;
    Notes client_notes;
    Outcome outcome;
    fail(fabric);
    try {
        Loop loop{fabric.manager()};
        std::optional<messages::Socket> server;
        std::optional<messages::Listener> listener;
        std::optional<messages::Socket> client;
        const auto settle = [&] {
            for (int i = 0; i < 10'000; ++i) {
                try {
                    if (!loop.step(0ns)) return;
                } catch (const std::system_error& error) {
                    outcome.words += error.what();
                }
            }
            ADD_FAILURE() << "it never settles";
        };
        listener.emplace(loop, messages::Address{}, small,
                         messages::ListenerHandlers{.request = [&](messages::Request request) {
                             server.emplace(request.accept(server_notes.handlers()));
                         }});
        client.emplace(loop, "10.0.0.2", small, client_notes.handlers());
        settle();
        for (int i = 0; i < 3; ++i) {
            if (client) static_cast<void>(send_text(*client, "to"));
            if (server) static_cast<void>(send_text(*server, "fro"));
            settle();
        }
        client->disconnect();
        settle();
        EXPECT_LE(client_notes.disconnected, 1);
        EXPECT_LE(server_notes.disconnected, 1);
    } catch (const std::system_error& error) {
        outcome.words += error.what();
    }
    for (const Notes* notes : {&server_notes, &client_notes})
        for (const std::string& error : notes->errors) outcome.words += error;
    outcome.is_complete = server_notes.received.size() == 3 && client_notes.received.size() == 3;
    outcome.failed_verb = fabric.failed_verb;
    return outcome;
}

/// Failures that need no report: the connection ends anyway, or the peer detects it.
bool is_best_effort(std::string_view verb) {
    return verb == "disconnect" || verb == "reject" || verb == "notify" || verb == "modify_qp to ERR";
}

TEST(Fault, IsReportedAtEveryCall) {
    int nth = 1;
    for (;; ++nth) {
        const Outcome outcome = run_with([&](FakeFabric& fabric) { fabric.fail(nth, ENOMEM); });
        if (outcome.failed_verb.empty()) {
            EXPECT_TRUE(outcome.is_complete);
            EXPECT_EQ(outcome.words, "");
            break;
        }
        if (is_best_effort(outcome.failed_verb)) continue;
        SCOPED_TRACE(outcome.failed_verb + ", call " + std::to_string(nth));
        // The sending call reports a refused send.
        if (outcome.failed_verb == "post_send") {
            EXPECT_FALSE(outcome.is_complete);
            continue;
        }
        expect_words(outcome.words, {"cannot ", ": "});
    }
    EXPECT_GT(nth, 60);
}

struct Case {
    const char* verb;
    int error;
    const char* words;
};

class FaultyVerb : public ::testing::TestWithParam<Case> {};

TEST_P(FaultyVerb, ReportsWhatFailed) {
    const Case& one = GetParam();
    const Outcome outcome = run_with([&](FakeFabric& fabric) { fabric.fail(1, one.error, one.verb); });
    EXPECT_EQ(outcome.failed_verb, one.verb);
    expect_words(outcome.words, {one.words});
    // If reading events fails, step() throws, and the next step() gets them.
    EXPECT_EQ(outcome.is_complete, std::string_view{one.verb}.ends_with("_event"));
}

INSTANTIATE_TEST_SUITE_P(
    Fault, FaultyVerb,
    ::testing::Values(
        Case{"create_event_channel", ENODEV,
             "cannot use the RDMA connection manager: No such device (there is no RDMA device, or"},
        Case{"create_event_channel", ENOENT, "modprobe rdma_ucm"},
        Case{"create_event_channel", EACCES,
             "cannot use the RDMA connection manager: Permission denied (no access to /dev/infiniband/rdma_cm"},
        Case{"create_id", EMFILE,
             "cannot make a connection identifier: Too many open files (too many open files: raise ulimit -n)"},
        Case{"bind_addr", EADDRNOTAVAIL,
             "cannot listen at [::]:12345: Cannot assign requested address (no RDMA device has that address"},
        Case{"bind_addr", EADDRINUSE,
             "cannot listen at [::]:12345: Address already in use (another program listens at this address)"},
        Case{"listen", EADDRINUSE,
             "cannot listen at [::]:12345: Address already in use (another program listens at this address)"},
        Case{"resolve_addr", ENETUNREACH,
             "cannot connect to 10.0.0.2:12345: Network is unreachable (the route uses no RDMA device"},
        Case{"resolve_route", ENODEV, "cannot connect to 10.0.0.2:12345: No such device"},
        Case{"open_device", EMFILE, "cannot open fake0/1: Too many open files"},
        Case{"query_device", EIO, "cannot query fake0/1: Input/output error"},
        Case{"alloc_pd", ENOMEM, "cannot allocate a protection domain on fake0/1: Cannot allocate memory"},
        Case{"create_comp_channel", EMFILE, "cannot create a completion channel on fake0/1: Too many open files"},
        Case{"reg_mr", ENOMEM, "RLIMIT_MEMLOCK is too small"},
        Case{"create_cq", ENOMEM, "cannot create a completion queue on fake0/1: Cannot allocate memory"},
        Case{"create_qp", ENOMEM, "cannot create a reliable connected queue pair on fake0/1: Cannot allocate memory"},
        Case{"modify_qp to INIT", EIO,
             "cannot bring a reliable connected queue pair to INIT on fake0/1: Input/output error"},
        Case{"modify_qp to RTR", EHOSTUNREACH,
             "cannot bring a reliable connected queue pair to RTR on fake0/1: No route to host"},
        Case{"modify_qp to RTS", EIO,
             "cannot bring a reliable connected queue pair to RTS on fake0/1: Input/output error"},
        Case{"init_qp_attr", EINVAL, "cannot connect to 10.0.0.2:12345: Invalid argument"},
        Case{"post_recv", ENOMEM, "cannot post receives on fake0/1: Cannot allocate memory"},
        Case{"req_notify_cq", EIO, "cannot arm a completion queue on fake0/1: Input/output error"},
        Case{"connect", EINVAL, "cannot connect to 10.0.0.2:12345: Invalid argument"},
        Case{"accept", EINVAL, "cannot accept a connection from 10.0.0.1:40000: Invalid argument"},
        Case{"establish", EINVAL, "cannot connect to 10.0.0.2:12345: Invalid argument"},
        Case{"get_cm_event", EIO, "cannot read the event channel: Input/output error"},
        Case{"get_cq_event", EIO, "cannot read a completion channel on fake0/1: Input/output error"},
        Case{"poll_cq", EIO, "cannot poll the completions of"}),
    [](const auto& test) {
        std::string name = test.param.verb + std::string{"_"} + std::to_string(test.index);
        std::replace(name.begin(), name.end(), ' ', '_');
        return name;
    });

TEST(Fault, OfASendLeavesTheMessage) {
    Pair pair;
    pair.establish();
    auto message = text_message(*pair.client, "kept");
    pair.fabric.fail(1, ENOMEM, "post_send");
    EXPECT_EQ(pair.client->try_send(std::move(message)), std::errc::not_enough_memory);
    ASSERT_TRUE(message);
    EXPECT_FALSE(pair.client->try_send(std::move(message)));
    pair.settle();
    EXPECT_EQ(pair.server_notes.received, std::vector<std::string>{"kept"});
}

TEST(Fault, OfARepostedReceiveEndsTheConnection) {
    Pair pair;
    pair.establish();
    pair.fabric.fail(1, ENOMEM, "post_recv");
    ASSERT_FALSE(send_text(*pair.client, "x"));
    pair.settle();
    ASSERT_EQ(pair.server_notes.errors.size(), 1U);
    expect_words(pair.server_notes.errors[0], {"cannot receive from", "Cannot allocate memory", "cannot post a receive"});
    EXPECT_EQ(pair.server_notes.received.size(), 1U);
}

TEST(Fault, OfAQueueThatIsArmedAgainEndsTheConnection) {
    Pair pair;
    pair.establish();
    ASSERT_FALSE(send_text(*pair.client, "x"));
    pair.fabric.fail(1, EIO, "req_notify_cq");
    pair.server_loop.step(0ns);
    ASSERT_EQ(pair.server_notes.errors.size(), 1U);
    expect_words(pair.server_notes.errors[0], {"cannot arm a completion queue on fake0/1"});
    EXPECT_EQ(pair.server_notes.received.size(), 1U);
    pair.settle();
    EXPECT_EQ(pair.server_notes.disconnected, 1);
}

TEST(Fault, OfAProbeEndsTheConnection) {
    Pair pair;
    pair.client_options.keepalive = 1ms;
    pair.establish();
    pair.fabric.fail(1, EIO, "post_send");
    pair.wait_for_end(pair.client_notes);
    ASSERT_EQ(pair.client_notes.errors.size(), 1U);
    expect_words(pair.client_notes.errors[0], {"cannot probe 10.0.0.2:12345"});
}

}  // namespace
}  // namespace pktverbs::testing
