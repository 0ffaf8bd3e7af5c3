// SPDX-License-Identifier: Apache-2.0
// RdmaCore: which release of rdma-core this program runs with, and what is wrong with it.
#pragma once

#include <infiniband/verbs.h>

#include <optional>
#include <string_view>

namespace pktverbs::verbs {

/// The release, 44 for libibverbs.so.1.14.44.0; nullopt if the file's name doesn't tell.
std::optional<int> rdma_core_release_in(std::string_view library_file) noexcept;

/// Of the library that is loaded; nullopt if that can't be found out.
std::optional<int> rdma_core_release() noexcept;

/// SoftRoCE's provider before rdma-core 55 gives completions that are none when ibv_next_poll finds nothing more. A
/// release that is not known counts as old.
bool extended_polling_works(const ibv_device_attr& attributes, std::optional<int> release) noexcept;

}  // namespace pktverbs::verbs
