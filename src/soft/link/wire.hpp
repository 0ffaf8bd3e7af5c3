// SPDX-License-Identifier: Apache-2.0
// The wire link: a NIC's end of an in-memory wire.
#pragma once

#include <memory>
#include <string>

#include <pktverbs/soft/device.hpp>

#include "soft/link/link.hpp"

namespace pktverbs::soft {

std::unique_ptr<Link> open_wire_link(const std::string& name, const WireOptions& options);

}  // namespace pktverbs::soft
