// SPDX-License-Identifier: Apache-2.0
// FakeFabric: a connection manager and a verbs device in memory, whose calls can fail and whose messages can be held.
#pragma once

#include <infiniband/verbs.h>
#include <rdma/rdma_cma.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <pktverbs/messages/connection_manager.hpp>

namespace pktverbs::testing {

struct FakeContext;
struct FakeQp;
struct FakeId;

/// One at a time; must outlive the loops that use it. Expects, at its end, that nothing lives that was made through it.
class FakeFabric {
public:
    FakeFabric();
    FakeFabric(const FakeFabric&) = delete;
    FakeFabric& operator=(const FakeFabric&) = delete;
    ~FakeFabric();

    const messages::ConnectionManager& manager() const noexcept;

    /// The nth call from now on of any verb that can fail, or of one of that name, fails.
    void fail(int nth, int error, std::string verb = {});
    std::string failed_verb;  ///< the one that did
    int calls = 0;            ///< since fail()
    std::map<std::string, int> calls_of;

    bool is_silent = false;                ///< nobody answers: no events of resolve_addr and connect
    bool holds_data = false;               ///< sends stay under way until let_data_pass()
    bool holds_completion_events = false;  ///< completions are there, and nobody is told
    bool holds_established = false;  ///< the passive side doesn't hear of the confirmation until let_established_pass()
    void let_data_pass();
    void let_established_pass();
    /// The other end of the wire of every queue pair has gone: sends fail with RETRY_EXC.
    void cut();
    /// Puts a completion of its own making into the queue of the queue pair with that number.
    void forge_completion(std::uint32_t qp_num, const ibv_wc& wc);
    /// As by the connection manager, for the id with that queue pair.
    void forge_event(std::uint32_t qp_num, rdma_cm_event_type type, int status);
    /// The same, for every id there is.
    void forge_events(rdma_cm_event_type type, int status = 0, const std::vector<std::uint8_t>& private_data = {});
    /// The same, for the id at that place among those there are, counted round.
    void forge_event_at(std::size_t place, rdma_cm_event_type type, int status,
                        const std::vector<std::uint8_t>& private_data);
    /// A request from outside at that port, whose sender never goes on.
    void ask(std::uint16_t port = 12345);
    /// Whether anybody listens there.
    bool listens(std::uint16_t port = 12345);
    /// Every peer that waits for an answer gives up. An event says so to this side, or nothing does, as with Linux.
    void give_up(std::optional<rdma_cm_event_type> told_by);
    /// As by the device, about that queue pair or its completion queue.
    void forge_async_event(std::uint32_t qp_num, ibv_event_type type);
    /// The device fails everywhere: an event says so, or nothing can be read any more.
    void lose_device(bool says_so);
    /// The peer of that queue pair writes with immediate data: that takes a receive there.
    void write_with_immediate(std::uint32_t qp_num);
    std::size_t receives_posted(std::uint32_t qp_num);
    /// What a request comes with instead of what connect() said; none if empty.
    std::vector<std::uint8_t> replaced_private_data;
    bool replaces_private_data = false;

    // What was seen.
    std::vector<int> rnr_timers;                ///< of every change to RTR; -1: not said
    std::vector<std::size_t> posted_at_accept;  ///< receives, at every accept()
    std::vector<rdma_conn_param> parameters;    ///< of every connect() and accept()
    std::vector<std::string> order;             ///< of verbs that step queue pairs
    std::vector<std::string> rejections;        ///< what every reject() said
    int questions = 0;                          ///< empty writes

    struct Living {
        std::string verb;
        const void* object;
    };
    std::vector<Living> living;

    /// For the verbs.
    static FakeFabric* self;
    static thread_local int inside;  ///< whether a call is in the fabric: its memory doesn't run out
    bool is_due(const std::string& verb, int& error);
    void born(const char* verb, const void* object) { living.push_back({verb, object}); }
    void died(const void* object);
    std::recursive_mutex mutex;
    std::map<std::uint32_t, FakeQp*> qps;
    std::vector<FakeId*> ids;
    std::vector<FakeContext*> contexts;
    std::uint32_t next_qp_num = 17;
    std::uint16_t next_port = 40000;
    bool is_cut = false;

private:
    int fail_at_ = 0;
    int fail_with_ = 0;
    std::string fail_verb_;
};

}  // namespace pktverbs::testing
