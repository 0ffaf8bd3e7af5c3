// SPDX-License-Identifier: Apache-2.0
// QueuePair: a send and a receive queue to one peer, to many, or to the wire; QueuePairBuilder makes it.
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

/// What a queue pair is made and connected with; the defaults suit one program at each end of a quiet network.
struct QueuePairOptions {
    ibv_qp_type type = IBV_QPT_RC;  ///< or IBV_QPT_UC, IBV_QPT_UD, IBV_QPT_RAW_PACKET
    std::uint32_t max_send_wr = 128;
    std::uint32_t max_recv_wr = 128;
    std::uint32_t max_send_sge = 1;
    std::uint32_t max_recv_sge = 1;
    std::uint32_t max_inline = 0;  ///< bytes
    bool signal_all = false;       ///< every send completes, whatever it says
    void* context = nullptr;       ///< ibv_qp::qp_context

    int access = 0;         ///< what a peer may do: IBV_ACCESS_REMOTE_WRITE, _READ, _ATOMIC
    std::uint8_t port = 0;  ///< 0: the one that the device was opened with
    std::uint16_t pkey_index = 0;
    std::optional<std::uint32_t> gid_index;  ///< none: OpenDevice::default_gid
    std::optional<ibv_mtu> mtu;              ///< none: the lower of both ports' active MTUs
    std::uint32_t psn = 0;                   ///< the first packet's sequence number, 24 bits
    std::uint32_t qkey =
        0x11111111;  ///< datagrams with another key are dropped. Not above 0x7fffffff: those are the kernel's
    std::uint8_t hop_limit = 64;
    std::uint8_t traffic_class = 0;  ///< DSCP and ECN, as in an IPv4 or IPv6 header
    std::uint8_t service_level = 0;
    /// 4.096 us * 2^timeout until an acknowledgement counts as lost: 14 is 67 ms. 0 waits for ever.
    std::uint8_t timeout = 14;
    std::uint8_t retry_count = 7;  ///< of lost packets, 0 to 7
    std::uint8_t rnr_retry = 7;    ///< when the peer has no receive posted; 7 tries for ever
    /// How long a peer waits before it tries again when no receive is posted here, in the code of ibv_modify_qp(3): 12
    /// is 0.64 ms. 0 is 655 ms and hardly what one wants.
    std::uint8_t min_rnr_timer = 12;
    std::uint8_t max_rd_atomic = 1;       ///< reads and atomics under way to the peer at once
    std::uint8_t max_dest_rd_atomic = 1;  ///< and from the peer
};

/// Move-only. Keeps its protection domain, completion queues and shared receive queue alive. Any number of threads may
/// post; one at a time changes its state. What was posted and not completed when it ends is gone, without completion.
class PKTVERBS_EXPORT QueuePair {
public:
    /// In INIT: receives can be posted, and nothing arrives yet.
    /// Throws std::system_error; EOPNOTSUPP for a type that the device does not have.
    QueuePair(ProtectionDomain pd, CompletionQueue send_cq, CompletionQueue recv_cq, const QueuePairOptions& options,
              std::optional<SharedReceiveQueue> srq = {});
    QueuePair(QueuePair&&) noexcept;
    QueuePair& operator=(QueuePair&&) noexcept;
    ~QueuePair();

    const ProtectionDomain& pd() const noexcept;
    const QueuePairOptions& options() const noexcept;
    std::uint32_t number() const noexcept { return raw()->qp_num; }
    /// What the device granted; at least what was asked for.
    const ibv_qp_cap& limits() const noexcept;

    /// What the peer needs for its connect(), or for datagrams to this one. Throws std::system_error.
    Endpoint endpoint() const;
    /// RC and UC: to RTR and RTS, talking to that peer, whose end does the same with endpoint(). Throws
    /// std::system_error; for a refused step the message tells which attributes were missing or not allowed.
    void connect(const Endpoint& peer);
    /// UD and raw packet, which have no peer: to RTR and RTS.
    void activate();
    /// Everything posted completes as flushed.
    void to_error();
    /// To RESET, which forgets what was posted, and INIT: connect() or activate() can begin again. Completions that are
    /// still in the completion queues stay there.
    void reset();
    ibv_qp_state state() const;

    /// Other changes: with the attributes that `mask` names. Throws like connect().
    void modify(ibv_qp_attr attr, int mask);
    ibv_qp_attr query(int mask) const;

    /// With one doorbell; what comes after a refused request is not posted. Don't throw.
    PostResult post_send(std::span<SendRequest> batch) noexcept;
    PostResult post_send(SendRequest& request) noexcept { return post_send(std::span{&request, 1}); }
    PostResult post_send(SendRequest&& request) noexcept { return post_send(request); }
    PostResult post_recv(std::span<RecvRequest> batch) noexcept;
    PostResult post_recv(RecvRequest& request) noexcept { return post_recv(std::span{&request, 1}); }
    PostResult post_recv(RecvRequest&& request) noexcept { return post_recv(request); }

    /// UD: takes datagrams to a multicast group as well, until leave() or the end. Throws std::system_error.
    void join(const Ipv6Address& group, std::uint16_t lid = 0);
    void leave(const Ipv6Address& group, std::uint16_t lid = 0);

    ibv_qp* raw() const noexcept;

private:
    struct State;
    std::unique_ptr<State> state_;
};

/// Makes queue pairs, step by step; one builder can make many. What isn't said is as QueuePairOptions has it.
class PKTVERBS_EXPORT QueuePairBuilder {
public:
    QueuePairBuilder(ProtectionDomain pd, ibv_qp_type type) : pd_{std::move(pd)} { options_.type = type; }

    /// One completion queue for both directions.
    QueuePairBuilder& completes_on(const CompletionQueue& cq) { return sends_complete_on(cq).receives_complete_on(cq); }
    QueuePairBuilder& sends_complete_on(const CompletionQueue& cq);
    QueuePairBuilder& receives_complete_on(const CompletionQueue& cq);
    /// Takes its receives from there.
    QueuePairBuilder& receives_from(const SharedReceiveQueue& srq);
    /// Work requests in each queue.
    QueuePairBuilder& depth(std::uint32_t send, std::uint32_t recv);
    /// Slices in each work request.
    QueuePairBuilder& slices(std::uint32_t send, std::uint32_t recv);
    QueuePairBuilder& max_inline(std::uint32_t bytes);
    /// What a peer may do, made of ibv_access_flags.
    QueuePairBuilder& access(int flags);
    /// Everything else, and all of the above, by name.
    QueuePairOptions& options() noexcept { return options_; }

    /// In INIT. Throws like QueuePair; std::invalid_argument if no completion queue was named.
    QueuePair create() const;

private:
    ProtectionDomain pd_;
    std::optional<CompletionQueue> send_cq_;
    std::optional<CompletionQueue> recv_cq_;
    std::optional<SharedReceiveQueue> srq_;
    QueuePairOptions options_;
};

}  // namespace pktverbs::verbs
