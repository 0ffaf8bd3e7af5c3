// SPDX-License-Identifier: Apache-2.0
// The packet link, with settings of the caller's: for tests.
#pragma once

#include <memory>

#include "soft/link/link_kind.hpp"
#include "soft/link/packet_settings.hpp"

namespace pktverbs::soft {

LinkPort packet_port(std::shared_ptr<const Interface> interface, const PacketSettings& settings);

}  // namespace pktverbs::soft
