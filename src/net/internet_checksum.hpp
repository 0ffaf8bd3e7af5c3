// SPDX-License-Identifier: Apache-2.0
// The checksums of IPv4, TCP and UDP in a frame.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <pktverbs/net/checksum.hpp>

#include "net/frame_headers.hpp"

namespace pktverbs {

using net::InternetSum;
using ByteSpan = std::span<const std::uint8_t>;

/// Adds both addresses, the length and the protocol (RFC 9293, 3.1; RFC 8200, 8.1). `head`: the bytes in which
/// `headers` were found.
void add_pseudo_header(InternetSum& sum, ByteSpan head, const FrameHeaders& headers, std::size_t length) noexcept;

/// Fills in the checksum of the IPv4 header, and TCP's or UDP's over IPv4 or IPv6, of a frame that is `head` and then
/// all of `rest`. Headers must lie in `head`. Returns whether TCP's or UDP's was filled in; a fragment has none, nor
/// has a header with wrong lengths.
bool fill_checksums(std::span<std::uint8_t> head, std::span<const ByteSpan> rest) noexcept;

/// Whether the frame carries TCP or UDP with a checksum, and that one and IPv4's are right. False for UDP without a
/// checksum (RFC 768), which can't be verified. The frame is in pieces as above.
bool checksums_right(ByteSpan head, std::span<const ByteSpan> rest = {}) noexcept;

}  // namespace pktverbs
