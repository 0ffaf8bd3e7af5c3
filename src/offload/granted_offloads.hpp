// SPDX-License-Identifier: Apache-2.0
// GrantedOffloads: where each offload is done, once the device has been queried.
#pragma once

#include <cstdint>

#include <pktverbs/offloads.hpp>

namespace pktverbs {

struct GrantedOffloads {
    Offloads by{};              ///< each off, device or software
    std::uint32_t max_tso = 0;  ///< payload bytes that the device can segment
};

}  // namespace pktverbs
