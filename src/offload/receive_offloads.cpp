// SPDX-License-Identifier: Apache-2.0
#include "offload/receive_offloads.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "net/frame_sizes.hpp"
#include "net/internet_checksum.hpp"
#include "verbs/scatter.hpp"

namespace pktverbs {
namespace {

/// A position in scatter elements.
struct Cursor {
    const ibv_sge* sge;
    std::uint32_t at;

    std::uint32_t left() const noexcept { return sge->length - at; }
    std::uint8_t* data() const noexcept { return bytes_of(*sge).data() + at; }
    void skip_empty() noexcept {
        for (; left() == 0; at = 0) ++sge;
    }
};

}  // namespace

std::optional<std::uint16_t> strip_tag(std::span<const ibv_sge> sges, std::uint32_t bytes) noexcept {
    // The packet may have been aimed at other memory.
    if (bytes < tagged_ethernet_bytes || sges[0].length < tagged_ethernet_bytes) return std::nullopt;
    std::uint8_t* const frame = bytes_of(sges[0]).data();
    if (frame[mac_pair_bytes] != 0x81 || frame[mac_pair_bytes + 1] != 0) return std::nullopt;
    const auto tci = static_cast<std::uint16_t>(frame[mac_pair_bytes + 2] << 8 | frame[mac_pair_bytes + 3]);
    Cursor to{sges.data(), mac_pair_bytes};
    Cursor from{sges.data(), mac_pair_bytes + vlan_tag_bytes};
    for (std::uint32_t left = bytes - mac_pair_bytes - vlan_tag_bytes; left > 0;) {
        to.skip_empty();
        from.skip_empty();
        const std::uint32_t part = std::min({left, to.left(), from.left()});
        std::memmove(to.data(), from.data(), part);
        to.at += part;
        from.at += part;
        left -= part;
    }
    return tci;
}

std::uint32_t ReceiveOffloads::apply(RecvPkt& pkt) const noexcept {
    const auto length = static_cast<std::uint32_t>(pkt.length());
    if (verify_ && !pkt.checksum_ok() && length > fcs_bytes_) {
        std::array<ByteSpan, Layout::max_chunks> pieces;
        std::uint32_t left = length - fcs_bytes_;
        const std::size_t count = pkt.chunk_count();
        for (std::size_t i = 0; i < count; ++i) {
            const ByteSpan chunk = pkt.chunk(i);
            pieces[i] = chunk.first(std::min<std::size_t>(left, chunk.size()));
            left -= static_cast<std::uint32_t>(pieces[i].size());
        }
        if (checksums_right(pieces[0], std::span{pieces}.first(count).subspan(1))) pkt.set_checksum_ok();
    }
    if (!strip_) return 0;
    const auto tag = strip_tag({pkt.sges_, pkt.chunk_count()}, length);
    pkt.set_vlan(tag.value_or(0), tag.has_value());
    if (!tag) return 0;
    pkt.shorten(vlan_tag_bytes);
    return vlan_tag_bytes;
}

}  // namespace pktverbs
