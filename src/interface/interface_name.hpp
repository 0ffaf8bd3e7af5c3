// SPDX-License-Identifier: Apache-2.0
// is_interface_name: whether a network interface can have a name.
#pragma once

#include <cstddef>
#include <string_view>

namespace pktverbs {

/// For alternative names (ALTIFNAMSIZ - 1 in linux/if.h); a first name has 15 at most.
constexpr std::size_t max_name_bytes = 127;

/// Same rules as dev_valid_name() (Linux, net/core/dev.c), except for the length. The kernel takes any characters in
/// alternative names; this refuses those that no first name may have, so that a name is safe in a path and in a device
/// string.
inline bool is_interface_name(std::string_view name) noexcept {
    return !name.empty() && name.size() <= max_name_bytes && name != "." && name != ".." &&
           name.find_first_of(std::string_view{"/: \t\n\v\f\r\0", 9}) == std::string_view::npos;
}

}  // namespace pktverbs
