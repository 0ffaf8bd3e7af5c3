// SPDX-License-Identifier: Apache-2.0
// NIC findings: what the library's doctor leaves out: the bus, interrupts, processors and pause frames of a NIC.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "doctor/advice.hpp"

namespace tool {

/// Examines the interface. `root` is where sys and proc are: "/", but in tests. Throws std::system_error.
std::vector<Advice> examine_nic(const std::filesystem::path& root, const std::string& interface);

}  // namespace tool
