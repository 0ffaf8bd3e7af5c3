// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/verbs/completion_queue.hpp>

#include <fmt/core.h>

#include <cerrno>
#include <string_view>

#include "verbs/completion_objects.hpp"
#include "verbs/completion_queue_state.hpp"

namespace pktverbs::verbs {

CompletionQueue::CompletionQueue(const OpenDevice& device, const CompletionQueueOptions& options)
    : state_{std::make_shared<State>(device)} {
    State& state = *state_;
    state.channel = options.channel;
    state.user_context = options.context;
    ibv_comp_channel* const channel = options.channel ? options.channel->raw() : nullptr;
    constexpr std::string_view what = "create a completion queue";
    const Port port = Port::of(device);
    if (channel && channel->context != device.raw())
        throw_error(EINVAL, "create a completion queue on " + device.device().name,
                    "its channel was opened with another device");
    ibv_cq_init_attr_ex attr{};
    attr.cqe = options.entries;
    attr.cq_context = &state;
    attr.channel = channel;
    attr.comp_vector = static_cast<std::uint32_t>(options.comp_vector);
    attr.wc_flags = std::uint64_t{IBV_WC_STANDARD_FLAGS} | IBV_WC_EX_WITH_COMPLETION_TIMESTAMP;
    if (options.extended && device.extended_polling_works())
        state.extended = make_extended_completion_queue(port, attr, what);
    state.cq = state.extended ? CqHandle{ibv_cq_ex_to_cq(state.extended), {&port.provider}}
                              : make_completion_queue(port, attr, what);
}

const OpenDevice& CompletionQueue::device() const noexcept { return state_->device; }
bool CompletionQueue::is_extended() const noexcept { return state_->extended != nullptr; }
std::uint32_t CompletionQueue::capacity() const noexcept { return static_cast<std::uint32_t>(raw()->cqe); }
int CompletionQueue::error() const noexcept { return state_->error; }
ibv_cq* CompletionQueue::raw() const noexcept { return state_->cq.get(); }

void CompletionQueue::resize(std::uint32_t entries) {
    const OpenDevice& on = state_->device;
    check_result(on.action("resize_cq", "resize a completion queue"),
                 [&] { return on.provider().resize_cq(raw(), static_cast<int>(entries)); });
}

void CompletionQueue::arm(bool only_solicited) {
    check_result(state_->device.action("req_notify_cq", "arm a completion queue"),
                 [&] { return ibv_req_notify_cq(raw(), only_solicited ? 1 : 0); });
}

std::size_t CompletionQueue::take(ibv_wc* wcs, std::uint64_t* ticks, std::size_t most) noexcept {
    State& state = *state_;
    if (!state.extended) {
        const int got = ibv_poll_cq(state.cq.get(), static_cast<int>(most), wcs);
        if (got < 0) state.error = errno_of(got);
        for (int i = 0; i < got; ++i) ticks[i] = 0;
        return got > 0 ? static_cast<std::size_t>(got) : 0;
    }

    ibv_cq_ex* const cq = state.extended;
    ibv_poll_cq_attr attr{};
    int result = ibv_start_poll(cq, &attr);
    if (result != 0) {
        if (result != ENOENT) state.error = errno_of(result);
        return 0;
    }
    std::size_t got = 0;
    while (result == 0) {
        ibv_wc& wc = wcs[got];
        wc = {};
        wc.wr_id = cq->wr_id;
        wc.status = cq->status;
        wc.qp_num = ibv_wc_read_qp_num(cq);
        wc.opcode = ibv_wc_read_opcode(cq);
        ticks[got] = 0;
        if (wc.status == IBV_WC_SUCCESS) {
            wc.byte_len = ibv_wc_read_byte_len(cq);
            wc.wc_flags = ibv_wc_read_wc_flags(cq);
            wc.imm_data = (wc.wc_flags & IBV_WC_WITH_IMM) != 0 ? ibv_wc_read_imm_data(cq) : 0;
            wc.src_qp = ibv_wc_read_src_qp(cq);
            wc.slid = static_cast<std::uint16_t>(ibv_wc_read_slid(cq));
            wc.sl = ibv_wc_read_sl(cq);
            wc.dlid_path_bits = ibv_wc_read_dlid_path_bits(cq);
            ticks[got] = ibv_wc_read_completion_ts(cq);
        } else {
            wc.vendor_err = ibv_wc_read_vendor_err(cq);
        }
        result = ++got < most ? ibv_next_poll(cq) : ENOENT;
    }
    ibv_end_poll(cq);
    if (result != ENOENT) state.error = errno_of(result);
    return got;
}

std::string Completion::to_string() const {
    if (!ok()) return fmt::format("{}: {}, vendor error {:#x}", id(), ibv_wc_status_str(status()), vendor_error());
    return fmt::format("{} {}: ok, {} bytes", is_receive() ? "receive" : "send", id(), length());
}

}  // namespace pktverbs::verbs
