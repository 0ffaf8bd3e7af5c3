// SPDX-License-Identifier: Apache-2.0
// What sysfs has of a network interface. It shows the interfaces of the network namespace that it was mounted in, by
// the names that they have now: so what it shows is compared with what is known.
#pragma once

#include <filesystem>
#include <optional>

#include "interface/interface.hpp"

namespace pktverbs {

/// The interface's folder below `sysfs`; empty if that shows none, or another interface, by its name.
std::filesystem::path interface_folder(const Interface& interface, const std::filesystem::path& sysfs = "/sys");

/// The folder of the device behind it; empty if there is none, or sysfs doesn't tell.
std::filesystem::path device_folder(const Interface& interface, const std::filesystem::path& sysfs = "/sys");

/// The NUMA node of that device; nullopt if it is on none.
std::optional<unsigned> numa_node_of(const Interface& interface, const std::filesystem::path& sysfs = "/sys");

}  // namespace pktverbs
