// SPDX-License-Identifier: Apache-2.0
// Every verb fails on request, in its own convention, and works at the next call.
#include "dropin/faulty_verbs.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <set>
#include <string>
#include <type_traits>
#include <vector>

#include <pktverbs/soft/wire.hpp>

#include "dropin/verb_slots.hpp"
#include "flow_attr.hpp"
#include "wire_device.hpp"

namespace pktverbs::dropin {
namespace {

/// A pointer table as numbers.
template <class Table>
auto slots_of(const Table& table) {
    static_assert(sizeof(Table) % sizeof(std::uintptr_t) == 0);
    std::array<std::uintptr_t, sizeof(Table) / sizeof(std::uintptr_t)> slots;
    std::memcpy(slots.data(), &table, sizeof table);
    return slots;
}
template <class Table>
auto differences(const Table& one, const Table& other) {
    const auto left = slots_of(one);
    const auto right = slots_of(other);
    std::size_t count = 0;
    for (std::size_t i = 0; i < left.size(); ++i) count += left[i] != right[i] ? 1U : 0U;
    return count;
}

/// How a verb reports failure, by the man pages.
template <class Result>
void expect_failed(std::string_view verb, Result result, int error) {
    static const std::set<std::string_view> negative{"poll_cq", "query_gid_table"};
    static const std::set<std::string_view> minus_one{"query_gid", "get_async_event", "get_cq_event"};
    if constexpr (std::is_pointer_v<Result>)
        EXPECT_EQ(result, nullptr) << verb;
    else
        EXPECT_EQ(result, negative.contains(verb) ? -error : minus_one.contains(verb) ? -1 : error) << verb;
    EXPECT_EQ(errno, error) << verb;
}

/// A verb that succeeds and does nothing.
template <class Function>
struct Fake;
template <class Result, class... Args>
struct Fake<Result (*)(Args...)> {
    static inline int calls = 0;
    static Result call(Args...) {
        ++calls;
        if constexpr (std::is_pointer_v<Result>)
            return std::bit_cast<Result>(std::uintptr_t{8});
        else
            return 0;
    }
};

/// Calls with all arguments 0, except a post's requests.
template <class Result, class... Args>
Result call(Result (*function)(Args...)) {
    return function(Args{}...);
}
template <class Queue, class Request>
int call(int (*post)(Queue*, Request*, Request**)) {
    Request first{};
    Request* refused = nullptr;
    const int error = post(nullptr, &first, &refused);
    EXPECT_EQ(refused, error != 0 ? &first : nullptr);
    return error;
}

/// A device in which every verb is a fake.
struct FakeDevice {
    FakeDevice() {
        const auto fill = [](auto, auto& function) { function = Fake<std::decay_t<decltype(function)>>::call; };
        visit_provider(provider, fill);
        visit_ops(extended.context.ops, fill);
        visit_extended(extended, fill);
        extended.sz = sizeof extended;
        extended.context.abi_compat = __VERBS_ABI_IS_EXTENDED;
    }
    verbs::Provider provider{};
    verbs_context extended{};
};

class FaultyVerbs : public ::testing::Test {
protected:
    ~FaultyVerbs() override { set_faults({}); }

    /// Fails only the second call of the verb `function`.
    template <class Function>
    static void expect_second_to_fail(std::size_t verb, Function& function) {
        int& calls = Fake<Function>::calls;
        calls = 0;
        errno = 0;
        const auto good = call(function);
        EXPECT_EQ(errno, 0);
        EXPECT_EQ(calls, 1);
        expect_failed(verb_names[verb], call(function), ENOSPC);
        EXPECT_EQ(calls, 1) << "nothing is done in a call that fails";
        EXPECT_EQ(call(function), good);
        EXPECT_EQ(calls, 2);
    }
    static FaultPlan second_fails(std::size_t verb) {
        return FaultPlan::parse(std::string{verb_names[verb]} + "=ENOSPC@2");
    }
};

TEST_F(FaultyVerbs, FailOneByOneInTheProvider) {
    FakeDevice device;
    visit_provider(device.provider, [&](auto verb, auto& untouched) {
        SCOPED_TRACE(verb_names[verb]);
        set_faults(second_fails(verb), device.provider);
        verbs::Provider table = faulty_provider();
        EXPECT_EQ(differences(table, device.provider), 1U);
        visit_provider(table, [&](auto other, auto& function) {
            if constexpr (verb == other) {
                EXPECT_NE(function, untouched);
                expect_second_to_fail(verb, function);
            }
        });
    });
}

TEST_F(FaultyVerbs, FailOneByOneThroughTheContext) {
    const FakeDevice device;
    const auto fail_one = [&](auto verb, const auto& visit_table) {
        SCOPED_TRACE(verb_names[verb]);
        set_faults(second_fails(verb), device.provider);
        verbs_context table = device.extended;
        add_faults(table.context);
        EXPECT_EQ(differences(table, device.extended), 1U);
        visit_table(table, [&](auto other, auto& function) {
            if constexpr (verb == other) expect_second_to_fail(verb, function);
        });
    };
    verbs_context all = device.extended;
    visit_ops(all.context.ops, [&](auto verb, auto&) {
        fail_one(verb, [](verbs_context& table, const auto& visit) { visit_ops(table.context.ops, visit); });
    });
    visit_extended(all, [&](auto verb, auto&) {
        fail_one(verb, [](verbs_context& table, const auto& visit) { visit_extended(table, visit); });
    });
}

TEST_F(FaultyVerbs, AreAllThatCanFail) {
    const FakeDevice device;
    const auto empty = [](const auto& slots) { return std::ranges::count(slots, 0U); };
    EXPECT_EQ(empty(slots_of(device.provider)), 2) << "only the two ack verbs can't fail";
    // Slots that the ABI leaves empty: _compat_* in one table; three placeholders and priv in the other.
    EXPECT_EQ(empty(slots_of(device.extended.context.ops)), 24);
    const auto slots = slots_of(device.extended);
    EXPECT_EQ(std::count(slots.begin(), slots.begin() + offsetof(verbs_context, sz) / sizeof(void*), 0U), 4);
}

TEST_F(FaultyVerbs, ChangeNoPointerThatThePlanDoesNotName) {
    for (const char* const text : {"", "loss=0.5,seed=3"}) {
        const FakeDevice device;
        set_faults(FaultPlan::parse(text), device.provider);
        EXPECT_EQ(differences(faulty_provider(), device.provider), 0U);
        verbs_context table = device.extended;
        add_faults(table.context);
        EXPECT_EQ(differences(table, device.extended), 0U);
    }
}

TEST_F(FaultyVerbs, LeaveNullWhatTheDeviceHasNot) {
    set_faults(FaultPlan::parse("alloc_dm=ENOMEM;alloc_mw=ENOMEM"));
    verbs_context table{};
    table.context.abi_compat = __VERBS_ABI_IS_EXTENDED;
    add_faults(table.context);
    EXPECT_EQ(table.alloc_dm, nullptr);
    EXPECT_EQ(table.context.ops.alloc_mw, nullptr);
}

TEST_F(FaultyVerbs, OfAnOldContextAreThoseOfTheDataPath) {
    FakeDevice device;
    device.extended.context.abi_compat = nullptr;
    set_faults(FaultPlan::parse("create_cq_ex=ENOMEM;poll_cq=EIO"));
    const verbs_context before = device.extended;
    add_faults(device.extended.context);
    EXPECT_EQ(device.extended.create_cq_ex, before.create_cq_ex);
    EXPECT_NE(device.extended.context.ops.poll_cq, before.context.ops.poll_cq);
}

TEST_F(FaultyVerbs, AreAddedOnce) {
    FakeDevice device;
    set_faults(FaultPlan::parse("req_notify_cq=EIO@2"));
    add_faults(device.extended.context);
    add_faults(device.extended.context);
    EXPECT_EQ(call(device.extended.context.ops.req_notify_cq), 0);
    EXPECT_EQ(call(device.extended.context.ops.req_notify_cq), EIO);
}

TEST_F(FaultyVerbs, CountForAllContextsTogether) {
    FakeDevice one;
    FakeDevice other;
    set_faults(FaultPlan::parse("create_cq_ex=ENOMEM@3+"), one.provider);
    add_faults(one.extended.context);
    add_faults(other.extended.context);
    EXPECT_NE(call(one.extended.create_cq_ex), nullptr);
    EXPECT_NE(call(faulty_provider().create_cq_ex), nullptr);
    EXPECT_EQ(call(other.extended.create_cq_ex), nullptr);
    EXPECT_EQ(call(one.extended.create_cq_ex), nullptr);
    set_faults(FaultPlan::parse("create_cq_ex=ENOMEM@1"), one.provider);
    EXPECT_EQ(call(one.extended.create_cq_ex), nullptr) << "a new plan counts anew";
}

/// A soft device's whole life. The verb that fails first is called once more.
class Life {
public:
    explicit Life(std::string failing) : failing_{std::move(failing)} {}

    void live() {
        const auto& verbs = faulty_provider();
        const verbs::Device device = testing::wire_device("life");
        soft::Wire wire{"life"};
        ibv_context* const context = step("open_device", [&] { return verbs.open_device(device.handle.get()); });
        ASSERT_TRUE(context);
        add_faults(*context);

        ibv_device_attr attr{};
        ibv_device_attr_ex attr_ex{};
        ibv_port_attr port{};
        ibv_gid gid{};
        ibv_gid_entry entry{};
        EXPECT_EQ(step("query_device", [&] { return verbs.query_device(context, &attr); }), 0);
        EXPECT_EQ(step("query_device_ex", [&] { return verbs.query_device_ex(context, nullptr, &attr_ex); }), 0);
        EXPECT_EQ(step("query_port", [&] { return ibv_query_port(context, 1, &port); }), 0);
        EXPECT_EQ(step("query_gid", [&] { return verbs.query_gid(context, 1, 0, &gid); }), 0);
        EXPECT_EQ(step("query_gid_ex", [&] { return verbs.query_gid_ex(context, 1, 0, &entry, 0); }), 0);
        std::array<ibv_gid_entry, 2> entries{};
        EXPECT_EQ(step("query_gid_table", [&] { return verbs.query_gid_table(context, entries.data(), 2, 0); }), 2);
        wire.set_link(false);
        wire.set_link(true);
        ibv_async_event event{};
        EXPECT_EQ(step("get_async_event", [&] { return verbs.get_async_event(context, &event); }), 0);
        EXPECT_EQ(event.event_type, IBV_EVENT_PORT_ERR) << "the event is not lost with the call that failed";
        verbs.ack_async_event(&event);

        ibv_pd* const pd = step("alloc_pd", [&] { return verbs.alloc_pd(context); });
        std::array<std::uint8_t, 2048> memory{};
        ibv_mr* const mr = step("reg_mr", [&] { return verbs.reg_mr(pd, memory.data(), memory.size(), 1); });
        ibv_comp_channel* const channel =
            step("create_comp_channel", [&] { return verbs.create_comp_channel(context); });
        ibv_cq* const cq = step("create_cq", [&] { return verbs.create_cq(context, 16, nullptr, channel, 0); });
        ibv_cq_init_attr_ex init_ex{};
        init_ex.cqe = 16;
        ibv_cq_ex* const cq_ex = step("create_cq_ex", [&] { return ibv_create_cq_ex(context, &init_ex); });
        ASSERT_TRUE(pd && mr && channel && cq && cq_ex);
        ibv_qp_init_attr init{};
        init.send_cq = init.recv_cq = cq;
        init.cap = {4, 4, 1, 1, 0};
        init.qp_type = IBV_QPT_RAW_PACKET;
        ibv_qp* const qp = step("create_qp", [&] { return verbs.create_qp(pd, &init); });
        ASSERT_TRUE(qp);
        ibv_qp_attr state{};
        state.port_num = 1;
        for (const ibv_qp_state next : {IBV_QPS_INIT, IBV_QPS_RTR, IBV_QPS_RTS}) {
            state.qp_state = next;
            const int mask = IBV_QP_STATE | (next == IBV_QPS_INIT ? IBV_QP_PORT : 0);
            EXPECT_EQ(step("modify_qp", [&] { return verbs.modify_qp(qp, &state, mask); }), 0);
        }
        EXPECT_EQ(step("query_qp", [&] { return verbs.query_qp(qp, &state, IBV_QP_STATE, &init); }), 0);
        ibv_flow* const flow = step("create_flow", [&] {
            return FlowAttr{IBV_FLOW_ATTR_ALL_DEFAULT}.with_block(
                [&](ibv_flow_attr& block) { return ibv_create_flow(qp, &block); });
        });
        ASSERT_TRUE(flow);

        soft::WireTap tap{"life"};
        ibv_sge sge{reinterpret_cast<std::uint64_t>(memory.data()), 60, mr->lkey};
        ibv_recv_wr recv{1, nullptr, &sge, 1};
        ibv_recv_wr* recv_refused = nullptr;
        EXPECT_EQ(step("req_notify_cq", [&] { return ibv_req_notify_cq(cq, 0); }), 0);
        EXPECT_EQ(step("post_recv", [&] { return ibv_post_recv(qp, &recv, &recv_refused); }), 0);
        EXPECT_EQ(recv_refused, failing_ == "post_recv" ? &recv : nullptr);
        tap.send(std::array<std::uint8_t, 60>{});
        ibv_cq* notified = nullptr;
        void* cq_context = nullptr;
        EXPECT_EQ(step("get_cq_event", [&] { return verbs.get_cq_event(channel, &notified, &cq_context); }), 0);
        EXPECT_EQ(notified, cq);
        verbs.ack_cq_events(cq, 1);
        ibv_wc wc{};
        EXPECT_EQ(step("poll_cq", [&] { return ibv_poll_cq(cq, 1, &wc); }), 1);
        EXPECT_EQ(wc.wr_id, 1U);
        ibv_send_wr send{};
        send.sg_list = &sge;
        send.num_sge = 1;
        send.opcode = IBV_WR_SEND;
        ibv_send_wr* send_refused = nullptr;
        EXPECT_EQ(step("post_send", [&] { return ibv_post_send(qp, &send, &send_refused); }), 0);
        EXPECT_EQ(send_refused, failing_ == "post_send" ? &send : nullptr);
        EXPECT_EQ(tap.receive().size(), 1U);

        EXPECT_EQ(step("destroy_flow", [&] { return ibv_destroy_flow(flow); }), 0);
        EXPECT_EQ(step("destroy_qp", [&] { return verbs.destroy_qp(qp); }), 0);
        EXPECT_EQ(step("destroy_cq", [&] { return verbs.destroy_cq(cq); }), 0);
        EXPECT_EQ(verbs.destroy_cq(ibv_cq_ex_to_cq(cq_ex)), 0);
        EXPECT_EQ(step("destroy_comp_channel", [&] { return verbs.destroy_comp_channel(channel); }), 0);
        EXPECT_EQ(step("dereg_mr", [&] { return verbs.dereg_mr(mr); }), 0);
        EXPECT_EQ(step("dealloc_pd", [&] { return verbs.dealloc_pd(pd); }), 0);
        EXPECT_EQ(step("close_device", [&] { return verbs.close_device(context); }), 0);
    }

    std::set<std::string> verbs_called;
    bool failed = false;

private:
    template <class Call>
    std::invoke_result_t<Call> step(const char* verb, Call&& call) {
        verbs_called.insert(verb);
        if (verb == failing_ && !failed) {
            failed = true;
            errno = 0;
            expect_failed(verb, call(), EBUSY);
        }
        return call();
    }

    std::string failing_;
};

TEST_F(FaultyVerbs, FailOnceEachInTheLifeOfASoftDevice) {
    Life whole{""};
    set_faults({});
    whole.live();
    EXPECT_EQ(whole.verbs_called.size(), 29U);
    for (const std::string& verb : whole.verbs_called) {
        SCOPED_TRACE(verb);
        set_faults(FaultPlan::parse(verb + "=EBUSY@1"));
        Life life{verb};
        life.live();
        EXPECT_TRUE(life.failed);
    }
}

}  // namespace
}  // namespace pktverbs::dropin
