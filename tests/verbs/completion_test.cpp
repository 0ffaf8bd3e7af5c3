// SPDX-License-Identifier: Apache-2.0
// Completions and their events: polled from classic and extended queues, waited for on a channel.
#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>

#include <cerrno>
#include <thread>
#include <vector>

#include "expect_error.hpp"
#include "world.hpp"

namespace pktverbs::testing {
namespace {

using std::chrono::nanoseconds;
using verbs::Completion;
using verbs::CompletionQueue;

ibv_wc numbered(std::uint64_t id) {
    ibv_wc wc{};
    wc.wr_id = id;
    wc.opcode = IBV_WC_RECV;
    wc.byte_len = 60;
    wc.qp_num = 77;
    return wc;
}

/// Classic and extended.
class PollTest : public ::testing::TestWithParam<bool> {
protected:
    std::vector<std::uint64_t> poll(std::size_t most) {
        std::vector<std::uint64_t> ids;
        const std::size_t got = cq_.poll(most, [&](const Completion& one) { ids.push_back(one.id()); });
        EXPECT_EQ(got, ids.size());
        return ids;
    }
    void add(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) fake_.completions.push_back(numbered(next_++));
    }

    FakeVerbs fake_;
    World world_{fake_, GetParam()};
    CompletionQueue cq_ = *world_.cq;
    std::uint64_t next_ = 0;
};

INSTANTIATE_TEST_SUITE_P(, PollTest, ::testing::Values(false, true),
                         [](const auto& test) { return test.param ? "Extended" : "Classic"; });

TEST_P(PollTest, GivesNothingWhereNothingIs) {
    EXPECT_TRUE(poll(10).empty());
    EXPECT_FALSE(cq_.poll_one());
    EXPECT_EQ(cq_.error(), 0);
    EXPECT_EQ(fake_.count("end_poll"), 0);  // not after a start that found nothing (ibv_start_poll(3))
}

TEST_P(PollTest, GivesAllInOrder) {
    for (const std::size_t count : {1U, 31U, 32U, 33U, 64U, 100U}) {
        next_ = 0;
        add(count);
        const auto ids = poll(1000);
        ASSERT_EQ(ids.size(), count);
        for (std::uint64_t i = 0; i < count; ++i) EXPECT_EQ(ids[i], i);
        EXPECT_EQ(fake_.count("start_poll"), GetParam() ? fake_.count("end_poll") + (count % 32 == 0 ? 1 : 0) : 0);
        fake_.calls.clear();
    }
    EXPECT_EQ(cq_.error(), 0);
}

TEST_P(PollTest, TakesNoMoreThanItWasAskedFor) {
    add(100);
    EXPECT_EQ(poll(0).size(), 0U);
    EXPECT_EQ(poll(1).size(), 1U);
    EXPECT_EQ(poll(32).size(), 32U);
    EXPECT_EQ(poll(40).size(), 40U);
    EXPECT_EQ(poll(40).size(), 27U);
}

TEST_P(PollTest, LetsAVisitPoll) {
    add(10);
    std::vector<std::uint64_t> inner;
    const std::size_t outer = cq_.poll(4, [&](const Completion&) {
        if (const auto one = cq_.poll_one()) inner.push_back(one->id());
    });
    EXPECT_EQ(outer, 4U);
    EXPECT_EQ(inner, (std::vector<std::uint64_t>{4, 5, 6, 7}));
}

TEST_P(PollTest, LetsAVisitThrow) {
    add(3);
    EXPECT_THROW(cq_.poll(1, [](const Completion&) { throw 1; }), int);
    EXPECT_EQ(poll(10).size(), 2U);  // the queue is not left in the middle of a poll
}

TEST_P(PollTest, KeepsTheErrorOfARefusedPoll) {
    fake_.poll_result = GetParam() ? EINVAL : -1;
    EXPECT_TRUE(poll(10).empty());
    EXPECT_EQ(cq_.error(), GetParam() ? EINVAL : EIO);
    fake_.poll_result = 0;
    add(1);
    EXPECT_EQ(poll(10).size(), 1U);
    EXPECT_NE(cq_.error(), 0);
}

TEST_P(PollTest, GivesWhatCameBeforeAnError) {
    if (!GetParam()) return;  // a classic queue is polled at once
    add(3);
    fake_.next_result = EIO;
    EXPECT_EQ(poll(10), std::vector<std::uint64_t>{0});
    EXPECT_EQ(cq_.error(), EIO);
    EXPECT_EQ(fake_.count("end_poll"), 1);
}

TEST_P(PollTest, ReportsAllOfASuccess) {
    ibv_wc wc = numbered(7);
    wc.src_qp = 9;
    wc.wc_flags = unsigned{IBV_WC_WITH_IMM} | IBV_WC_GRH;
    wc.imm_data = htonl(0x01020304);
    fake_.completions.push_back(wc);
    const auto one = cq_.poll_one();
    ASSERT_TRUE(one);
    EXPECT_TRUE(one->ok());
    EXPECT_EQ(one->id(), 7U);
    EXPECT_EQ(one->status(), IBV_WC_SUCCESS);
    EXPECT_EQ(one->opcode(), IBV_WC_RECV);
    EXPECT_TRUE(one->is_receive());
    EXPECT_EQ(one->length(), 60U);
    EXPECT_EQ(one->immediate(), 0x01020304U);
    EXPECT_EQ(one->queue_pair(), 77U);
    EXPECT_EQ(one->source_queue_pair(), 9U);
    EXPECT_TRUE(one->has_grh());
    EXPECT_EQ(one->timestamp_ticks(), GetParam() ? 5U : 0U);
    EXPECT_EQ(one->to_string(), "receive 7: ok, 60 bytes");
}

TEST_P(PollTest, ReportsAllOfAFailure) {
    ibv_wc wc = numbered(7);
    wc.status = IBV_WC_REM_ACCESS_ERR;
    wc.vendor_err = 0x88;
    fake_.completions.push_back(wc);
    const auto one = cq_.poll_one();
    ASSERT_TRUE(one);
    EXPECT_FALSE(one->ok());
    EXPECT_EQ(one->id(), 7U);
    EXPECT_EQ(one->status(), IBV_WC_REM_ACCESS_ERR);
    EXPECT_EQ(one->queue_pair(), 77U);
    EXPECT_EQ(one->vendor_error(), 0x88U);
    EXPECT_EQ(one->immediate(), std::nullopt);
    EXPECT_EQ(one->to_string(), "7: remote access error, vendor error 0x88");
}

TEST_P(PollTest, IsSharedByCopies) {
    add(2);
    CompletionQueue copy = cq_;
    EXPECT_TRUE(copy.poll_one());
    EXPECT_TRUE(cq_.poll_one());
    EXPECT_FALSE(copy.poll_one());
}

TEST_P(PollTest, ReportsWhatWasGranted) {
    EXPECT_EQ(cq_.capacity(), 257U);
    cq_.resize(500);
    EXPECT_EQ(cq_.capacity(), 500U);
}

class ChannelTest : public ::testing::Test {
protected:
    FakeVerbs fake_;
    World world_{fake_};
    verbs::CompletionChannel& channel_ = *world_.channel;
};

TEST_F(ChannelTest, HasADescriptorThatDoesNotBlock) {
    EXPECT_NE(fcntl(channel_.fd(), F_GETFL) & O_NONBLOCK, 0);
    EXPECT_NE(fcntl(world_.device->async_fd(), F_GETFL) & O_NONBLOCK, 0);
}

TEST_F(ChannelTest, GivesNothingWhereNothingIs) {
    EXPECT_FALSE(channel_.next_event());
    EXPECT_FALSE(channel_.wait_event(nanoseconds{0}));
    EXPECT_FALSE(channel_.wait_event(nanoseconds{-1}));
    EXPECT_FALSE(channel_.wait_event(std::chrono::microseconds{10}));
}

TEST_F(ChannelTest, GivesTheEventsOfAllItsQueues) {
    int tag = 0;
    const CompletionQueue other{*world_.device, {.channel = channel_, .context = &tag}};
    fake_.report(other.raw());
    fake_.report(world_.cq->raw());
    pollfd readable{channel_.fd(), POLLIN, 0};
    EXPECT_EQ(poll(&readable, 1, 0), 1);
    const auto first = channel_.wait_event(nanoseconds::max());
    ASSERT_TRUE(first);
    EXPECT_EQ(first->cq, other.raw());
    EXPECT_EQ(first->context, &tag);
    const auto second = channel_.wait_event(nanoseconds{0});  // a pending event is returned, however short the wait
    ASSERT_TRUE(second);
    EXPECT_EQ(second->cq, world_.cq->raw());
    EXPECT_EQ(second->context, &world_);
    EXPECT_FALSE(channel_.next_event());
}

TEST_F(ChannelTest, WakesAWaiter) {
    std::thread world{[&] { fake_.report(world_.cq->raw()); }};
    EXPECT_TRUE(channel_.wait_event(std::chrono::seconds{5}));
    world.join();
}

TEST_F(ChannelTest, LooksAgainWhereItWasInterrupted) {
    fake_.fail("get_cq_event", EINTR);
    EXPECT_FALSE(channel_.next_event());
}

class EventTest : public ::testing::Test {
protected:
    std::optional<verbs::AsyncEvent> report(ibv_event_type type, void* object = nullptr, int port = 0) {
        ibv_async_event event{};
        event.event_type = type;
        if (object)
            event.element.qp = static_cast<ibv_qp*>(object);
        else
            event.element.port_num = port;
        fake_.report(world_.device->raw(), event);
        return world_.device->next_event();
    }

    FakeVerbs fake_;
    World world_{fake_};
};

TEST_F(EventTest, AreNoneOnAQuietDevice) {
    EXPECT_FALSE(world_.device->next_event());
    EXPECT_EQ(fake_.count("ack_async_event"), 0);
}

TEST_F(EventTest, AreAcknowledgedAtOnce) {
    const auto event = report(IBV_EVENT_QP_FATAL, world_.qp->raw());
    ASSERT_TRUE(event);
    EXPECT_EQ(fake_.count("ack_async_event"), 1);
    EXPECT_TRUE(event->is_about(world_.qp->raw()));
    EXPECT_FALSE(event->is_about(world_.cq->raw()));
    world_.qp.reset();  // doesn't wait
    EXPECT_EQ(event->to_string(), "queue pair: local work queue catastrophic error");
}

TEST_F(EventTest, ComeInOrder) {
    ibv_async_event event{};
    for (const int port : {1, 2, 3}) {
        event.event_type = IBV_EVENT_PORT_ERR;
        event.element.port_num = port;
        fake_.report(world_.device->raw(), event);
    }
    for (const int port : {1, 2, 3}) EXPECT_EQ(world_.device->next_event()->port, port);
    EXPECT_FALSE(world_.device->next_event());
}

TEST_F(EventTest, SayThatTheDeviceIsGone) {
    fake_.fail("get_async_event", EIO);
    expect_words(expect_error(EIO, [&] { world_.device->next_event(); }),
                 {"cannot read the events of fake0: Input/output error (the device is gone"});
    fake_.fail("get_async_event", EINTR);
    EXPECT_FALSE(world_.device->next_event());
    fake_.fail("get_async_event", 0);  // the end of the file
    expect_error(EIO, [&] { world_.device->next_event(); });
}

TEST_F(EventTest, KnowWhatTheyAreAbout) {
    using Subject = verbs::AsyncEvent::Subject;
    struct Case {
        ibv_event_type type;
        Subject subject;
        bool fatal;
        const char* text;
    };
    for (const auto& [type, subject, fatal, text] : {
             Case{IBV_EVENT_CQ_ERR, Subject::completion_queue, true, "completion queue: CQ error"},
             Case{IBV_EVENT_QP_FATAL, Subject::queue_pair, true, "queue pair: local work queue catastrophic error"},
             Case{IBV_EVENT_QP_REQ_ERR, Subject::queue_pair, true,
                  "queue pair: invalid request local work queue error"},
             Case{IBV_EVENT_QP_ACCESS_ERR, Subject::queue_pair, true, "queue pair: local access violation"},
             Case{IBV_EVENT_COMM_EST, Subject::queue_pair, false, "queue pair: communication established"},
             Case{IBV_EVENT_SQ_DRAINED, Subject::queue_pair, false, "queue pair: send queue drained"},
             Case{IBV_EVENT_PATH_MIG, Subject::queue_pair, false, "queue pair: path migrated"},
             Case{IBV_EVENT_PATH_MIG_ERR, Subject::queue_pair, false, "queue pair: path migration request"},
             Case{IBV_EVENT_DEVICE_FATAL, Subject::device, true, "device: local catastrophic error"},
             Case{IBV_EVENT_PORT_ACTIVE, Subject::port, false, "port 3: port active"},
             Case{IBV_EVENT_PORT_ERR, Subject::port, false, "port 3: port error"},
             Case{IBV_EVENT_LID_CHANGE, Subject::port, false, "port 3: LID change"},
             Case{IBV_EVENT_PKEY_CHANGE, Subject::port, false, "port 3: P_Key change"},
             Case{IBV_EVENT_SM_CHANGE, Subject::port, false, "port 3: SM change"},
             Case{IBV_EVENT_SRQ_ERR, Subject::shared_receive_queue, true,
                  "shared receive queue: SRQ catastrophic error"},
             Case{IBV_EVENT_SRQ_LIMIT_REACHED, Subject::shared_receive_queue, false,
                  "shared receive queue: SRQ limit reached"},
             Case{IBV_EVENT_QP_LAST_WQE_REACHED, Subject::queue_pair, false, "queue pair: last WQE reached"},
             Case{IBV_EVENT_CLIENT_REREGISTER, Subject::port, false, "port 3: client reregistration"},
             Case{IBV_EVENT_GID_CHANGE, Subject::port, false, "port 3: GID table change"},
             Case{IBV_EVENT_WQ_FATAL, Subject::work_queue, true, "work queue: "},
         }) {
        int thing = 0;
        const bool has_object = subject != Subject::port && subject != Subject::device;
        const auto event = report(type, has_object ? &thing : nullptr, subject == Subject::port ? 3 : 0);
        ASSERT_TRUE(event);
        EXPECT_EQ(event->type, type);
        EXPECT_EQ(event->subject, subject) << text;
        EXPECT_EQ(event->is_fatal(), fatal) << text;
        EXPECT_EQ(event->is_about(&thing), has_object) << text;
        EXPECT_FALSE(event->is_about(nullptr));
        EXPECT_EQ(event->port, subject == Subject::port ? 3 : 0) << text;
        EXPECT_TRUE(event->to_string().starts_with(text)) << event->to_string() << ", not " << text;
    }
}

TEST_F(EventTest, OfATypeThatIsNotKnownAreTheDevices) {
    const auto event = report(static_cast<ibv_event_type>(31));
    ASSERT_TRUE(event);
    EXPECT_EQ(event->subject, verbs::AsyncEvent::Subject::device);
    EXPECT_FALSE(event->is_fatal());
    EXPECT_FALSE(event->to_string().empty());
}

}  // namespace
}  // namespace pktverbs::testing
