// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/packet/packet_chain.hpp>

#include <cerrno>

#include <pktverbs/verbs/error.hpp>

namespace pktverbs {

void refuse_to_join() {
    verbs::throw_error(EINVAL, "join two lists", "their packets come from two queues, and go back to their own");
}

}  // namespace pktverbs
