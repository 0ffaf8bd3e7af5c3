// SPDX-License-Identifier: Apache-2.0
// RdmaCore: the release of rdma-core that this program runs with, and its known faults.
#pragma once

#include <infiniband/verbs.h>

#include <optional>
#include <string_view>

namespace pktverbs::verbs {

/// The release, 44 for libibverbs.so.1.14.44.0; nullopt if the file's name doesn't contain it.
std::optional<int> rdma_core_release_in(std::string_view library_file) noexcept;

/// The loaded library's release; nullopt if it is unknown.
std::optional<int> rdma_core_release() noexcept;

/// Before rdma-core 55, SoftRoCE's provider reports false completions when ibv_next_poll finds no more. An unknown
/// release counts as old.
bool extended_polling_works(const ibv_device_attr& attributes, std::optional<int> release) noexcept;

}  // namespace pktverbs::verbs
