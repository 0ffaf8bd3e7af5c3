// SPDX-License-Identifier: Apache-2.0
// Ends: Contexts at both ends of a memif socket, in one process.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <string_view>

#include <fmt/core.h>

#include <pktverbs/soft/link_peer.hpp>
#include <pktverbs/verbs/async_event.hpp>

#include "expect_error.hpp"
#include "frames.hpp"

namespace pktverbs::testing {

inline constexpr std::chrono::seconds patience{20};  ///< a test that needs it has failed

/// A name of an abstract socket that no other test, and no other run of this one, has.
inline std::string socket_name(std::string_view part = {}) {
    const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
    return fmt::format("@pktverbs-test/{}/{}.{}{}", getpid(), info->test_suite_name(), info->name(), part);
}

inline const Options frames_of_9000{.send_packets = 64, .recv_packets = 256, .max_packet_size = 9216};

template <class Call>
void expect_refusal(int error, const std::string& words, Call&& call) {
    const std::string text = expect_error(error, call);
    EXPECT_NE(text.find(words), std::string::npos) << text;
}

/// Waits for the port's event; false if another one of the port comes, or none.
inline bool wait_for(Context& context, ibv_event_type type) {
    while (const auto event = context.wait_event(patience)) {
        if (event->type == type) return true;
        if (event->type == IBV_EVENT_PORT_ACTIVE || event->type == IBV_EVENT_PORT_ERR) return false;
    }
    return false;
}
inline bool wait_until_up(Context& context) { return wait_for(context, IBV_EVENT_PORT_ACTIVE); }
inline bool wait_until_down(Context& context) { return wait_for(context, IBV_EVENT_PORT_ERR); }

/// A Context that receives every frame.
struct End {
    Context ctx;
    Flow flow = ctx.install(FlowRule{});

    explicit End(const std::string& device, const Options& options = frames_of_9000) : ctx{device, options} {}

    /// Sends frames `first`, `first` + 1, ... of that length.
    void send(std::uint32_t first, std::uint32_t count, std::size_t bytes = 64) {
        for (std::uint32_t sent = 0; sent < count;) {
            SendList list = ctx.acquire(count - sent, patience);
            ASSERT_FALSE(list.empty());
            for (SendPkt& pkt : list) fill(pkt, first + sent++, bytes);
            ASSERT_TRUE(ctx.send(std::move(list)).empty());
        }
    }
    /// Receives frames `first`, `first` + 1, ... and checks every byte.
    void expect(std::uint32_t first, std::uint32_t count, std::size_t bytes = 64) {
        for (std::uint32_t received = 0; received < count;) {
            const RecvList list = ctx.recv(patience);
            ASSERT_FALSE(list.empty()) << "after " << received;
            for (const RecvPkt& pkt : list) {
                const Bytes wanted = frame(first + received++, bytes);
                ASSERT_TRUE(std::ranges::equal(pkt.bytes(), wanted))
                    << number_of(pkt.bytes()) << " " << pkt.bytes().size();
            }
        }
    }
};

/// A server and a client, connected.
struct Ends {
    std::string socket;
    End server;
    End client;

    explicit Ends(const std::string& name, const std::string& client_keys = {}, const std::string& server_keys = {},
                  const Options& options = frames_of_9000)
        : socket{name},
          server{"memif:" + name + "?role=server" + server_keys, options},
          client{"memif:" + name + "?reconnect=5ms" + client_keys, options} {
        EXPECT_TRUE(wait_until_up(server.ctx));
        EXPECT_TRUE(wait_until_up(client.ctx));
    }
};

}  // namespace pktverbs::testing
