// SPDX-License-Identifier: Apache-2.0
// SharedReceiveQueue: a pool of receives for several queue pairs.
#pragma once

#include <infiniband/verbs.h>

#include <cstdint>
#include <memory>
#include <span>

#include <pktverbs/export.hpp>
#include <pktverbs/verbs/protection_domain.hpp>
#include <pktverbs/verbs/work_request.hpp>

namespace pktverbs::verbs {

/// Holds receives that several queue pairs share; each message takes the next one.
///
/// A shared handle: copies are the same queue, which lives until the last copy and the last queue pair using it have
/// ended. Any number of threads may post.
class PKTVERBS_EXPORT SharedReceiveQueue {
public:
    /// Makes room for `max_wr` receives of at most `max_sge` slices. Throws std::system_error.
    explicit SharedReceiveQueue(ProtectionDomain pd, std::uint32_t max_wr = 256, std::uint32_t max_sge = 1);

    /// Returns how many receives the device granted.
    std::uint32_t max_wr() const noexcept { return max_wr_; }
    /// Returns how many slices per receive the device granted.
    std::uint32_t max_sge() const noexcept { return max_sge_; }
    /// Posts receives with one doorbell. Doesn't throw.
    PostResult post(std::span<RecvRequest> batch) noexcept;
    PostResult post(RecvRequest& request) noexcept { return post(std::span{&request, 1}); }
    PostResult post(RecvRequest&& request) noexcept { return post(request); }
    /// Requests one asynchronous event, IBV_EVENT_SRQ_LIMIT_REACHED, when fewer than `receives` are left. It happens
    /// once. Throws std::system_error.
    void set_limit(std::uint32_t receives);
    /// Returns its attributes. Throws std::system_error.
    ibv_srq_attr query() const;

    ibv_srq* raw() const noexcept { return srq_.get(); }

private:
    ProtectionDomain pd_;
    std::shared_ptr<ibv_srq> srq_;
    std::uint32_t max_wr_ = 0;
    std::uint32_t max_sge_ = 0;
};

}  // namespace pktverbs::verbs
