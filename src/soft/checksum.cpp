// SPDX-License-Identifier: Apache-2.0
#include "soft/checksum.hpp"

#include <cstddef>

#include "base/internet_checksum.hpp"

namespace pktverbs::soft {

bool complete_checksum(std::span<std::uint8_t> frame) noexcept {
    const FrameHeaders headers = find_headers(frame, frame.size());
    std::size_t field_offset;
    if (headers.is_tcp())
        field_offset = 16;
    else if (headers.is_udp())
        field_offset = 6;
    else
        return false;

    std::uint8_t* const start = frame.data() + headers.offset;
    InternetSum pseudo_header;
    add_pseudo_header(pseudo_header, frame, headers, headers.length);
    // A tunnel's outer header may have no checksum, or a whole one, while the inner one is to be completed.
    if (!headers.routed && net::load<std::uint16_t>(start + field_offset) != pseudo_header.folded()) return false;

    // The field's own value brings the pseudo-header into the sum.
    InternetSum sum;
    sum.add(net::ConstBytes{start, headers.length});
    const std::uint16_t checksum = sum.checksum();
    net::store(start + field_offset, headers.is_udp() ? net::udp_checksum(checksum) : checksum);
    return true;
}

}  // namespace pktverbs::soft
