// SPDX-License-Identifier: Apache-2.0
#include "soft/checksum.hpp"

#include <cstddef>
#include <cstring>

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
    std::uint16_t field;
    std::memcpy(&field, start + field_offset, sizeof field);
    InternetSum pseudo_header;
    add_pseudo_header(pseudo_header, frame, headers, headers.length);
    // A tunnel's outer header may have no checksum, or a whole one, while the inner one is to be completed.
    if (!headers.routed && field != pseudo_header.folded()) return false;

    // The field's own value brings the pseudo-header into the sum.
    InternetSum sum;
    sum.add({start, headers.length});
    field = sum.checksum();
    if (field == 0 && headers.is_udp()) field = 0xffff;  // 0 says: no checksum (RFC 768)
    std::memcpy(start + field_offset, &field, sizeof field);
    return true;
}

}  // namespace pktverbs::soft
