// SPDX-License-Identifier: Apache-2.0
// The part of QueuePair that builds work requests by ibv_qp_ex's functions (ibv_wr_post(3)).
#include <cerrno>

#include "soft/nic/queue_pair.hpp"

namespace pktverbs::soft {

template <class... Arguments>
void QueuePair::not_offered(ibv_qp_ex* qp, Arguments...) noexcept {
    of(qp).fail_building(EOPNOTSUPP);
}

// Drivers leave the functions for other transports null. Here each of them makes wr_complete fail.
void QueuePair::offer_send_ops(std::uint64_t operations) noexcept {
    operations_ = operations;
    wr_start = [](ibv_qp_ex* qp) { of(qp).start_building(); };
    wr_complete = [](ibv_qp_ex* qp) { return of(qp).complete_building(); };
    wr_abort = [](ibv_qp_ex* qp) {
        const std::lock_guard lock{of(qp).send_mutex_};
        of(qp).end_building();
    };
    wr_send = [](ibv_qp_ex* qp) { of(qp).begin_send(IBV_QP_EX_WITH_SEND); };
    wr_send_tso = [](ibv_qp_ex* qp, void* header, std::uint16_t header_bytes, std::uint16_t mss) {
        of(qp).begin_segments(header, header_bytes, mss);
    };
    wr_set_sge = [](ibv_qp_ex* qp, std::uint32_t lkey, std::uint64_t addr, std::uint32_t length) {
        const ibv_sge sge{addr, length, lkey};
        of(qp).set_sges(1, &sge);
    };
    wr_set_sge_list = [](ibv_qp_ex* qp, std::size_t count, const ibv_sge* sges) { of(qp).set_sges(count, sges); };
    wr_set_inline_data = [](ibv_qp_ex* qp, void* addr, std::size_t length) {
        const ibv_data_buf buffer{addr, length};
        of(qp).set_inline_data(1, &buffer);
    };
    wr_set_inline_data_list = [](ibv_qp_ex* qp, std::size_t count, const ibv_data_buf* buffers) {
        of(qp).set_inline_data(count, buffers);
    };
    wr_atomic_cmp_swp = not_offered;
    wr_atomic_fetch_add = not_offered;
    wr_atomic_write = not_offered;
    wr_bind_mw = not_offered;
    wr_local_inv = not_offered;
    wr_rdma_read = not_offered;
    wr_rdma_write = not_offered;
    wr_rdma_write_imm = not_offered;
    wr_send_imm = not_offered;
    wr_send_inv = not_offered;
    wr_set_ud_addr = not_offered;
    wr_set_xrc_srqn = not_offered;
}

void QueuePair::start_building() noexcept {
    std::unique_lock lock{send_mutex_};
    built_.wait(lock, [this] { return !building_; });
    building_ = true;
    built_count_ = 0;
    build_error_ = 0;
}

void QueuePair::fail_building(int error) noexcept {
    if (build_error_ == 0) build_error_ = error;
}

bool QueuePair::begin_send(std::uint64_t operation) noexcept {
    if ((operations_ & operation) == 0) fail_building(EOPNOTSUPP);
    const std::uint32_t index = send_posted_ + built_count_;
    if (index - send_source_.reclaimed.load(std::memory_order_acquire) >= cap_.max_send_wr) fail_building(ENOMEM);
    if (build_error_ != 0) return false;
    send_entries_[index] = {.wr_id = wr_id,
                            .length = 0,
                            .mss = 0,
                            .sge_count = 0,
                            .signalled = signal_all_ || (wr_flags & IBV_SEND_SIGNALED) != 0,
                            .inlined = false,
                            .checksums = (wr_flags & IBV_SEND_IP_CSUM) != 0};
    ++built_count_;
    return true;
}

void QueuePair::begin_segments(const void* header, std::uint16_t header_bytes, std::uint16_t mss) noexcept {
    if (!begin_send(IBV_QP_EX_WITH_TSO)) return;
    const std::uint32_t index = send_posted_ + built_count_ - 1;
    if (const int error = send_entries_.set_segmentation(index, header, header_bytes, mss)) fail_building(error);
}

void QueuePair::set_sges(std::size_t count, const ibv_sge* sges) noexcept {
    if (built_count_ == 0 || count > cap_.max_send_sge) fail_building(EINVAL);
    if (build_error_ != 0) return;
    const std::uint32_t index = send_posted_ + built_count_ - 1;
    if (const int error = send_entries_.set_sges(index, {sges, count})) fail_building(error);
}

void QueuePair::set_inline_data(std::size_t count, const ibv_data_buf* buffers) noexcept {
    if (built_count_ == 0) fail_building(EINVAL);
    if (build_error_ != 0) return;
    const std::uint32_t index = send_posted_ + built_count_ - 1;
    if (const int error = send_entries_.set_inline_data(index, {buffers, count})) fail_building(error);
}

int QueuePair::complete_building() noexcept {
    const std::lock_guard lock{send_mutex_};
    if (const int error = may_post_send()) fail_building(error);
    if (build_error_ == 0) send_posted_ += built_count_;
    const int error = build_error_;
    end_building();
    if (error == 0) transmit();
    return error;
}

// With the send side locked.
void QueuePair::end_building() noexcept {
    building_ = false;
    built_.notify_all();
}

}  // namespace pktverbs::soft
