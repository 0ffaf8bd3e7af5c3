// SPDX-License-Identifier: Apache-2.0
// The control verbs for work queues, indirection tables and extended queue pairs, which programs call only through the
// context.
#pragma once

#include <infiniband/verbs.h>

namespace pktverbs::soft {

class Nic;

void install_work_queue_verbs(Nic& nic) noexcept;
void install_extended_queue_pair_verbs(Nic& nic) noexcept;
/// Fills in their part of ibv_query_device_ex.
void report_work_queues(ibv_device_attr_ex& attr) noexcept;

}  // namespace pktverbs::soft
