// SPDX-License-Identifier: Apache-2.0
// Many threads at once: nothing locks up, nothing is lost without being counted. To be run under
// ThreadSanitizer too (PKTVERBS_SANITIZE=thread).
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <optional>
#include <thread>

#include "background.hpp"
#include "ip_frame.hpp"
#include "rounds.hpp"
#include "soft/nic/nic.hpp"
#include "soft/nic/queue_pair.hpp"
#include "work_queues.hpp"

namespace pktverbs::testing {
namespace {

void send_all(VerbsEnd& end, std::uint32_t frames) {
    for (std::uint32_t sent = 0; sent < frames;) {
        if (end.post_send(sent, {end.sge(60000, 60)}) == 0)
            ++sent;
        else
            for (const ibv_wc& wc : poll_all(end.send_cq)) EXPECT_EQ(wc.status, IBV_WC_SUCCESS);
    }
}

void drain(VerbsEnd& end, std::uint64_t& got) {
    for (const ibv_wc& wc : poll_all(end.recv_cq)) {
        EXPECT_EQ(wc.status, IBV_WC_SUCCESS);
        ++got;
        EXPECT_EQ(end.post_recv(wc.wr_id, {end.sge(2048 * wc.wr_id, 2048)}), 0);
    }
}

TEST(Threads, LoseNothingUncounted) {
    const auto frames = rounds(20000U);
    Wire wire{"w"};
    VerbsEnd ends[2];
    std::uint64_t got[2] = {};
    for (VerbsEnd& end : ends) {
        end.fill(16);
        end.put(60000, frame_to(1));
    }
    {
        std::thread senders[2];
        for (int i = 0; i < 2; ++i) senders[i] = std::thread{send_all, std::ref(ends[i]), frames};
        const Background flows{[&] {
            for (VerbsEnd& end : ends) {
                const auto dropping = end.make_flow(end.qp.get(), to_mac(1).add(drop_spec()));
                const auto other = end.make_flow(end.qp.get(), to_mac(2));
                EXPECT_NE(other, nullptr);
            }
        }};
        const Background poller{[&] {
            for (int i = 0; i < 2; ++i) drain(ends[i], got[i]);
        }};
        const Background reader{[&] { state_of(ends[0].qp.get()), ends[1].drops(), wire.counters(); }};
        for (std::thread& sender : senders) sender.join();
    }
    for (int i = 0; i < 2; ++i) {
        drain(ends[i], got[i]);
        EXPECT_EQ(got[i] + ends[i].drops().total(), frames);
        EXPECT_EQ(ends[i].drops().out_of_buffer + ends[i].drops().by_rule, ends[i].drops().total());
    }
    EXPECT_EQ(wire.counters().sent, 2 * frames);
    EXPECT_EQ(wire.counters().delivered, 2 * frames);
}

/// Frames that are known, in lists: in runs straight from one end's requests to the other's receives.
TEST(Threads, LoseNothingUncountedOfListsBothWays) {
    constexpr std::uint32_t in_list = 12;
    const auto lists = rounds(3000U);
    Wire wire{"w"};
    VerbsEnd ends[2];
    std::uint64_t got[2] = {};
    for (VerbsEnd& end : ends) {
        end.fill(16);
        end.put(60000, IpFrame{}.bytes());
    }
    const auto bytes = static_cast<std::uint32_t>(IpFrame{}.bytes().size());
    const auto send_lists = [&](VerbsEnd& end) {
        ibv_sge sge = end.sge(60000, bytes);
        for (std::uint32_t sent = 0; sent < lists * in_list;) {
            ibv_send_wr requests[in_list]{};
            for (std::uint32_t i = 0; i < in_list; ++i) {
                ibv_send_wr& request = requests[i];
                request.wr_id = sent + i;
                request.next = i + 1 < in_list ? &requests[i + 1] : nullptr;
                request.sg_list = &sge;
                request.num_sge = 1;
                request.opcode = IBV_WR_SEND;
                request.send_flags = i % 3 == 2 ? unsigned{IBV_SEND_SIGNALED} : 0;
            }
            ibv_send_wr* bad = nullptr;
            for (ibv_send_wr* first = requests; ibv_post_send(end.qp.get(), first, &bad) != 0; first = bad)
                for (const ibv_wc& wc : poll_all(end.send_cq)) EXPECT_EQ(wc.status, IBV_WC_SUCCESS);
            sent += in_list;
        }
    };
    {
        std::thread senders[2];
        for (int i = 0; i < 2; ++i) senders[i] = std::thread{send_lists, std::ref(ends[i])};
        const Background changer{[&] {
            for (VerbsEnd& end : ends) {
                const auto other = end.make_flow(end.qp.get(), to_mac(2));
                EXPECT_NE(other, nullptr);
                EXPECT_EQ(end.verbs.resize_cq(end.recv_cq.get(), 128), 0);
                EXPECT_EQ(ibv_req_notify_cq(end.recv_cq.get(), 0), 0);
                EXPECT_EQ(end.verbs.resize_cq(end.recv_cq.get(), 64), 0);
            }
        }};
        const Background poller{[&] {
            for (int i = 0; i < 2; ++i) drain(ends[i], got[i]);
        }};
        for (std::thread& sender : senders) sender.join();
    }
    for (int i = 0; i < 2; ++i) {
        drain(ends[i], got[i]);
        EXPECT_EQ(got[i] + ends[i].drops().out_of_buffer, lists * in_list);
        EXPECT_GT(got[i], 0U);
    }
    EXPECT_EQ(wire.counters().delivered, 2 * lists * in_list);
}

TEST(Threads, MayPostToOneQueuePairTogether) {
    VerbsEnd end{{.send_depth = 64}};
    Wire wire{"w"};
    std::thread senders[2];
    for (std::thread& sender : senders) sender = std::thread{send_all, std::ref(end), 5000};
    for (std::thread& sender : senders) sender.join();
    EXPECT_EQ(wire.counters().sent, 10000U);
}

TEST(Threads, MayRegisterMemoryWhileFramesArrive) {
    VerbsEnd end;
    VerbsEnd peer;
    std::vector<std::uint8_t> memory(4096);
    std::thread sender{send_all, std::ref(peer), 10000};
    {
        const Background other{[&] {
            const verbs::MrHandle mr{end.verbs.reg_mr(end.pd.get(), memory.data(), 4096, 0), {&end.verbs}};
            EXPECT_NE(mr, nullptr);
        }};
        // Each region has ended before the next one may take its place.
        for (int i = 0; i < 300; ++i) {
            const verbs::MrHandle mr{
                end.verbs.reg_mr(end.pd.get(), memory.data(), memory.size(), IBV_ACCESS_LOCAL_WRITE), {&end.verbs}};
            EXPECT_EQ(end.post_recv(1, {{reinterpret_cast<std::uint64_t>(memory.data()), 2048, mr->lkey}}), 0);
            if (i % 3 == 0) continue;
            EXPECT_EQ(step(end.qp.get(), IBV_QPS_ERR), 0);
            EXPECT_EQ(step(end.qp.get(), IBV_QPS_RESET), 0);
            bring_to(end.qp.get(), IBV_QPS_RTS);
        }
    }
    sender.join();
}

TEST(Threads, MayResetAQueuePairUnderTraffic) {
    VerbsEnd end;
    VerbsEnd peer;
    {
        const Background sender{[&] {
            peer.post_send(1, {peer.sge(0, 60)});
            poll_all(peer.send_cq);
        }};
        const Background poller{[&] { poll_all(end.recv_cq), poll_all(end.send_cq); }};
        for (int i = 0; i < 300; ++i) {
            end.fill(16);
            end.post_send(1, {end.sge(0, 60)});
            ASSERT_EQ(step(end.qp.get(), i % 2 ? IBV_QPS_ERR : IBV_QPS_SQD), 0);
            ASSERT_EQ(step(end.qp.get(), IBV_QPS_RESET), 0);
            bring_to(end.qp.get(), IBV_QPS_RTS);
        }
    }
    poll_all(end.recv_cq);
    end.fill(16);
    ASSERT_EQ(step(end.qp.get(), IBV_QPS_ERR), 0);
    EXPECT_EQ(poll_all(end.recv_cq).size(), 16U);
}

TEST(Threads, MayDestroyAQueuePairUnderTraffic) {
    VerbsEnd end{{.all_default = false}};
    VerbsEnd peer;
    const Background sender{[&] {
        peer.post_send(1, {peer.sge(0, 60)});
        poll_all(peer.send_cq);
    }};
    const Background poller{[&] { poll_all(end.recv_cq); }};
    for (int i = 0; i < 300; ++i) {
        const auto qp = end.make_qp();
        end.fill(16, qp.get());
        const auto flow = end.make_flow(qp.get(), FlowAttr{IBV_FLOW_ATTR_ALL_DEFAULT});
        EXPECT_NE(flow, nullptr);
    }
}

TEST(Threads, MayCloseADeviceWhileTheOtherEndSends) {
    VerbsEnd peer;
    const Background sender{[&] {
        peer.post_send(1, {peer.sge(0, 60)});
        poll_all(peer.send_cq);
    }};
    const Background switcher{[wire = Wire{"w"}]() mutable {
        wire.set_link(false);
        wire.set_link(true);
    }};
    for (int i = 0; i < 100; ++i) {
        VerbsEnd end;
        end.fill(16);
        poll_all(end.recv_cq);
    }
}

/// A thread that polls an extended queue may post meanwhile, while another one resets the queue pair.
TEST(Threads, DoNotLockUpBetweenPollingAndReset) {
    VerbsEnd end{{.all_default = false}};
    ibv_cq_init_attr_ex init{};
    init.cqe = 64;
    ibv_cq_ex* const cq = ibv_create_cq_ex(end.context.get(), &init);
    const verbs::CqHandle owned{ibv_cq_ex_to_cq(cq), {&end.verbs}};
    ibv_qp_init_attr made{};
    made.send_cq = made.recv_cq = owned.get();
    made.cap = {16, 16, 1, 1, 0};
    made.qp_type = IBV_QPT_RAW_PACKET;
    const verbs::QpHandle qp{end.verbs.create_qp(end.pd.get(), &made), {&end.verbs}};
    bring_to(qp.get(), IBV_QPS_RTS);
    ASSERT_EQ(end.post_send(1, {end.sge(0, 60)}, IBV_SEND_SIGNALED, qp.get()), 0);
    ibv_poll_cq_attr attr{};
    ASSERT_EQ(ibv_start_poll(cq, &attr), 0);
    std::thread resetter{[&] { EXPECT_EQ(step(qp.get(), IBV_QPS_RESET), 0); }};
    while (end.post_send(2, {end.sge(0, 60)}, 0, qp.get()) != EINVAL) std::this_thread::yield();
    EXPECT_EQ(ibv_wc_read_qp_num(cq), qp->qp_num);
    ibv_end_poll(cq);
    resetter.join();
    EXPECT_EQ(ibv_start_poll(cq, &attr), ENOENT);
}

TEST(Threads, MayDestroyWorkQueuesUnderTraffic) {
    Wire wire{"w"};
    VerbsEnd end{{.all_default = false}};
    VerbsEnd peer;
    peer.put(60000, frame_to(1));
    std::uint64_t got = 0;
    const auto poll = [&] {
        for (const ibv_wc& wc : poll_all(end.recv_cq)) got += wc.status == IBV_WC_SUCCESS ? 1 : 0;
    };
    std::optional<Background> sender{std::in_place, [&] { send_all(peer, 64); }};
    for (int i = 0; i < 200 || got == 0; ++i) {
        const WqHandle first = make_wq(end);
        const WqHandle second = make_wq(end);
        const TableHandle table = make_table(end, {first.get(), second.get()});
        const verbs::QpHandle qp = make_qp(end, rss_attr(end, table));
        const auto flow = end.make_flow(qp.get(), FlowAttr{IBV_FLOW_ATTR_ALL_DEFAULT});
        EXPECT_EQ(post_wq(second.get(), 1, {end.sge(0, 2048)}), 0);
        for (std::uint64_t wr = 0; wr < 16; ++wr) EXPECT_EQ(post_wq(first.get(), wr, {end.sge(0, 2048)}), 0);
        poll();
        if (i % 3 == 0) {
            EXPECT_EQ(modify_wq(first.get(), IBV_WQS_ERR), 0);
        } else if (i % 3 == 1) {
            EXPECT_EQ(modify_wq(first.get(), IBV_WQS_RESET), 0);
        }
        poll();
    }
    sender.reset();
    // Completions dropped by a reset are in neither.
    EXPECT_LE(got + end.drops().total(), wire.counters().sent);
}

TEST(Threads, MayBuildAndPostTogether) {
    VerbsEnd end;
    Wire wire{"w"};
    ibv_qp_init_attr_ex attr{};
    attr.qp_type = IBV_QPT_RAW_PACKET;
    attr.send_cq = attr.recv_cq = end.send_cq.get();
    attr.cap = {64, 1, 1, 1, 0};
    attr.comp_mask = IBV_QP_INIT_ATTR_PD | IBV_QP_INIT_ATTR_SEND_OPS_FLAGS;
    attr.pd = end.pd.get();
    attr.send_ops_flags = IBV_QP_EX_WITH_SEND;
    const verbs::QpHandle owned = make_qp(end, attr);
    bring_to(owned.get(), IBV_QPS_RTS);
    ibv_qp_ex* const qp = soft::QueuePair::of(owned.get()).extended();
    const ibv_sge sge = end.put(60000, frame_to(1));
    const int turns = rounds(2000);
    const auto build = [&] {
        for (int sent = 0; sent < turns;) {
            ibv_wr_start(qp);
            qp->wr_flags = IBV_SEND_SIGNALED;
            for (int i = 0; i < 2; ++i) {
                ibv_wr_send(qp);
                ibv_wr_set_sge(qp, sge.lkey, sge.addr, sge.length);
            }
            if (sent % 3 == 0) soft::Nic::of(end.context.get()).sending_stalled();
            poll_all(end.send_cq);
            if (sent % 5 == 0 && sent % 2 == 1) {
                ibv_wr_abort(qp);
                ++sent;
            } else if (ibv_wr_complete(qp) == 0) {
                ++sent;
            }
        }
    };
    const auto post = [&] {
        for (int sent = 0; sent < turns;) {
            if (end.post_send(1, {sge}, IBV_SEND_SIGNALED, owned.get()) == 0) ++sent;
            poll_all(end.send_cq);
        }
    };
    std::thread threads[] = {std::thread{build}, std::thread{build}, std::thread{post}};
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(wire.counters().sent, static_cast<std::uint64_t>(2 * 2 * (turns - turns / 10) + turns));
}

TEST(Threads, MayDestroyACompletionQueueWhileOthersWait) {
    VerbsEnd end;
    set_blocking(end.channel->fd, true);
    std::atomic<bool> stop{false};
    std::thread waiter{[&] {
        while (!stop) {
            ibv_cq* cq = nullptr;
            void* context = nullptr;
            ASSERT_EQ(end.verbs.get_cq_event(end.channel.get(), &cq, &context), 0);
            end.verbs.ack_cq_events(cq, 1);
        }
    }};
    const auto send_on = [&](ibv_cq* cq) {
        ibv_qp_init_attr made{};
        made.send_cq = made.recv_cq = cq;
        made.cap = {4, 4, 1, 1, 0};
        made.qp_type = IBV_QPT_RAW_PACKET;
        const verbs::QpHandle qp{end.verbs.create_qp(end.pd.get(), &made), {&end.verbs}};
        bring_to(qp.get(), IBV_QPS_RTS);
        ASSERT_EQ(ibv_req_notify_cq(cq, 0), 0);
        ASSERT_EQ(end.post_send(1, {end.sge(0, 60)}, IBV_SEND_SIGNALED, qp.get()), 0);
    };
    for (int i = 0; i < 300; ++i) send_on(end.make_cq(4, end.channel.get()).get());
    stop = true;
    send_on(end.recv_cq.get());
    waiter.join();
}

}  // namespace
}  // namespace pktverbs::testing
