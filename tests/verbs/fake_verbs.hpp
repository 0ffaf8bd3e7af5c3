// SPDX-License-Identifier: Apache-2.0
// FakeVerbs: a provider with a fake device, which only records objects and calls, and fails on request.
#pragma once

#include <infiniband/verbs.h>

#include <cerrno>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include <pktverbs/verbs/device.hpp>

namespace pktverbs::testing {

/// One at a time; must outlive the objects made from its device. Fails the test if an object ends before one that needs
/// it, if a completion queue ends with unacknowledged events, and if any object is left.
class FakeVerbs {
public:
    /// How a verb reports failure. Verbs that return pointers use the first and the last only.
    enum class Way { usual, returns_minus_one, returns_negative, forgets_errno };
    static constexpr Way ways[] = {Way::usual, Way::returns_minus_one, Way::returns_negative, Way::forgets_errno};

    FakeVerbs();
    ~FakeVerbs();
    FakeVerbs(const FakeVerbs&) = delete;
    FakeVerbs& operator=(const FakeVerbs&) = delete;

    verbs::Device device(const std::string& name = "fake0");
    static const verbs::Provider& provider();

    /// Makes the verb fail until works().
    void fail(std::string verb, int error, Way way = Way::usual);
    void works() { failing_verb_.clear(); }
    bool did_fail() const { return failed_; }

    /// The device's events, and a channel's.
    void report(ibv_context* context, const ibv_async_event& event);
    void report(ibv_cq* cq);

    std::size_t living() const { return living_.size(); }
    /// How often a verb was called.
    int count(const std::string& verb) const;

    std::vector<std::string> calls;            ///< all of them, data path and all
    std::deque<ibv_wc> completions;            ///< of every queue
    std::vector<ibv_gid_entry> gids;           ///< of the port, by index; a zero one is empty
    std::vector<ibv_send_wr> sent;             ///< as they came
    std::vector<std::vector<ibv_sge>> slices;  ///< and their slices, also of receives
    int room = 1000;                           ///< requests until a post verb fails with ENOMEM
    int refusal = 0;                           ///< the errno instead, if not 0
    bool names_refused = true;                 ///< sets bad_wr
    int poll_result = 0;                       ///< result of poll_cq and start_poll, if not 0
    int next_result = 0;                       ///< result of next_poll, if not 0
    bool lists_empty_gids = false;             ///< query_gid_table gives zeros where there is none
    ibv_device_attr attributes{};
    ibv_port_attr port{};
    ibv_qp_state state = IBV_QPS_RESET;                ///< of every queue pair
    std::vector<std::pair<ibv_qp_attr, int>> changes;  ///< of queue pairs

private:
    friend struct FakeCalls;
    struct Object {
        std::string verb;
        std::vector<const void*> needs;
        int events = 0;  ///< taken and not acknowledged
    };
    bool is_due(const char* verb);
    int result(const char* verb);

    std::map<const void*, Object> living_;
    std::deque<ibv_async_event> events_;
    std::map<const ibv_comp_channel*, std::deque<ibv_cq*>> news_;
    std::string failing_verb_;
    int error_ = 0;
    Way way_ = Way::usual;
    bool failed_ = false;
};

}  // namespace pktverbs::testing
