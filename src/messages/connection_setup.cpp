// SPDX-License-Identifier: Apache-2.0
// Connection: from an address or a request to an established connection.
#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include <pktverbs/verbs/error.hpp>

#include "base/utf8.hpp"
#include "messages/connection.hpp"
#include "messages/error.hpp"
#include "messages/hello.hpp"
#include "messages/messenger_state.hpp"

namespace pktverbs::messages {

namespace {

/// Whether it is safe to print on a terminal: UTF-8 without control characters, which include U+0080 to U+009F.
bool is_printable(std::string_view text) {
    while (!text.empty()) {
        const std::size_t length = utf8_length(text);
        const auto byte = [text](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
        if (length == 0 || byte(0) < ' ' || byte(0) == 0x7f) return false;
        if (length == 2 && byte(0) == 0xc2 && byte(1) < 0xa0) return false;
        text.remove_prefix(length);
    }
    return true;
}

/// The reason of a rejection by the peer or its kernel: the text in its private data, or the reason's number
/// (IB specification, vol. 1, 12.6.7.2).
std::string reason_for(const CmEvent& event) {
    constexpr int no_such_service = 8;
    constexpr int consumer = 28;
    const auto& data = event.private_data;
    const auto end = std::find(data.begin(), data.end(), std::uint8_t{0});
    const std::string text{data.begin(), end};
    if (!text.empty() && is_printable(text)) return "the peer's reason: " + text;
    if (event.status == no_such_service) return "no listener at this address";
    if (event.status == consumer) return "the peer rejected the connection";
    return fmt::format("rejected with reason {}", event.status);
}

}  // namespace

std::string Connection::connecting() const {
    return fmt::format("{} {}", is_passive_ ? "accept a connection from" : "connect to", peer_.to_string());
}

std::string Connection::about_peer(std::string_view verb) const {
    return fmt::format("{} {}", verb, peer_.to_string());
}

void Connection::connect(std::span<const Address> addresses) {
    if (addresses.empty()) verbs::throw_error(EDESTADDRREQ, "connect", "the list of addresses is empty");
    addresses_.assign(addresses.rbegin(), addresses.rend());
    connect_until_ = Clock::now() + options_.connect_timeout;
    for (;;) {
        try {
            return begin_attempt();
        } catch (const std::system_error&) {
            if (addresses_.empty()) throw;
        }
    }
}

void Connection::begin_attempt() {
    // Each address gets an equal share of the remaining time.
    const auto left = std::max<Clock::duration>(connect_until_ - Clock::now(), std::chrono::milliseconds{1});
    const auto share = left / addresses_.size();
    attempt_ms_ = static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(share).count());
    peer_ = addresses_.back();
    addresses_.pop_back();
    state_ = State::resolving_address;
    // Left over from an earlier attempt.
    post_error_ = 0;
    loss_ = nullptr;
    is_armed_ = false;
    peer_message_bytes_ = options_.assumed_peer_message_bytes;
    id_ = messenger_->make_id(*this);
    deadline_.call_after(share);
    check_cm({"resolve_addr", connecting()},
             [&] { return messenger_->manager().resolve_addr(id_.get(), nullptr, peer_.raw(), attempt_ms_); });
}

void Connection::try_next_address(std::exception_ptr failure) {
    while (!addresses_.empty() && Clock::now() < connect_until_) {
        try {
            discard_attempt();
            return begin_attempt();
        } catch (...) {
            failure = std::current_exception();
        }
    }
    fail(std::move(failure));
}

void Connection::on_setup_event(const CmEvent& event) {
    auto failure = caught([&] { take_setup_step(event); });
    if (failure && is_passive_) return fail(std::move(failure));
    if (failure) return try_next_address(std::move(failure));
    if (event.type == RDMA_CM_EVENT_CONNECT_RESPONSE && state_ == State::connecting) become_established();
}

void Connection::take_setup_step(const CmEvent& event) {
    // An event out of order would be a step of another attempt.
    switch (event.type) {
        case RDMA_CM_EVENT_ADDR_RESOLVED:
            if (state_ != State::resolving_address) return;
            state_ = State::resolving_route;
            return check_cm({"resolve_route", connecting()},
                            [&] { return messenger_->manager().resolve_route(id_.get(), attempt_ms_); });
        case RDMA_CM_EVENT_ROUTE_RESOLVED:
            if (state_ == State::resolving_route) request();
            return;
        case RDMA_CM_EVENT_CONNECT_RESPONSE:
            if (state_ == State::connecting) confirm(event.private_data);
            return;
        case RDMA_CM_EVENT_ADDR_ERROR:
            throw_cm_error(errno_of_status(event.status, EHOSTUNREACH), {"resolve_addr", connecting()});
        case RDMA_CM_EVENT_ROUTE_ERROR:
            throw_cm_error(errno_of_status(event.status, EHOSTUNREACH), {"resolve_route", connecting()});
        case RDMA_CM_EVENT_REJECTED:
            verbs::throw_error(ECONNREFUSED, connecting(), reason_for(event));
        case RDMA_CM_EVENT_UNREACHABLE:
            throw_cm_error(errno_of_status(event.status, ETIMEDOUT), {"connect", connecting()});
        case RDMA_CM_EVENT_CONNECT_ERROR:
            throw_cm_error(errno_of_status(event.status, ECONNABORTED), {"connect", connecting()});
        default:
            return;
    }
}

void Connection::request() {
    state_ = State::connecting;
    make_queue_pair();
    const auto hello = Hello{options_.message_bytes, options_.receives}.to_bytes();
    rdma_conn_param param = parameters(hello);
    check_cm({"connect", connecting()}, [&] { return messenger_->manager().connect(id_.get(), &param); });
}

void Connection::confirm(std::span<const std::uint8_t> private_data) {
    read_hello(private_data);
    step_queue_pair(IBV_QPS_RTR);
    step_queue_pair(IBV_QPS_RTS);
    check_cm({"establish", connecting()}, [&] { return messenger_->manager().establish(id_.get()); });
}

void Connection::accept(CmId id, std::span<const std::uint8_t> private_data) {
    is_passive_ = true;
    state_ = State::accepting;
    id_ = std::move(id);
    id_->context = static_cast<CmIdOwner*>(this);
    peer_ = Address{*rdma_get_peer_addr(id_.get())};
    read_hello(private_data);
    try {
        // Receives are posted before the answer goes out: the peer's first message must not wait for a receive.
        make_queue_pair();
        step_queue_pair(IBV_QPS_RTR);
        step_queue_pair(IBV_QPS_RTS);
        const auto hello = Hello{options_.message_bytes, options_.receives}.to_bytes();
        rdma_conn_param param = parameters(hello);
        check_cm({"accept", connecting()}, [&] { return messenger_->manager().accept(id_.get(), &param); });
        deadline_.call_after(options_.connect_timeout);
    } catch (...) {
        // Usually the peer has left meanwhile, which must not stop a server.
        failure_ = std::current_exception();
        messenger_->manager().reject(id_.get(), nullptr, 0);
        discard_attempt();
        needs_service();
    }
}

void Connection::fail_to_accept(const Address& peer, std::exception_ptr failure) noexcept {
    is_passive_ = true;
    state_ = State::accepting;
    peer_ = peer;
    failure_ = std::move(failure);
    needs_service();
}

void Connection::make_queue_pair() {
    device_ = &messenger_->device(*id_);
    device_->add_connection();
    const verbs::OpenDevice& device = device_->device();
    local_ = Address{*rdma_get_local_addr(id_.get())};
    pool_ = Pool::create(*this, *device_, options_);
    // One more: the probe.
    cq_.emplace(device,
                verbs::CompletionQueueOptions{
                    .entries = options_.receives + options_.sends + 1, .channel = device_->channel(), .context = this});
    verbs::QueuePairOptions options;
    options.max_send_wr = options_.sends + 1;
    options.max_recv_wr = options_.receives;
    options.port = id_->port_num;
    options.access = IBV_ACCESS_REMOTE_WRITE;
    qp_.emplace(device_->pd(), *cq_, *cq_, options);
    step_queue_pair(IBV_QPS_INIT);
    for (std::size_t i = 0; i < pool_->size(); ++i)
        if (pool_->buffer(i).home == Buffer::Home::receives) post_receive(pool_->buffer(i));
    if (post_error_ != 0) verbs::throw_error(post_error_, device.action("post_recv", "post receives"));
    arm();
}

void Connection::step_queue_pair(ibv_qp_state to) {
    ibv_qp_attr attr{};
    attr.qp_state = to;
    int mask = 0;
    check_cm({"init_qp_attr", connecting()},
             [&] { return messenger_->manager().init_qp_attr(id_.get(), &attr, &mask); });
    switch (to) {
        case IBV_QPS_INIT:
            // For the peer's probe, an empty write; no memory is registered for remote access.
            attr.qp_access_flags |= IBV_ACCESS_REMOTE_WRITE;
            break;
        case IBV_QPS_RTR:
            // The connection manager leaves it 0, which is 655 ms.
            attr.min_rnr_timer = options_.min_rnr_timer;
            mask |= IBV_QP_MIN_RNR_TIMER;
            break;
        default:
            attr.timeout = options_.ack_timeout;
            attr.retry_cnt = options_.retry_count;
            attr.rnr_retry = options_.rnr_retry;
            mask |= IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY;
    }
    qp_->modify(attr, mask);
}

void Connection::read_hello(std::span<const std::uint8_t> private_data) noexcept {
    if (const auto hello = Hello::from_bytes(private_data)) peer_message_bytes_ = hello->message_bytes;
}

rdma_conn_param Connection::parameters(const std::array<std::uint8_t, Hello::wire_bytes>& hello) const noexcept {
    rdma_conn_param param{};
    param.private_data = hello.data();
    param.private_data_len = static_cast<std::uint8_t>(hello.size());
    param.responder_resources = 1;
    param.initiator_depth = 1;
    param.retry_count = options_.retry_count;
    param.rnr_retry_count = options_.rnr_retry;
    param.qp_num = qp_->number();
    return param;
}

void Connection::become_established() {
    state_ = State::established;
    deadline_.cancel();
    if (options_.keepalive.count() > 0) keepalive_.call_after(options_.keepalive);
    while (!establishers_.empty()) messenger_->resume_soon(establishers_.front());
    needs_service();  // there may be messages to send
    if (socket_ && handlers_.established) handlers_.established(*socket_);
}

}  // namespace pktverbs::messages
