// SPDX-License-Identifier: Apache-2.0
// wire_device(): the soft device at an in-memory wire.
#pragma once

#include <string>
#include <string_view>

#include <pktverbs/device.hpp>

namespace pktverbs::testing {

/// `options` as they stand in a device string: "mtu=1500&ip=10.0.0.1".
inline Device wire_device(std::string_view name, std::string_view options = {}) {
    std::string text = "wire:" + std::string{name};
    if (!options.empty()) text += "?" + std::string{options};
    return find_device(text);
}

}  // namespace pktverbs::testing
