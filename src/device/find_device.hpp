// SPDX-License-Identifier: Apache-2.0
// Finding devices, with the place where hardware is looked up as an argument.
#pragma once

#include <string_view>
#include <vector>

#include <pktverbs/device.hpp>

#include "verbs/discovery.hpp"

namespace pktverbs {

Device find_device(std::string_view text, const verbs::Discovery& hardware);
std::vector<Device> list_devices(const verbs::Discovery& hardware);

}  // namespace pktverbs
