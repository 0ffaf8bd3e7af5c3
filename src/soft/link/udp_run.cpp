// SPDX-License-Identifier: Apache-2.0
#include "soft/link/udp_run.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "net/fields.hpp"
#include "net/frame_sizes.hpp"
#include "net/internet_checksum.hpp"

namespace pktverbs::soft {
namespace {

/// What is alike in frames of one flow.
class FlowHeader {
public:
    /// `ip_bytes`: of the IP header; its length field and UDP's length and checksum differ, as do IPv4's identification
    /// and checksum.
    constexpr FlowHeader(bool v4, std::size_t ip_bytes) noexcept
        : v4_{v4}, bytes_{ethernet_bytes + ip_bytes + udp_bytes} {
        std::array<std::uint8_t, UdpRun::max_header_bytes> same{};
        for (std::size_t i = 0; i < bytes_; ++i) same[i] = 0xff;
        const auto differs = [&](std::size_t at, std::size_t bytes) {
            for (std::size_t i = at; i < at + bytes; ++i) same[i] = 0;
        };
        differs(ethernet_bytes + (v4 ? fields::ipv4_length : fields::ipv6_length), 2);
        if (v4) differs(ethernet_bytes + fields::ipv4_id, 2);
        if (v4) differs(ethernet_bytes + fields::ipv4_checksum, 2);
        differs(udp_at() + fields::udp_length, 4);
        for (std::size_t word = 0; word < words(); ++word) {
            std::array<std::uint8_t, 8> bytes{};
            std::copy_n(same.begin() + at(word), bytes.size(), bytes.begin());
            masks_[word] = std::bit_cast<std::uint64_t>(bytes);
        }
    }

    bool v4() const noexcept { return v4_; }
    std::size_t bytes() const noexcept { return bytes_; }
    constexpr std::size_t udp_at() const noexcept { return bytes_ - udp_bytes; }
    bool is_same_flow(const std::uint8_t* one, const std::uint8_t* other) const noexcept {
        std::uint64_t difference = 0;
        for (std::size_t word = 0; word < words(); ++word)
            difference |= (load(one + at(word)) ^ load(other + at(word))) & masks_[word];
        return difference == 0;
    }

private:
    static std::uint64_t load(const std::uint8_t* at) noexcept {
        std::uint64_t word;
        std::memcpy(&word, at, sizeof word);
        return word;
    }
    constexpr std::size_t words() const noexcept { return (bytes_ + 7) / 8; }
    /// The last word overlaps the one before.
    constexpr std::size_t at(std::size_t word) const noexcept { return std::min(8 * word, bytes_ - 8); }

    bool v4_;
    std::size_t bytes_;
    std::array<std::uint64_t, (UdpRun::max_header_bytes + 7) / 8> masks_{};
};

constexpr FlowHeader over_ipv4{true, ipv4_bytes};
constexpr FlowHeader over_ipv6{false, ipv6_bytes};
static_assert(ethernet_bytes + ipv6_bytes + udp_bytes == UdpRun::max_header_bytes);

const std::uint8_t* bytes_at(const ibv_sge& piece) noexcept {
    return reinterpret_cast<const std::uint8_t*>(piece.addr);
}
std::uint16_t load16(const std::uint8_t* at) noexcept { return net::load<std::uint16_t>(at); }

/// Null if the first piece of the frame doesn't begin with such headers.
const FlowHeader* find_flow_header(const TxFrame& frame) noexcept {
    const std::uint8_t* const bytes = bytes_at(frame.sges[0]);
    if (frame.sges[0].length < over_ipv4.bytes()) return nullptr;
    const std::uint16_t type = load16(bytes + mac_pair_bytes);
    const std::uint8_t* const ip = bytes + ethernet_bytes;
    constexpr std::uint16_t is_fragment = 0x3fff;
    if (type == net::ether_type::ipv4 && ip[0] == 0x45 && ip[9] == net::ip_protocol::udp &&
        (load16(ip + 6) & is_fragment) == 0)
        return &over_ipv4;
    if (type == net::ether_type::ipv6 && frame.sges[0].length >= over_ipv6.bytes() && ip[0] >> 4 == 6 &&
        ip[6] == net::ip_protocol::udp)
        return &over_ipv6;
    return nullptr;
}

/// Whether lengths are those of the frame, and there is payload.
bool lengths_right(const TxFrame& frame, const FlowHeader& header) noexcept {
    const std::uint8_t* const bytes = bytes_at(frame.sges[0]);
    const std::size_t ip_bytes = frame.length - ethernet_bytes;
    const std::uint8_t* const ip = bytes + ethernet_bytes;
    const std::size_t stated =
        header.v4() ? load16(ip + fields::ipv4_length) : load16(ip + fields::ipv6_length) + ipv6_bytes;
    return frame.length > header.bytes() && stated == ip_bytes &&
           load16(bytes + header.udp_at() + fields::udp_length) == frame.length - header.udp_at();
}

/// Whether the kernel would compute these.
bool checksums_are_the_kernels(const TxFrame& frame, const FlowHeader& header) noexcept {
    const std::uint8_t* const bytes = bytes_at(frame.sges[0]);
    const std::uint8_t* const ip = bytes + ethernet_bytes;
    if (header.v4() && load16(ip + fields::ipv4_checksum) == 0xffff) return false;
    const std::uint8_t* const udp = bytes + header.udp_at();
    if (load16(udp + fields::udp_checksum) == 0) return false;
    if (frame.checksum_ok) return true;
    if (header.v4() && !InternetSum{}.add(ByteSpan{ip, ipv4_bytes}).is_right()) return false;
    // The addresses stand before UDP's header.
    const std::uint8_t* const addresses = ip + (header.v4() ? fields::ipv4_addresses : fields::ipv6_addresses);
    InternetSum sum;
    sum.add(std::uint16_t{net::ip_protocol::udp}).add(load16(udp + fields::udp_length));
    sum.add(ByteSpan{addresses, bytes + frame.sges[0].length});
    for (std::uint32_t i = 1; i < frame.sge_count; ++i)
        sum.add(ByteSpan{bytes_at(frame.sges[i]), frame.sges[i].length});
    return sum.is_right();
}

/// Whether a frame could be the one with that number behind the first.
bool follows(const TxFrame& first, const TxFrame& frame, std::size_t number, const FlowHeader& header) noexcept {
    if (frame.length > first.length || frame.sges[0].length < header.bytes()) return false;
    const std::uint8_t* const one = bytes_at(first.sges[0]);
    const std::uint8_t* const other = bytes_at(frame.sges[0]);
    constexpr std::size_t id = ethernet_bytes + fields::ipv4_id;
    return header.is_same_flow(one, other) &&
           (!header.v4() || load16(other + id) == static_cast<std::uint16_t>(load16(one + id) + number));
}

bool may_be_in_a_run(const TxFrame& frame, const FlowHeader& header, std::size_t max_frame_bytes) noexcept {
    return frame.length <= max_frame_bytes && frame.sge_count <= UdpRun::max_pieces && lengths_right(frame, header) &&
           checksums_are_the_kernels(frame, header);
}

}  // namespace

UdpRun UdpRun::find(std::span<const TxFrame> list, std::size_t max_frame_bytes) noexcept {
    UdpRun run;
    if (list.size() < 2) return run;
    const TxFrame& first = list[0];
    const FlowHeader* const header = find_flow_header(first);
    if (!header || !follows(first, list[1], 1, *header) || !may_be_in_a_run(first, *header, max_frame_bytes))
        return run;
    run.header_bytes = header->bytes();
    run.segment_bytes = run.payload_bytes = first.length - run.header_bytes;
    std::size_t payload = run.segment_bytes;  // of the last one
    while (payload == run.segment_bytes && run.frames < std::min(list.size(), max_frames)) {
        const TxFrame& frame = list[run.frames];
        if (!follows(first, frame, run.frames, *header)) break;
        payload = frame.length - run.header_bytes;
        if (run.header_bytes + run.payload_bytes + payload > max_bytes) break;
        if (!may_be_in_a_run(frame, *header, max_frame_bytes)) break;
        run.payload_bytes += payload;
        ++run.frames;
    }
    return run;
}

VnetHeader UdpRun::write_header(const TxFrame& first, std::uint8_t* header) const noexcept {
    std::memcpy(header, bytes_at(first.sges[0]), header_bytes);
    const bool v4 = header_bytes == over_ipv4.bytes();
    const std::size_t udp_at = header_bytes - udp_bytes;
    std::uint8_t* const ip = header + ethernet_bytes;
    const auto udp_length_of_all = static_cast<std::uint16_t>(udp_bytes + payload_bytes);
    if (v4) {
        net::store(ip + fields::ipv4_length, static_cast<std::uint16_t>(ipv4_bytes + udp_length_of_all));
        net::store(ip + fields::ipv4_checksum, std::uint16_t{0});
        net::store(ip + fields::ipv4_checksum, net::checksum(ByteSpan{ip, ipv4_bytes}));
    } else {
        net::store(ip + fields::ipv6_length, udp_length_of_all);
    }
    // The kernel finishes the checksum of each segment from the sum of the pseudo-header.
    InternetSum sum;
    sum.add(std::uint16_t{net::ip_protocol::udp}).add(udp_length_of_all);
    sum.add(ByteSpan{ip + (v4 ? fields::ipv4_addresses : fields::ipv6_addresses), header + udp_at});
    net::store(header + udp_at + fields::udp_length, udp_length_of_all);
    net::store(header + udp_at + fields::udp_checksum, sum.folded());
    VnetHeader vnet;
    vnet.flags = VnetHeader::needs_checksum;
    vnet.segmentation = VnetHeader::of_udp;
    vnet.header_bytes = static_cast<std::uint16_t>(header_bytes);
    vnet.segment_bytes = static_cast<std::uint16_t>(segment_bytes);
    vnet.csum_start = static_cast<std::uint16_t>(udp_at);
    vnet.csum_offset = fields::udp_checksum;
    return vnet;
}

}  // namespace pktverbs::soft
