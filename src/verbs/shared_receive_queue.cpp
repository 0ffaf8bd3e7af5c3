// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/verbs/shared_receive_queue.hpp>

#include <pktverbs/verbs/handle.hpp>

#include <utility>

#include "verbs/post_result.hpp"
#include "verbs/share.hpp"

namespace pktverbs::verbs {

SharedReceiveQueue::SharedReceiveQueue(ProtectionDomain pd, std::uint32_t max_wr, std::uint32_t max_sge)
    : pd_{std::move(pd)} {
    const OpenDevice& device = pd_.device();
    ibv_srq_init_attr attr{};
    attr.attr.max_wr = max_wr;
    attr.attr.max_sge = max_sge;
    SrqHandle srq{check_pointer(device.action("create_srq", "create a shared receive queue"),
                                [&] { return device.provider().create_srq(pd_.raw(), &attr); }),
                  {&device.provider()}};
    srq_ = share(std::move(srq), pd_);
    max_wr_ = attr.attr.max_wr;
    max_sge_ = attr.attr.max_sge;
}

PostResult SharedReceiveQueue::post(std::span<RecvRequest> batch) noexcept {
    if (batch.empty()) return {};
    ibv_recv_wr* refused = nullptr;
    const int error = ibv_post_srq_recv(raw(), RecvRequest::chain(batch), &refused);
    return post_result(batch, error, refused);
}

void SharedReceiveQueue::set_limit(std::uint32_t receives) {
    const OpenDevice& device = pd_.device();
    ibv_srq_attr attr{};
    attr.srq_limit = receives;
    check_result(device.action("modify_srq", "set the limit of a shared receive queue"),
                 [&] { return device.provider().modify_srq(raw(), &attr, IBV_SRQ_LIMIT); });
}

ibv_srq_attr SharedReceiveQueue::query() const {
    const OpenDevice& device = pd_.device();
    ibv_srq_attr attr{};
    check_result(device.action("query_srq", "query a shared receive queue"),
                 [&] { return device.provider().query_srq(raw(), &attr); });
    return attr;
}

}  // namespace pktverbs::verbs
