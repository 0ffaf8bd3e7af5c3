// SPDX-License-Identifier: Apache-2.0
#include "link_ends.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <numeric>

#include <fmt/core.h>

namespace pktverbs::testing {

namespace {

/// The row's string, with a name of the running test and process for {}.
std::string device_string(std::string_view pattern) {
    const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
    std::string name = fmt::format("{}-{}-{}", getpid(), info->test_suite_name(), info->name());
    std::ranges::replace(name, '/', '-');
    return fmt::format(fmt::runtime(pattern), name);
}

}  // namespace

LinkEnds::LinkEnds(const LinkRow& row, const Options& left, const Options& right)
    : medium_{row.medium()},
      devices_{device_string(row.left), device_string(row.right)},
      options_{left, right},
      contexts_{} {
    open(0);
    open(1);
    wait_until_up();
}

void LinkEnds::wait_until_up() {
    for (auto& context : contexts_)
        while (context->port().state != IBV_PORT_ACTIVE)
            if (!context->wait_event(patience)) return ADD_FAILURE() << "the link never came up", void();
}

bool wait_for(Context& context, ibv_event_type type) {
    while (const auto event = context.wait_event(patience))
        if (event->type == type) return true;
    return false;
}

Bytes link_frame(std::uint32_t number, std::size_t bytes) {
    constexpr std::size_t turn = 251;  // bytes after which the pattern begins again
    static const Bytes pattern = [] {
        Bytes made(turn + 65'536);
        for (std::size_t i = 0; i < made.size(); ++i) made[i] = static_cast<std::uint8_t>(i % turn);
        return made;
    }();
    const Bytes header = frame(number);
    const auto from = pattern.begin() + static_cast<std::ptrdiff_t>((number + bytes) % turn);
    Bytes made(from, from + static_cast<std::ptrdiff_t>(bytes));
    std::copy_n(header.begin(), bytes < min_frame ? 14 : min_frame, made.begin());
    return made;
}

void put(SendPkt& pkt, const Bytes& bytes) {
    std::size_t done = 0;
    for (std::size_t i = 0; i < pkt.chunk_count(); ++i) {
        const std::size_t part = std::min(bytes.size() - done, pkt.buffer(i).size());
        std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(done), part, pkt.buffer(i).begin());
        pkt.set_length(part, i);
        done += part;
    }
    ASSERT_EQ(done, bytes.size());
}

Bytes whole(RecvPkt& pkt) {
    Bytes bytes;
    for (std::size_t i = 0; i < pkt.chunk_count(); ++i) {
        const auto chunk = pkt.chunk(i);
        bytes.insert(bytes.end(), chunk.begin(), chunk.end());
    }
    return bytes;
}

void send_frame(Context& from, const Bytes& bytes) {
    SendList list = from.acquire(1, patience);
    ASSERT_EQ(list.size(), 1U);
    put(list.front(), bytes);
    ASSERT_TRUE(from.send(std::move(list)).empty());
}

void pass(Context& from, Context& to, std::uint32_t count, const std::function<Bytes(std::uint32_t)>& make) {
    const OnOneProcessor one;
    const Flow all = to.install(FlowRule{});
    const std::uint32_t window = to.limits().recv_packets / 2;
    std::uint32_t sent = 0;
    std::uint32_t received = 0;
    auto last = std::chrono::steady_clock::now();
    while (received < count) {
        SendList packets = from.acquire(std::min(count - sent, window - (sent - received)));
        for (SendPkt& pkt : packets) put(pkt, make(sent++));
        ASSERT_TRUE(from.send(std::move(packets)).empty());
        from.flush(0ns);  // what the link did not take at once
        RecvList list = to.recv(1ms);
        for (RecvPkt& pkt : list) {
            ASSERT_TRUE(pkt.ok()) << received;
            const Bytes expected = make(received);
            ASSERT_TRUE(whole(pkt) == expected) << "frame " << received << " of " << expected.size()
                                                << " bytes came as " << number_of(whole(pkt)) << " of " << pkt.length();
            ++received;
        }
        const auto now = std::chrono::steady_clock::now();
        if (!list.empty()) last = now;
        ASSERT_LT(now - last, patience) << "after " << received << " frames: " << to.stats().drops.total()
                                        << " dropped, " << from.stats().drops.unsent << " unsent";
    }
}

void pass(Context& from, Context& to, std::uint32_t count) {
    pass(from, to, count, [](std::uint32_t number) { return link_frame(number, 64); });
}

OnOneProcessor::OnOneProcessor() {
    sched_getaffinity(0, sizeof before_, &before_);
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<unsigned>(sched_getcpu()), &one);
    sched_setaffinity(0, sizeof one, &one);
}

OnOneProcessor::~OnOneProcessor() { sched_setaffinity(0, sizeof before_, &before_); }

void OnLink::SetUp() {
    if (!GetParam().unavailable) return;
    const std::string& reason = GetParam().unavailable();
    if (!reason.empty()) GTEST_SKIP() << "NOT TESTED: " << reason;
}

}  // namespace pktverbs::testing
