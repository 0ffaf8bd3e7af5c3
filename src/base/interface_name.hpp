// SPDX-License-Identifier: Apache-2.0
// is_interface_name: whether a network interface can have a name.
#pragma once

#include <net/if.h>

#include <string_view>

namespace pktverbs {

/// As dev_valid_name() has it (Linux, net/core/dev.c).
inline bool is_interface_name(std::string_view name) noexcept {
    return !name.empty() && name.size() < IFNAMSIZ && name != "." && name != ".." &&
           name.find_first_of(std::string_view{"/: \t\n\v\f\r\0", 9}) == std::string_view::npos;
}

}  // namespace pktverbs
