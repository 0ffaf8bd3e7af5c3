// SPDX-License-Identifier: Apache-2.0
#include "context/queue_state.hpp"

#include <pktverbs/format.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <memory>
#include <string>
#include <system_error>

#include "base/deadline.hpp"
#include "context/core.hpp"
#include "verbs/queue_pair_steps.hpp"

namespace pktverbs {

namespace {

constexpr std::uint32_t min_packets = 16;  ///< below this, device_maximum gives up

/// The number of packets that is asked for.
std::uint32_t asked(std::uint32_t count, std::uint32_t limit, std::string_view side, const std::string& device) {
    if (count == device_maximum) return limit;
    if (count > limit)
        verbs::throw_message(EINVAL, fmt::format("cannot have {} {} packets per queue on {}: it grants at most {}",
                                                 count, side, device, limit));
    return count;
}

/// For device_maximum: comes down by half. Returns false if that would leave too few.
bool halve(std::uint32_t asked_for, std::uint32_t& count) noexcept {
    if (asked_for == device_maximum) count /= 2;
    return asked_for != device_maximum || count >= min_packets;
}

/// The extended verb only where something needs it: not every driver has it.
ibv_qp* create_queue_pair(const QueueSetup& setup, ibv_qp_init_attr& attr) {
    const verbs::Port& port = setup.port;
    std::uint32_t flags = 0;
    if (attr.cap.max_recv_wr != 0 && setup.device_strips_vlan()) flags |= IBV_QP_CREATE_CVLAN_STRIPPING;
    if (attr.cap.max_recv_wr != 0 && setup.offloads.by.scatter_fcs) flags |= IBV_QP_CREATE_SCATTER_FCS;
    const bool segments = attr.cap.max_send_wr != 0 && setup.offloads.max_tso != 0;
    if (flags == 0 && !segments) return port.provider.create_qp(port.domain, &attr);
    ibv_qp_init_attr_ex extended{};
    extended.send_cq = attr.send_cq;
    extended.recv_cq = attr.recv_cq;
    extended.cap = attr.cap;
    extended.qp_type = attr.qp_type;
    extended.comp_mask = IBV_QP_INIT_ATTR_PD;
    extended.pd = port.domain;
    if (flags != 0) extended.comp_mask |= IBV_QP_INIT_ATTR_CREATE_FLAGS;
    extended.create_flags = flags;
    if (segments) extended.comp_mask |= IBV_QP_INIT_ATTR_MAX_TSO_HEADER;
    if (segments) extended.max_tso_header = SendOffloads::max_header;
    ibv_qp* const made = port.provider.create_qp_ex(port.context, &extended);
    attr.cap = extended.cap;
    return made;
}

[[noreturn]] void refuse_queue_pair(const QueueSetup& setup, int reason) {
    const std::string what = fmt::format("create a {} queue pair", setup.options.transport);
    const std::string& instead = setup.device.alternative;
    if (reason == EOPNOTSUPP || reason == ENOSYS) {
        if (setup.is_datagram())
            verbs::throw_error(reason, fmt::format("{} on {}", what, setup.device.name),
                               "it has none: use raw packets, or an RDMA device");
        if (!instead.empty())
            verbs::throw_error(reason, fmt::format("{} on {}", what, setup.device.name),
                               fmt::format("it has none, as SoftRoCE has none: use the soft device {}", instead));
    }
    verbs::throw_error(reason, setup.port.action("create_qp", what));
}

}  // namespace

QueueState::QueueState(Core& owner, const QueueSetup& setup)
    : core{owner},
      limits{setup.limits},
      status{owner},
      recv_side{setup, status, *this},
      send_side{setup, status, *this},
      port_{setup.port},
      port_number_{setup.device.port},
      transport_{setup.options.transport},
      qkey_{setup.options.qkey} {
    const Options& options = setup.options;
    const std::string& name = setup.device.name;
    limits.recv_packets = asked(options.recv_packets, setup.max_work_requests, "receive", name);
    limits.send_packets = asked(options.send_packets, setup.max_work_requests, "send", name);
    // For device_maximum the attributes are only an upper bound (ibv_query_device(3)): come down to what it takes.
    for (;;) {
        try {
            open(setup);
            break;
        } catch (const std::system_error& failure) {
            const bool flexible = options.recv_packets == device_maximum || options.send_packets == device_maximum;
            const int reason = failure.code().value();
            if (!flexible || (reason != ENOMEM && reason != EINVAL)) throw;
            if (!halve(options.recv_packets, limits.recv_packets)) throw;
            if (!halve(options.send_packets, limits.send_packets)) throw;
            close();
        }
    }
    limits.max_batch = options.max_batch != 0 ? options.max_batch : std::max(limits.recv_packets / 2, 1U);
    recv_side.set_max_batch(limits.max_batch, options.max_batch == 0);
    // By default a quarter of the packets, so that completions free some while others are still in flight; more than
    // 16 saves nothing that can be measured.
    limits.signal_every = options.signal_every != 0 ? options.signal_every : std::min(limits.send_packets / 4, 16U);
    limits.signal_every = std::clamp(limits.signal_every, 1U, std::max(limits.send_packets, 1U));
    send_side.set_signal_every(limits.signal_every);
    limits.timestamps = recv_side.has_timestamps();
    if (limits.timestamps) limits.timestamp_clock = setup.device.timestamp_clock;
    limits.buffer_bytes = recv_side.own_bytes() + send_side.own_bytes();
    std::vector<RecvSide*> sides;
    if (limits.recv_packets != 0) sides.push_back(&recv_side);
    receiver.emplace(setup.events, WaitStrategy{options.wait, options.spin}, std::move(sides));
    start();
}

void QueueState::open(const QueueSetup& setup) {
    recv_side.open(setup, limits.recv_packets);
    send_side.open(setup, limits.send_packets);
    if (setup.by_work_queue) open_work_queue(setup);
    if (!setup.by_work_queue || limits.send_packets != 0) open_queue_pair(setup);
}

void QueueState::open_work_queue(const QueueSetup& setup) {
    const verbs::Port& port = setup.port;
    ibv_wq_init_attr attr{};
    attr.wq_type = IBV_WQT_RQ;
    attr.max_wr = limits.recv_packets;
    attr.max_sge = static_cast<std::uint32_t>(QueueSetup::chunks(setup.options.recv_layout));
    attr.pd = port.domain;
    attr.cq = recv_side.completions().queue();
    if (setup.device_strips_vlan()) attr.create_flags |= IBV_WQ_FLAGS_CVLAN_STRIPPING;
    if (setup.offloads.by.scatter_fcs) attr.create_flags |= IBV_WQ_FLAGS_SCATTER_FCS;
    if (attr.create_flags != 0) attr.comp_mask |= IBV_WQ_INIT_ATTR_FLAGS;
    wq_ = verbs::WqHandle{verbs::check_pointer(port.action("create_wq", "create a work queue"),
                                               [&] { return port.provider.create_wq(port.context, &attr); }),
                          {&port.provider}};
    recv_side.receive_from(wq_.get());
    limits.recv_depth = attr.max_wr;
    if (limits.recv_depth < limits.recv_packets)
        verbs::throw_message(ENOMEM, fmt::format("cannot create a work queue on {}: it grants {} work requests, not {} "
                                                 "(ask for fewer packets)",
                                                 setup.device.name, limits.recv_depth, limits.recv_packets));
}

void QueueState::open_queue_pair(const QueueSetup& setup) {
    const Options& options = setup.options;
    const std::uint32_t receives = setup.by_work_queue ? 0 : limits.recv_packets;
    ibv_cq* const recv_cq = recv_side.completions().queue();
    ibv_cq* const send_cq = send_side.completions().queue();
    ibv_qp_init_attr attr{};
    // Verbs want two completion queues, also where one side has nothing to complete.
    attr.send_cq = send_cq ? send_cq : recv_cq;
    attr.recv_cq = receives != 0 ? recv_cq : send_cq;
    const std::uint32_t sends = limits.send_packets + send_side.extra_work_requests();
    attr.cap.max_send_wr = sends;
    attr.cap.max_recv_wr = receives;
    if (sends != 0) attr.cap.max_send_sge = static_cast<std::uint32_t>(QueueSetup::chunks(options.send_layout));
    if (send_side.rewrites_headers()) ++attr.cap.max_send_sge;
    attr.cap.max_recv_sge = receives == 0         ? 0
                            : setup.is_datagram() ? 2
                                                  : static_cast<std::uint32_t>(QueueSetup::chunks(options.recv_layout));
    attr.cap.max_inline_data = options.max_inline;
    attr.qp_type = setup.is_datagram() ? IBV_QPT_UD : IBV_QPT_RAW_PACKET;
    errno = 0;
    qp_ = verbs::QpHandle{create_queue_pair(setup, attr), {&setup.port.provider}};
    if (!qp_) refuse_queue_pair(setup, errno != 0 ? errno : EIO);
    limits.max_inline = options.max_inline == 0 ? 0 : attr.cap.max_inline_data;
    if (!setup.by_work_queue) limits.recv_depth = receives == 0 ? 0 : attr.cap.max_recv_wr;
    limits.send_depth = limits.send_packets == 0 ? 0 : attr.cap.max_send_wr;
    recv_side.receive_from(qp_.get());
    send_side.send_through(qp_.get(), limits.max_inline);
    if (limits.recv_depth < limits.recv_packets || limits.send_depth < sends)
        verbs::throw_message(ENOMEM, fmt::format("cannot create a {} queue pair on {}: it grants {} receive and "
                                                 "{} send work requests, not {} and {} (ask for fewer packets)",
                                                 transport_, setup.device.name, limits.recv_depth, limits.send_depth,
                                                 limits.recv_packets, sends));
}

void QueueState::close() noexcept {
    if (receiver) receiver->close();
    qp_.reset();
    wq_.reset();
    send_side.close();
    recv_side.close();
}

void QueueState::step(ibv_qp_state to, int with, std::string_view what) {
    ibv_qp_attr attr{};
    attr.qp_state = to;
    attr.port_num = port_number_;
    attr.qkey = qkey_;
    verbs::modify_queue_pair(port_, *qp_, transport_ == Transport::datagram ? IBV_QPT_UD : IBV_QPT_RAW_PACKET, attr,
                             IBV_QP_STATE | with, what);
}

void QueueState::start() {
    const bool datagram = transport_ == Transport::datagram;
    if (wq_) verbs::step_work_queue(port_, *wq_, IBV_WQS_RDY, "bring a work queue to RDY");
    if (qp_) {
        step(IBV_QPS_INIT, datagram ? IBV_QP_PORT | IBV_QP_PKEY_INDEX | IBV_QP_QKEY : IBV_QP_PORT,
             "bring a queue pair to INIT");
        step(IBV_QPS_RTR, 0, "bring a queue pair to RTR");
        if (limits.send_packets != 0) step(IBV_QPS_RTS, datagram ? IBV_QP_SQ_PSN : 0, "bring a queue pair to RTS");
    }
    recv_side.post_all(port_);
}

void QueueState::recover() {
    const ThreadCheckScope receiving{recv_side.thread_check()};
    const ThreadCheckScope sending{send_side.thread_check()};
    const auto release = [](RecvSide* side) { side->hold_returns(false); };
    recv_side.hold_returns(true);
    std::unique_ptr<RecvSide, decltype(release)> held{&recv_side, release};
    // From RESET, where an earlier try can have ended, there is no step to ERR, and nothing to collect.
    const bool stops_wq = wq_ && wq_->state != IBV_WQS_RESET;
    const bool stops_qp = qp_ && verbs::query_queue_pair(port_, *qp_, IBV_QP_STATE).qp_state != IBV_QPS_RESET;
    if (stops_wq) verbs::step_work_queue(port_, *wq_, IBV_WQS_ERR, "bring a work queue to ERR");
    if (stops_qp) step(IBV_QPS_ERR, 0, "bring a queue pair to ERR");
    if (stops_wq || stops_qp) {
        status.in_error = true;  // until all is done: a receiver must not wait for a queue pair that does not receive
        collect();
    }
    if (stops_wq) verbs::step_work_queue(port_, *wq_, IBV_WQS_RESET, "reset a work queue");
    if (stops_qp) step(IBV_QPS_RESET, 0, "reset a queue pair");
    send_side.forget_in_flight();
    start();
    status.in_error = false;
    recv_side.completions().set_error(0);
    send_side.completions().set_error(0);
    held.reset();
    recv_side.post_pending();  // what came back meanwhile
}

/// Everything posted completes now, as flushed if nothing else.
void QueueState::collect() {
    for (const Deadline deadline{std::chrono::seconds{1}};;) {
        const bool received = recv_side.collect();
        if (send_side.collect() && received) return;
        if (deadline.passed()) verbs::throw_error(ETIMEDOUT, port_.action("poll_cq", "flush a queue pair"));
    }
}

void QueueState::note(const ibv_async_event& event) noexcept {
    const auto& of = event.element;
    switch (event.event_type) {
        case IBV_EVENT_DEVICE_FATAL:
            device_failed();
            break;
        case IBV_EVENT_QP_FATAL:
            if (qp_ && of.qp == qp_.get()) status.in_error = true;
            break;
        case IBV_EVENT_WQ_FATAL:
            if (wq_ && of.wq == wq_.get()) status.in_error = true;
            break;
        case IBV_EVENT_CQ_ERR:
            if (of.cq == recv_side.completions().queue()) recv_side.completions().set_error(EIO);
            if (of.cq == send_side.completions().queue()) send_side.completions().set_error(EIO);
            break;
        default:
            break;
    }
    receiver->wake().set();
    send_side.wake();
}

void QueueState::device_failed() noexcept {
    recv_side.completions().set_error(EIO);
    send_side.completions().set_error(EIO);
}

}  // namespace pktverbs
