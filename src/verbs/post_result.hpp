// SPDX-License-Identifier: Apache-2.0
// post_result: a post verb's result for a chain of requests.
#pragma once

#include <cerrno>
#include <cstddef>
#include <span>

#include <pktverbs/verbs/work_request.hpp>

namespace pktverbs::verbs {

/// `refused` is null if a driver doesn't say which request; then none counts as posted. Some drivers return negative
/// errnos.
template <class Request, class WorkRequest>
PostResult post_result(std::span<Request> batch, int error, const WorkRequest* refused) noexcept {
    if (error == 0) return {batch.size(), 0};
    std::size_t posted = 0;
    while (posted < batch.size() && &batch[posted].raw() != refused) ++posted;
    return {posted == batch.size() ? 0 : posted, error > 0 ? error : error < -1 ? -error : EIO};
}

}  // namespace pktverbs::verbs
