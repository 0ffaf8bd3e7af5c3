// SPDX-License-Identifier: Apache-2.0
// A network interface in sysfs. sysfs shows the interfaces of the network namespace in which it was mounted, under
// their current names: so its contents are compared with what is known of the interface.
#pragma once

#include <filesystem>
#include <optional>

#include "interface/interface.hpp"

namespace pktverbs {

/// The interface's folder below `sysfs`; empty if there is none of its name, or it is another interface's.
std::filesystem::path interface_folder(const Interface& interface, const std::filesystem::path& sysfs = "/sys");

/// The folder of the device behind it; empty if there is none, or it is unknown.
std::filesystem::path device_folder(const Interface& interface, const std::filesystem::path& sysfs = "/sys");

/// That device's NUMA node; nullopt if it has none.
std::optional<unsigned> numa_node_of(const Interface& interface, const std::filesystem::path& sysfs = "/sys");

}  // namespace pktverbs
