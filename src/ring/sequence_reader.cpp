// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/ring/sequence_reader.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <limits>
#include <span>
#include <string>

#include <pktverbs/net/headers.hpp>
#include <pktverbs/verbs/error.hpp>

namespace pktverbs {

namespace {

/// More than all headers of any sensible frame. Frames with longer headers have no number.
constexpr std::uint32_t front_bytes = 512;

[[noreturn]] void refuse(const std::string& why) {
    verbs::throw_message(EINVAL, fmt::format("cannot place by a sequence field: {}", why));
}

}  // namespace

SequenceReader::SequenceReader(const SequenceField& field, std::uint32_t header_bytes, std::uint32_t max_bytes)
    : field_{field}, header_bytes_{header_bytes}, plain_{field} {
    field.check();
    const bool is_udp = field.from == SequenceOrigin::udp_payload;
    const std::uint64_t at = field.offset + std::uint64_t{is_udp ? plain_headers : 0};
    const std::uint64_t end = at + field.width;
    if (end > max_bytes)
        refuse(fmt::format("the one at {}{} lies behind the {} bytes of a slot", field.offset,
                           is_udp ? " of the UDP payload" : "", max_bytes));
    bool is_split = at < header_bytes && end > header_bytes;
    if (is_split && !is_udp)
        refuse(fmt::format("the one at {} reaches across the header's {} bytes", field.offset, header_bytes));
    if (is_udp) {
        is_split |= header_bytes != 0 && header_bytes < plain_headers;
        whole_.resize(max_bytes);
    }
    plain_in_rest_ = at >= header_bytes;
    plain_.offset = static_cast<std::uint32_t>(plain_in_rest_ ? at - header_bytes : at);
    // No frame is this long, so all frames are searched.
    plain_end_ = is_split ? std::numeric_limits<std::uint32_t>::max() : static_cast<std::uint32_t>(end);
}

bool SequenceReader::search(const std::uint8_t* header, const std::uint8_t* rest, std::uint32_t length,
                            std::uint64_t& number) noexcept {
    const std::uint32_t in_header = std::min(length, header_bytes_);
    std::span<const std::uint8_t> frame{in_header == 0 ? rest : header, length};
    if (in_header != 0 && in_header < length) {
        const std::uint32_t front = std::min(length, front_bytes);
        const std::uint32_t from_header = std::min(front, in_header);
        std::copy_n(rest, front - from_header, std::copy_n(header, from_header, whole_.begin()));
        frame = {whole_.data(), length};
    }
    const net::Headers headers{frame};
    const auto payload = headers.udp().payload();
    if (payload.size() < field_.end()) return false;
    const auto payload_at = static_cast<std::size_t>(payload.data() - frame.data());
    // Bytes read past the front may belong to another frame.
    if (payload_at > front_bytes) return false;

    std::array<std::uint8_t, 8> bytes{};
    for (std::uint32_t i = 0; i < field_.width; ++i) {
        const std::size_t at = payload_at + field_.offset + i;
        bytes[i] = at < header_bytes_ ? header[at] : rest[at - header_bytes_];
    }
    SequenceField here = field_;
    here.offset = 0;
    number = here.read(bytes.data());
    return true;
}

}  // namespace pktverbs
