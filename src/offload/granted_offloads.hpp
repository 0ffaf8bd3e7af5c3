// SPDX-License-Identifier: Apache-2.0
// GrantedOffloads: who does which offload, once a device has been asked.
#pragma once

#include <cstdint>

#include <pktverbs/offloads.hpp>

namespace pktverbs {

struct GrantedOffloads {
    Offloads by{};              ///< each off, device or software
    std::uint32_t max_tso = 0;  ///< payload bytes that the device cuts
};

}  // namespace pktverbs
