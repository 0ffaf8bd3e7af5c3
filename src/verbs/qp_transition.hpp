// SPDX-License-Identifier: Apache-2.0
// QpTransition: the attributes that a queue pair's change of state needs and allows.
#pragma once

#include <infiniband/verbs.h>

#include <string>
#include <string_view>

namespace pktverbs::verbs {

/// The wrong or missing attributes of a change, for an error message: "going from INIT to RTR, a datagram queue pair
/// doesn't take path_mtu". Empty if all are right, or if the type isn't known.
std::string explain_transition(ibv_qp_type type, ibv_qp_state from, ibv_qp_state to, int mask);

/// "RESET", "INIT", ...
std::string_view name_of(ibv_qp_state state) noexcept;
/// "a reliable connected", "an unreliable connected", ...
std::string_view name_of(ibv_qp_type type) noexcept;

}  // namespace pktverbs::verbs
