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

/// One at a time; must outlive the loops that use it. When destroyed, expects that no object made through it is left.
class FakeFabric {
public:
    FakeFabric();
    FakeFabric(const FakeFabric&) = delete;
    FakeFabric& operator=(const FakeFabric&) = delete;
    ~FakeFabric();

    const messages::ConnectionManager& manager() const noexcept;

    /// Makes the nth call from now on fail, of any verb that can fail or of the named one.
    void fail(int nth, int error, std::string verb = {});
    std::string failed_verb;  ///< the verb that failed
    int calls = 0;            ///< calls since fail()
    std::map<std::string, int> calls_of;

    bool is_silent = false;                ///< no answers: no events for resolve_addr and connect
    bool holds_data = false;               ///< sends stay in flight until let_data_pass()
    bool holds_completion_events = false;  ///< completions make no events
    bool holds_established = false;        ///< the passive side gets the confirmation only by let_established_pass()
    void let_data_pass();
    void let_established_pass();
    /// Every queue pair's other end fails: sends fail with RETRY_EXC.
    void cut();
    /// Puts an invented completion into the queue of the queue pair with that number.
    void forge_completion(std::uint32_t qp_num, const ibv_wc& wc);
    /// Makes a connection manager event for the id with that queue pair.
    void forge_event(std::uint32_t qp_num, rdma_cm_event_type type, int status);
    /// The same, for every id.
    void forge_events(rdma_cm_event_type type, int status = 0, const std::vector<std::uint8_t>& private_data = {});
    /// The same, for the id at that index, modulo their number.
    void forge_event_at(std::size_t place, rdma_cm_event_type type, int status,
                        const std::vector<std::uint8_t>& private_data);
    /// Makes a request at that port, whose sender never continues.
    void ask(std::uint16_t port = 12345);
    /// Whether there is a listener.
    bool listens(std::uint16_t port = 12345);
    /// Every peer that waits for an answer gives up. This side gets an event, or none, as on Linux.
    void give_up(std::optional<rdma_cm_event_type> event);
    /// Makes a device event about that queue pair or its completion queue.
    void forge_async_event(std::uint32_t qp_num, ibv_event_type type);
    /// The device fails everywhere: with an event, or its events can no longer be read.
    void lose_device(bool says_so);
    /// That queue pair's peer writes with immediate data, which takes a receive.
    void write_with_immediate(std::uint32_t qp_num);
    std::size_t receives_posted(std::uint32_t qp_num);
    /// The private data of requests in place of connect()'s; none if empty.
    std::vector<std::uint8_t> replaced_private_data;
    bool replaces_private_data = false;

    // Records.
    std::vector<int> rnr_timers;                ///< of every change to RTR; -1: not set
    std::vector<std::size_t> posted_at_accept;  ///< receives, at every accept()
    std::vector<rdma_conn_param> parameters;    ///< of every connect() and accept()
    std::vector<std::string> order;             ///< queue pairs' changes of state
    std::vector<std::string> rejections;        ///< the text of every reject()
    int probes = 0;                             ///< empty writes

    struct Living {
        std::string verb;
        const void* object;
    };
    std::vector<Living> living;

    /// For the verbs.
    static FakeFabric* self;
    static thread_local int inside;  ///< whether a call is inside the fabric, whose allocations don't fail
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
