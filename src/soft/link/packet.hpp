// SPDX-License-Identifier: Apache-2.0
// The packet link, with a block time of the caller's: for tests.
#pragma once

#include <chrono>
#include <memory>

#include "soft/link/link_kind.hpp"

namespace pktverbs::soft {

LinkPort packet_port(std::shared_ptr<const Interface> interface, std::chrono::milliseconds block_time);

}  // namespace pktverbs::soft
