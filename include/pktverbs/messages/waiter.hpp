// SPDX-License-Identifier: Apache-2.0
// Waiter: the same as async::Waiter, in the lists of a Socket or Listener.
#pragma once

#include <pktverbs/async/waiter.hpp>

namespace pktverbs::messages {

using async::Waiter;
using async::WaiterList;

}  // namespace pktverbs::messages
