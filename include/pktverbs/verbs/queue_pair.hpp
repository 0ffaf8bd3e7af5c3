// SPDX-License-Identifier: Apache-2.0
// QueuePair: a send queue and a receive queue; QueuePairBuilder: makes one step by step.
#pragma once

#include <infiniband/verbs.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include <pktverbs/export.hpp>
#include <pktverbs/verbs/completion_queue.hpp>
#include <pktverbs/verbs/endpoint.hpp>
#include <pktverbs/verbs/protection_domain.hpp>
#include <pktverbs/verbs/shared_receive_queue.hpp>
#include <pktverbs/verbs/work_request.hpp>

namespace pktverbs::verbs {

/// Selects how a queue pair is made and connected. The defaults suit one program at each end of a quiet network.
struct QueuePairOptions {
    ibv_qp_type type = IBV_QPT_RC;    ///< or IBV_QPT_UC, IBV_QPT_UD, IBV_QPT_RAW_PACKET
    std::uint32_t max_send_wr = 128;  ///< work requests in the send queue
    std::uint32_t max_recv_wr = 128;  ///< work requests in the receive queue
    std::uint32_t max_send_sge = 1;   ///< slices in each send
    std::uint32_t max_recv_sge = 1;   ///< slices in each receive
    std::uint32_t max_inline = 0;     ///< bytes that a send may copy into its work request
    bool signal_all = false;          ///< every send completes, signalled or not
    void* context = nullptr;          ///< ibv_qp::qp_context

    int access = 0;                          ///< what a peer may do: IBV_ACCESS_REMOTE_WRITE, _READ, _ATOMIC
    std::uint8_t port = 0;                   ///< 0: the port that the device was opened with
    std::uint16_t pkey_index = 0;            ///< the partition key's place in the port's table
    std::optional<std::uint32_t> gid_index;  ///< nullopt: OpenDevice::default_gid
    std::optional<ibv_mtu> mtu;              ///< nullopt: the lower of both ports' active MTUs
    std::uint32_t psn = 0;                   ///< the first packet's sequence number, 24 bits
    /// Datagrams with another key are dropped. At most 0x7fffffff; the kernel reserves the rest.
    std::uint32_t qkey = 0x11111111;
    std::uint8_t hop_limit = 64;     ///< hop limit of the packets
    std::uint8_t traffic_class = 0;  ///< DSCP and ECN, as in an IPv4 or IPv6 header
    std::uint8_t service_level = 0;  ///< InfiniBand service level
    /// An acknowledgement counts as lost after 4.096 us * 2^timeout: 67 ms for 14. 0 waits for ever.
    std::uint8_t timeout = 14;
    std::uint8_t retry_count = 7;  ///< times that a lost packet is sent again, 0 to 7
    std::uint8_t rnr_retry = 7;  ///< times that a send is tried again when the peer has no receive posted; 7: for ever
    /// How long the peer waits before it tries again when no receive is posted here, in the code of ibv_modify_qp(3):
    /// 12 is 0.64 ms; 0 is 655 ms, which is rarely wanted.
    std::uint8_t min_rnr_timer = 12;
    std::uint8_t max_rd_atomic = 1;       ///< reads and atomics in flight to the peer at once
    std::uint8_t max_dest_rd_atomic = 1;  ///< reads and atomics in flight from the peer at once
};

/// Sends and receives through one send queue and one receive queue: to one peer, to many, or raw packets.
///
/// Move-only. It keeps its protection domain, completion queues and shared receive queue alive. Any number of threads
/// may post; one at a time changes its state. Requests that have not completed when it ends never complete.
class PKTVERBS_EXPORT QueuePair {
public:
    /// Creates a queue pair in the state INIT: receives can be posted, but nothing arrives yet. Throws
    /// std::system_error; EOPNOTSUPP for a type that the device does not have.
    QueuePair(ProtectionDomain pd, CompletionQueue send_cq, CompletionQueue recv_cq, const QueuePairOptions& options,
              std::optional<SharedReceiveQueue> srq = {});
    QueuePair(QueuePair&&) noexcept;
    QueuePair& operator=(QueuePair&&) noexcept;
    ~QueuePair();

    /// Returns the protection domain it belongs to.
    const ProtectionDomain& pd() const noexcept;
    /// Returns the options it was made with.
    const QueuePairOptions& options() const noexcept;
    /// Returns its number.
    std::uint32_t number() const noexcept { return raw()->qp_num; }
    /// Returns what the device granted, which is at least what was asked for.
    const ibv_qp_cap& limits() const noexcept;

    /// Returns what a peer needs to connect() to it, or to send datagrams to it. Throws std::system_error.
    Endpoint endpoint() const;
    /// Connects to a peer (RC and UC): goes through RTR to RTS. The peer does the same with endpoint(). The GIDs of
    /// both ends must be of one kind, IPv4 or IPv6; QueuePairOptions::gid_index chooses. Throws std::system_error; if a
    /// step was refused, the message says which attributes were missing or not allowed.
    void connect(const Endpoint& peer);
    /// Starts a queue pair that has no peer (UD and raw packet): goes through RTR to RTS.
    void activate();
    /// Goes to the error state: everything posted completes as flushed.
    void to_error();
    /// Goes to RESET, which forgets what was posted, and to INIT, so that connect() or activate() can start again.
    /// Completions that are still in the completion queues stay there.
    void reset();
    /// Returns its current state.
    ibv_qp_state state() const;

    /// Changes the attributes that `mask` names. Throws like connect().
    void modify(ibv_qp_attr attr, int mask);
    /// Returns the attributes that `mask` names.
    ibv_qp_attr query(int mask) const;

    /// Posts sends with one doorbell. Requests after a refused one are not posted. Doesn't throw.
    PostResult post_send(std::span<SendRequest> batch) noexcept;
    PostResult post_send(SendRequest& request) noexcept { return post_send(std::span{&request, 1}); }
    PostResult post_send(SendRequest&& request) noexcept { return post_send(request); }
    /// Posts receives with one doorbell. Requests after a refused one are not posted. Doesn't throw.
    PostResult post_recv(std::span<RecvRequest> batch) noexcept;
    PostResult post_recv(RecvRequest& request) noexcept { return post_recv(std::span{&request, 1}); }
    PostResult post_recv(RecvRequest&& request) noexcept { return post_recv(request); }

    /// Receives datagrams to a multicast group as well, until leave() or its end (UD). On RoCE the interface must be in
    /// the group, too: join it with a socket (IP_ADD_MEMBERSHIP), as Datagrams::join() does. Throws std::system_error.
    void join(const Ipv6Address& group, std::uint16_t lid = 0);
    /// Leaves a multicast group. Throws std::system_error.
    void leave(const Ipv6Address& group, std::uint16_t lid = 0);

    ibv_qp* raw() const noexcept;

private:
    struct State;
    std::unique_ptr<State> state_;
};

/// Makes queue pairs, option by option. One builder can make many; options that are not set are those of
/// QueuePairOptions.
class PKTVERBS_EXPORT QueuePairBuilder {
public:
    /// Starts with the defaults.
    QueuePairBuilder(ProtectionDomain pd, ibv_qp_type type) : pd_{std::move(pd)} { options_.type = type; }

    /// Uses one completion queue for sends and receives.
    QueuePairBuilder& completes_on(const CompletionQueue& cq) { return sends_complete_on(cq).receives_complete_on(cq); }
    /// Sets the completion queue of sends.
    QueuePairBuilder& sends_complete_on(const CompletionQueue& cq);
    /// Sets the completion queue of receives.
    QueuePairBuilder& receives_complete_on(const CompletionQueue& cq);
    /// Takes receives from a shared receive queue.
    QueuePairBuilder& receives_from(const SharedReceiveQueue& srq);
    /// Sets how many work requests each queue holds.
    QueuePairBuilder& depth(std::uint32_t send, std::uint32_t recv);
    /// Sets how many slices each work request has.
    QueuePairBuilder& slices(std::uint32_t send, std::uint32_t recv);
    /// Sets how many bytes a send may copy into its work request.
    QueuePairBuilder& max_inline(std::uint32_t bytes);
    /// Sets what a peer may do, a combination of ibv_access_flags.
    QueuePairBuilder& access(int flags);
    /// Returns all options by name, to set others.
    QueuePairOptions& options() noexcept { return options_; }

    /// Creates a queue pair in the state INIT. Throws like QueuePair; std::invalid_argument if a completion queue is
    /// missing.
    QueuePair create() const;

private:
    ProtectionDomain pd_;
    std::optional<CompletionQueue> send_cq_;
    std::optional<CompletionQueue> recv_cq_;
    std::optional<SharedReceiveQueue> srq_;
    QueuePairOptions options_;
};

}  // namespace pktverbs::verbs
