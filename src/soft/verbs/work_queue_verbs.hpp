// SPDX-License-Identifier: Apache-2.0
// The control verbs of work queues, indirection tables and extended queue pairs, which programs reach through the
// context alone.
#pragma once

#include <infiniband/verbs.h>

namespace pktverbs::soft {

class Nic;

void install_work_queue_verbs(Nic& nic) noexcept;
void install_extended_queue_pair_verbs(Nic& nic) noexcept;
/// Fills in what ibv_query_device_ex says of them.
void report_work_queues(ibv_device_attr_ex& attr) noexcept;

}  // namespace pktverbs::soft
