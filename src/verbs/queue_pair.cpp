// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/verbs/queue_pair.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <string>
#include <vector>

#include <pktverbs/verbs/address_handle.hpp>
#include <pktverbs/verbs/gid.hpp>
#include <pktverbs/verbs/handle.hpp>

#include "verbs/post_result.hpp"
#include "verbs/qp_transition.hpp"
#include "verbs/queue_pair_steps.hpp"

namespace pktverbs::verbs {

namespace {

struct Group {
    Ipv6Address gid;
    std::uint16_t lid;
    friend bool operator==(const Group&, const Group&) = default;
};

constexpr std::uint32_t max_psn = 0xffffff;

/// error_hint() is about raw packets.
std::string create_hint(const Device& device, ibv_qp_type type, int error) {
    const bool unsupported = error == EOPNOTSUPP || error == ENOSYS;
    if (type == IBV_QPT_RAW_PACKET && unsupported && !device.alternative.empty())
        return fmt::format("this device has no raw packet queue pairs: open the soft device {}", device.alternative);
    if (type == IBV_QPT_RAW_PACKET) return std::string{error_hint("create_qp", error)};
    if (unsupported) return "this device has none of that type: soft devices have raw packet ones only";
    if (error == EINVAL || error == ENOMEM)
        return "more work requests, slices or bytes inline than the device grants: ask for less, or make fewer";
    return {};
}

}  // namespace

/// Members are in creation order.
struct __attribute__((visibility("hidden"))) QueuePair::State {
    State(ProtectionDomain domain, CompletionQueue send, CompletionQueue recv, const QueuePairOptions& wanted,
          std::optional<SharedReceiveQueue> shared)
        : pd{std::move(domain)},
          send_cq{std::move(send)},
          recv_cq{std::move(recv)},
          srq{std::move(shared)},
          options{wanted} {}
    ~State() {
        // The kernel does not destroy a queue pair that is in a group (ib_uverbs_destroy_qp: EBUSY).
        for (const Group& group : groups) {
            const ibv_gid gid = to_gid(group.gid);
            device().provider().detach_mcast(qp.get(), &gid, group.lid);
        }
    }
    State(const State&) = delete;
    State& operator=(const State&) = delete;

    const OpenDevice& device() const noexcept { return pd.device(); }
    std::uint8_t port() const noexcept { return options.port != 0 ? options.port : device().device().port; }
    std::uint32_t gid_index() const {
        return options.gid_index ? *options.gid_index : device().default_gid(port()).index;
    }
    ibv_mtu mtu() const { return options.mtu ? *options.mtu : device().port(port()).active_mtu; }

    ProtectionDomain pd;
    CompletionQueue send_cq;
    CompletionQueue recv_cq;
    std::optional<SharedReceiveQueue> srq;
    QueuePairOptions options;
    ibv_qp_cap limits{};
    QpHandle qp;
    std::vector<Group> groups;
};

QueuePair::QueuePair(ProtectionDomain pd, CompletionQueue send_cq, CompletionQueue recv_cq,
                     const QueuePairOptions& options, std::optional<SharedReceiveQueue> srq)
    : state_{std::make_unique<State>(std::move(pd), std::move(send_cq), std::move(recv_cq), options, std::move(srq))} {
    State& state = *state_;
    const OpenDevice& device = state.device();
    ibv_qp_init_attr attr{};
    attr.qp_context = options.context;
    attr.send_cq = state.send_cq.raw();
    attr.recv_cq = state.recv_cq.raw();
    attr.srq = state.srq ? state.srq->raw() : nullptr;
    attr.cap = {.max_send_wr = options.max_send_wr,
                .max_recv_wr = state.srq ? 0 : options.max_recv_wr,
                .max_send_sge = options.max_send_sge,
                .max_recv_sge = state.srq ? 0 : options.max_recv_sge,
                .max_inline_data = options.max_inline};
    attr.qp_type = options.type;
    attr.sq_sig_all = options.signal_all ? 1 : 0;
    const std::string what = fmt::format("create {} queue pair on {}", name_of(options.type), device.device().name);
    if (options.psn > max_psn) throw_error(EINVAL, what, "psn has more than 24 bits");
    // The kernel identifies them by numbers, which denote other objects, or none, on another device.
    const ibv_context* const own = device.raw();
    if (attr.send_cq->context != own || attr.recv_cq->context != own || (attr.srq && attr.srq->context != own))
        throw_error(EINVAL, what, "its completion queues or shared receive queue were opened with another device");
    errno = 0;
    state.qp = QpHandle{device.provider().create_qp(state.pd.raw(), &attr), {&device.provider()}};
    if (!state.qp) {
        const int error = errno != 0 ? errno : EIO;
        throw_error(error, what, create_hint(device.device(), options.type, error));
    }
    state.limits = attr.cap;
    reset();
}

QueuePair::QueuePair(QueuePair&&) noexcept = default;
QueuePair& QueuePair::operator=(QueuePair&&) noexcept = default;
QueuePair::~QueuePair() = default;

const ProtectionDomain& QueuePair::pd() const noexcept { return state_->pd; }
const QueuePairOptions& QueuePair::options() const noexcept { return state_->options; }
const ibv_qp_cap& QueuePair::limits() const noexcept { return state_->limits; }
ibv_qp* QueuePair::raw() const noexcept { return state_->qp.get(); }

Endpoint QueuePair::endpoint() const {
    const State& state = *state_;
    const OpenDevice& device = state.device();
    const ibv_port_attr port = device.port(state.port());
    Endpoint endpoint;
    ibv_gid gid{};
    check_result(device.action("query_gid", "read a GID of"), [&] {
        return device.provider().query_gid(device.raw(), state.port(), static_cast<int>(state.gid_index()), &gid);
    });
    endpoint.gid = to_address(gid);
    endpoint.queue_pair = number();
    endpoint.psn = state.options.psn;
    endpoint.qkey = state.options.qkey;
    endpoint.lid = port.lid;
    endpoint.mtu = state.mtu();
    return endpoint;
}

void QueuePair::connect(const Endpoint& peer) {
    const State& state = *state_;
    const QueuePairOptions& options = state.options;
    const bool reliable = options.type == IBV_QPT_RC;
    if (!reliable && options.type != IBV_QPT_UC)
        throw_error(EINVAL, fmt::format("connect {} queue pair", name_of(options.type)),
                    "it has no peer: activate() it");
    AddressOptions address;
    address.gid = peer.gid;
    address.gid_index = state.gid_index();
    address.port = state.port();
    address.lid = peer.lid;
    address.hop_limit = options.hop_limit;
    address.traffic_class = options.traffic_class;
    address.service_level = options.service_level;

    ibv_qp_attr attr{};
    attr.qp_state = IBV_QPS_RTR;
    attr.path_mtu = std::min(state.mtu(), peer.mtu);
    attr.dest_qp_num = peer.queue_pair;
    attr.rq_psn = peer.psn;
    attr.max_dest_rd_atomic = options.max_dest_rd_atomic;
    attr.min_rnr_timer = options.min_rnr_timer;
    attr.ah_attr = address.to_attr();
    constexpr int unreliable_peer = IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN;
    constexpr int reliable_peer = IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER;
    modify(attr, unreliable_peer | (reliable ? reliable_peer : 0));

    attr.qp_state = IBV_QPS_RTS;
    attr.sq_psn = options.psn;
    attr.timeout = options.timeout;
    attr.retry_cnt = options.retry_count;
    attr.rnr_retry = options.rnr_retry;
    attr.max_rd_atomic = options.max_rd_atomic;
    constexpr int reliable_send = IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_MAX_QP_RD_ATOMIC;
    modify(attr, IBV_QP_STATE | IBV_QP_SQ_PSN | (reliable ? reliable_send : 0));
}

void QueuePair::activate() {
    const QueuePairOptions& options = state_->options;
    if (options.type != IBV_QPT_UD && options.type != IBV_QPT_RAW_PACKET)
        throw_error(EINVAL, fmt::format("activate {} queue pair", name_of(options.type)),
                    "it needs a peer: connect() it");
    ibv_qp_attr attr{};
    attr.qp_state = IBV_QPS_RTR;
    modify(attr, IBV_QP_STATE);
    attr.qp_state = IBV_QPS_RTS;
    attr.sq_psn = options.psn;
    modify(attr, options.type == IBV_QPT_UD ? IBV_QP_STATE | IBV_QP_SQ_PSN : IBV_QP_STATE);
}

void QueuePair::to_error() {
    ibv_qp_attr attr{};
    attr.qp_state = IBV_QPS_ERR;
    modify(attr, IBV_QP_STATE);
}

void QueuePair::reset() {
    const QueuePairOptions& options = state_->options;
    ibv_qp_attr attr{};
    if (raw()->state != IBV_QPS_RESET) {
        attr.qp_state = IBV_QPS_RESET;
        modify(attr, IBV_QP_STATE);
    }
    attr.qp_state = IBV_QPS_INIT;
    attr.pkey_index = options.pkey_index;
    attr.port_num = state_->port();
    attr.qkey = options.qkey;
    attr.qp_access_flags = static_cast<unsigned>(options.access);
    int mask = IBV_QP_STATE | IBV_QP_PORT;
    if (options.type != IBV_QPT_RAW_PACKET) mask |= IBV_QP_PKEY_INDEX;
    if (options.type == IBV_QPT_UD) mask |= IBV_QP_QKEY;
    if (options.type == IBV_QPT_RC || options.type == IBV_QPT_UC) mask |= IBV_QP_ACCESS_FLAGS;
    modify(attr, mask);
}

ibv_qp_attr QueuePair::query(int mask) const { return query_queue_pair(Port::of(state_->device()), *raw(), mask); }

ibv_qp_state QueuePair::state() const { return query(IBV_QP_STATE).qp_state; }

void QueuePair::modify(ibv_qp_attr attr, int mask) {
    const ibv_qp_type type = state_->options.type;
    const std::string what = (mask & IBV_QP_STATE) != 0
                                 ? fmt::format("bring {} queue pair to {}", name_of(type), name_of(attr.qp_state))
                                 : fmt::format("change {} queue pair", name_of(type));
    modify_queue_pair(Port::of(state_->device()), *raw(), type, attr, mask, what);
}

PostResult QueuePair::post_send(std::span<SendRequest> batch) noexcept {
    if (batch.empty()) return {};
    for (std::size_t i = 0; i < batch.size(); ++i) {
        SendRequest& request = batch[i];
        request.wr_.sg_list = request.slices_.raw();
        request.wr_.num_sge = request.slices_.size();
        request.wr_.next = i + 1 < batch.size() ? &batch[i + 1].wr_ : nullptr;
    }
    ibv_send_wr* refused = nullptr;
    const int error = ibv_post_send(raw(), &batch.front().wr_, &refused);
    return post_result(batch, error, refused);
}

PostResult QueuePair::post_recv(std::span<RecvRequest> batch) noexcept {
    if (batch.empty()) return {};
    ibv_recv_wr* refused = nullptr;
    const int error = ibv_post_recv(raw(), RecvRequest::chain(batch), &refused);
    return post_result(batch, error, refused);
}

void QueuePair::join(const Ipv6Address& group, std::uint16_t lid) {
    const OpenDevice& device = state_->device();
    state_->groups.push_back({group, lid});
    const ibv_gid gid = to_gid(group);
    const std::string what = fmt::format("join the group {}", group.to_string());
    try {
        check_result(device.action("attach_mcast", what),
                     [&] { return device.provider().attach_mcast(raw(), &gid, lid); });
    } catch (...) {
        state_->groups.pop_back();
        throw;
    }
}

void QueuePair::leave(const Ipv6Address& group, std::uint16_t lid) {
    const OpenDevice& device = state_->device();
    const ibv_gid gid = to_gid(group);
    const std::string what = fmt::format("leave the group {}", group.to_string());
    check_result(device.action("detach_mcast", what), [&] { return device.provider().detach_mcast(raw(), &gid, lid); });
    auto& groups = state_->groups;
    if (const auto at = std::find(groups.begin(), groups.end(), Group{group, lid}); at != groups.end())
        groups.erase(at);
}

QueuePairBuilder& QueuePairBuilder::sends_complete_on(const CompletionQueue& cq) {
    send_cq_ = cq;
    return *this;
}

QueuePairBuilder& QueuePairBuilder::receives_complete_on(const CompletionQueue& cq) {
    recv_cq_ = cq;
    return *this;
}

QueuePairBuilder& QueuePairBuilder::receives_from(const SharedReceiveQueue& srq) {
    srq_ = srq;
    return *this;
}

QueuePairBuilder& QueuePairBuilder::depth(std::uint32_t send, std::uint32_t recv) {
    options_.max_send_wr = send;
    options_.max_recv_wr = recv;
    return *this;
}

QueuePairBuilder& QueuePairBuilder::slices(std::uint32_t send, std::uint32_t recv) {
    options_.max_send_sge = send;
    options_.max_recv_sge = recv;
    return *this;
}

QueuePairBuilder& QueuePairBuilder::max_inline(std::uint32_t bytes) {
    options_.max_inline = bytes;
    return *this;
}

QueuePairBuilder& QueuePairBuilder::access(int flags) {
    options_.access = flags;
    return *this;
}

QueuePair QueuePairBuilder::create() const {
    if (!send_cq_ || !recv_cq_)
        throw std::invalid_argument{"a queue pair needs a completion queue for sends and one for receives"};
    return QueuePair{pd_, *send_cq_, *recv_cq_, options_, srq_};
}

}  // namespace pktverbs::verbs
