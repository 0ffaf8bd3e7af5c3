// SPDX-License-Identifier: Apache-2.0
// Sizes as people write them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <pktverbs/export.hpp>

namespace pktverbs {

/// Bytes: "9000", "64KiB", "1.5GiB", "2MB". Nothing may stand before, between or behind; nullopt for anything else, and
/// for 2^64 bytes and more.
///
/// KiB, MiB, GiB and TiB are powers of 1024; kB, MB, GB and TB are powers of 1000 (IEC 80000-13). A prefix alone, as in
/// "64k" or "1G", is a power of 1024, as for dd(1), truncate(1) and the kernel's hugepagesz=1G. Prefixes may be in
/// upper or lower case; a byte is "B", for "b" is a bit. What comes to a fraction of a byte is rounded to the nearest.
PKTVERBS_EXPORT std::optional<std::uint64_t> parse_size(std::string_view text) noexcept;

/// Returns "9000B", "64KiB" or "1536MiB", which parse_size() reads as the same size: the largest unit up to TiB of
/// which the size is a whole multiple.
PKTVERBS_EXPORT std::string format_size(std::uint64_t bytes);

}  // namespace pktverbs
