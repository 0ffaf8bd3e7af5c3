// SPDX-License-Identifier: Apache-2.0
// Changes and queries queue pairs and work queues, for contexts and for the verbs objects.
#pragma once

#include <infiniband/verbs.h>

#include <string_view>

#include "verbs/port.hpp"

namespace pktverbs::verbs {

/// Changes the attributes in `mask`. `what` is the action, for errors: "bring a queue pair to INIT". Throws
/// std::system_error; where the device refuses the attributes, it says which are missing or too many.
void modify_queue_pair(const Port& port, ibv_qp& qp, ibv_qp_type type, ibv_qp_attr attr, int mask,
                       std::string_view what);
/// Reads the attributes in `mask`. Throws std::system_error.
ibv_qp_attr query_queue_pair(const Port& port, ibv_qp& qp, int mask);
/// Takes a work queue to another state. Throws std::system_error.
void step_work_queue(const Port& port, ibv_wq& wq, ibv_wq_state to, std::string_view what);

}  // namespace pktverbs::verbs
