// SPDX-License-Identifier: Apache-2.0
// Allocations: how often the program has called operator new.
#pragma once

#include <atomic>
#include <cstdint>

extern std::atomic<std::uint64_t> allocations;
