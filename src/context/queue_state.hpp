// SPDX-License-Identifier: Apache-2.0
// QueueState: what is behind every Queue: its queue pair, and a receive and a send side.
#pragma once

#include <infiniband/verbs.h>

#include <cstdint>
#include <optional>
#include <string_view>

#include <pktverbs/queue.hpp>
#include <pktverbs/verbs/handle.hpp>

#include "context/queue_setup.hpp"
#include "context/queue_status.hpp"
#include "context/recv_group.hpp"
#include "context/recv_side.hpp"
#include "context/send_side.hpp"

namespace pktverbs {

/// Every Queue is the base of one of these.
class QueueState final : public Queue {
public:
    /// Makes the queue pair and brings it to work, with every receive packet posted. Throws std::system_error.
    QueueState(Core& owner, const QueueSetup& setup);
    ~QueueState() { close(); }

    static QueueState& of(Queue& queue) noexcept { return static_cast<QueueState&>(queue); }
    static const QueueState& of(const Queue& queue) noexcept { return static_cast<const QueueState&>(queue); }

    /// Destroys the verbs objects and leaves the memory. No thread may be returning packets.
    void close() noexcept;
    /// See Queue::recover().
    void recover();

    /// Marks the queue if this event of the device concerns it, and ends its waits.
    void note(const ibv_async_event& event) noexcept;
    /// Marks both sides: nothing is received or sent any more.
    void device_failed() noexcept;

    ibv_qp* qp() const noexcept { return qp_.get(); }
    ibv_wq* wq() const noexcept { return wq_.get(); }
    /// Packets in lists of the user.
    std::uint32_t held() const noexcept { return recv_side.held() + send_side.held(); }

    Core& core;
    Limits limits;
    QueueStatus status;
    RecvSide recv_side;
    SendSide send_side;
    std::optional<RecvGroup> receiver;  ///< of this queue alone

private:
    void open(const QueueSetup& setup);
    void open_work_queue(const QueueSetup& setup);
    void open_queue_pair(const QueueSetup& setup);
    void step(ibv_qp_state to, int with, std::string_view what);
    void start();
    void collect();

    const verbs::Port port_;
    const std::uint8_t port_number_;
    const Transport transport_;
    const std::uint32_t qkey_;
    verbs::WqHandle wq_;  ///< receives, with RSS
    verbs::QpHandle qp_;  ///< sends, and receives without RSS; none if it would do neither
};

}  // namespace pktverbs
