// SPDX-License-Identifier: Apache-2.0
// FaultyProvider: the soft device's control verbs, whose nth call fails, and a list of live objects.
#pragma once

#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <type_traits>
#include <vector>

#include <pktverbs/soft/device.hpp>
#include <pktverbs/verbs/provider.hpp>

#include "verbs/failure.hpp"
#include "wire_device.hpp"

namespace pktverbs::testing {

/// One at a time; must outlive the contexts that are opened through it. Expects objects to be destroyed in reverse
/// order of creation, except flows and their counters, whose order is the user's.
class FaultyProvider {
public:
    /// How a verb reports failure.
    enum class Way { usual, returns_minus_one, returns_negative, forgets_errno };

    FaultyProvider() { self = this; }
    ~FaultyProvider() { EXPECT_TRUE(living.empty()) << living.front().verb << " was never undone"; }
    FaultyProvider(const FaultyProvider&) = delete;
    FaultyProvider& operator=(const FaultyProvider&) = delete;

    verbs::Device device(const std::string& wire) const {
        verbs::Device device = testing::wire_device(wire);
        device.provider = &provider;
        return device;
    }

    /// Makes the nth call from now on fail, counted from 1; 0: none.
    void fail(int nth, int error, Way as = Way::usual) {
        calls = 0;
        fail_at = nth;
        fail_with = error;
        way = as;
        failed_verb.clear();
    }

    int calls = 0;  ///< calls of verbs that can fail, since fail()
    std::string failed_verb;
    void (*opened)(ibv_context*) = nullptr;  ///< called with every context

private:
    struct Living {
        std::string verb;
        void* object;
    };

    template <auto slot>
    struct Wrapped;

    template <class Result, class... Args, Result (*verbs::Provider::*slot)(Args...)>
    struct Wrapped<slot> {
        static inline const char* name = "";
        static Result call(Args... args) {
            if (self->is_due(name)) return failure<Result>();
            const Result result = (soft::provider().*slot)(args...);
            if constexpr (std::is_pointer_v<Result>) {
                if (result) self->living.push_back({name, result});
                if constexpr (std::is_same_v<Result, ibv_context*>)
                    if (result && self->opened) self->opened(result);
            }
            return result;
        }
        static Result destroy(Args... args) {
            (self->forget(name, args), ...);
            const Result result = (soft::provider().*slot)(args...);
            EXPECT_EQ(result, 0) << name;
            return result;
        }
    };

    bool is_due(const char* verb) {
        if (++calls != fail_at) return false;
        failed_verb = verb;
        return true;
    }

    template <class Result>
    static Result failure() {
        if (self->way == Way::usual) return verbs::failure<Result>(self->failed_verb, self->fail_with);
        errno = self->way == Way::forgets_errno ? 0 : self->fail_with;
        if constexpr (std::is_pointer_v<Result>)
            return nullptr;
        else
            return self->way == Way::returns_negative ? -self->fail_with : -1;
    }

    /// Whether the user decides the order: for flows and their counters.
    static bool is_users(std::string_view verb) { return verb.ends_with("_flow") || verb.ends_with("_counters"); }

    void forget(const char* verb, void* object) {
        for (std::size_t i = living.size(); i-- > 0;) {
            if (living[i].object != object) {
                if (is_users(verb) || is_users(living[i].verb)) continue;
                ADD_FAILURE() << verb << " comes before the end of what " << living[i].verb << " made later";
                continue;
            }
            living.erase(living.begin() + static_cast<std::ptrdiff_t>(i));
            return;
        }
        ADD_FAILURE() << verb << " of an object that does not exist";
    }

    template <auto slot>
    static auto failing(const char* name) {
        Wrapped<slot>::name = name;
        return Wrapped<slot>::call;
    }
    template <auto slot>
    static auto destroying(const char* name) {
        Wrapped<slot>::name = name;
        return Wrapped<slot>::destroy;
    }

    static verbs::Provider make_provider() {
        using P = verbs::Provider;
        P made = soft::provider();
        made.open_device = failing<&P::open_device>("open_device");
        made.query_device = failing<&P::query_device>("query_device");
        made.query_device_ex = failing<&P::query_device_ex>("query_device_ex");
        made.query_port = failing<&P::query_port>("query_port");
        made.query_gid = failing<&P::query_gid>("query_gid");
        made.query_qp = failing<&P::query_qp>("query_qp");
        made.query_rt_values_ex = failing<&P::query_rt_values_ex>("query_rt_values_ex");
        made.alloc_pd = failing<&P::alloc_pd>("alloc_pd");
        made.reg_mr = failing<&P::reg_mr>("reg_mr");
        made.create_comp_channel = failing<&P::create_comp_channel>("create_comp_channel");
        made.create_cq = failing<&P::create_cq>("create_cq");
        made.create_cq_ex = failing<&P::create_cq_ex>("create_cq_ex");
        made.create_qp = failing<&P::create_qp>("create_qp");
        made.modify_qp = failing<&P::modify_qp>("modify_qp");
        made.create_qp_ex = failing<&P::create_qp_ex>("create_qp_ex");
        made.create_wq = failing<&P::create_wq>("create_wq");
        made.modify_wq = failing<&P::modify_wq>("modify_wq");
        made.create_rwq_ind_table = failing<&P::create_rwq_ind_table>("create_rwq_ind_table");
        made.modify_qp_rate_limit = failing<&P::modify_qp_rate_limit>("modify_qp_rate_limit");
        made.create_flow = failing<&P::create_flow>("create_flow");
        made.create_counters = failing<&P::create_counters>("create_counters");
        made.attach_counters_point_flow = failing<&P::attach_counters_point_flow>("attach_counters_point_flow");
        made.read_counters = failing<&P::read_counters>("read_counters");
        made.close_device = destroying<&P::close_device>("close_device");
        made.dealloc_pd = destroying<&P::dealloc_pd>("dealloc_pd");
        made.dereg_mr = destroying<&P::dereg_mr>("dereg_mr");
        made.destroy_comp_channel = destroying<&P::destroy_comp_channel>("destroy_comp_channel");
        made.destroy_cq = destroying<&P::destroy_cq>("destroy_cq");
        made.destroy_qp = destroying<&P::destroy_qp>("destroy_qp");
        made.destroy_wq = destroying<&P::destroy_wq>("destroy_wq");
        made.destroy_rwq_ind_table = destroying<&P::destroy_rwq_ind_table>("destroy_rwq_ind_table");
        made.destroy_flow = destroying<&P::destroy_flow>("destroy_flow");
        made.destroy_counters = destroying<&P::destroy_counters>("destroy_counters");
        return made;
    }

    static inline FaultyProvider* self = nullptr;
    static inline const verbs::Provider provider = make_provider();

    int fail_at = 0;
    int fail_with = 0;
    Way way = Way::usual;

public:
    std::vector<Living> living;
};

}  // namespace pktverbs::testing
