// SPDX-License-Identifier: Apache-2.0
#include "soft/link/segment_cutter.hpp"

#include <array>
#include <cstring>

#include "net/fields.hpp"
#include "net/frame_sizes.hpp"
#include "net/internet_checksum.hpp"
#include "net/segment.hpp"

namespace pktverbs::soft {
namespace {

/// What all packets have in common.
class SegmentHeader {
public:
    SegmentHeader(std::span<const std::uint8_t> bytes, const FrameHeaders& at) noexcept
        : bytes_{bytes}, at_{at}, v4_{at_.ip == FrameHeaders::Ip::v4} {
        if (v4_) {
            const std::uint8_t* const ip = &bytes[at_.ip_offset];
            const auto between = [&](std::size_t from, std::size_t to) { ip_sum_.add(ByteSpan{ip + from, ip + to}); };
            between(0, fields::ipv4_length);
            between(fields::ipv4_id + 2, fields::ipv4_checksum);
            between(fields::ipv4_checksum + 2, at_.offset - at_.ip_offset);
        }
        add_pseudo_header(udp_sum_, bytes, at_, 0);
        udp_sum_.add(bytes.subspan(at_.offset, fields::udp_length));
    }

    /// Writes a packet's header and payload, with checksums.
    void write(std::uint8_t* to, const Segment& segment, const std::uint8_t* payload) const noexcept {
        std::memcpy(to, bytes_.data(), bytes_.size());
        const std::span header{to, bytes_.size()};
        write_segment_header(header, at_, segment);
        std::uint8_t* const ip = to + at_.ip_offset;
        const auto number_at = [](const std::uint8_t* at) { return net::load<std::uint16_t>(at); };
        if (v4_) {
            InternetSum sum = ip_sum_;
            sum.add(number_at(ip + fields::ipv4_length)).add(number_at(ip + fields::ipv4_id));
            net::store(ip + fields::ipv4_checksum, sum.checksum());
        }
        std::memcpy(to + header.size(), payload, segment.bytes);
        std::uint8_t* const udp = to + at_.offset;
        InternetSum sum = udp_sum_;
        const std::uint16_t length = number_at(udp + fields::udp_length);
        sum.add(length).add(length).add(ByteSpan{to + header.size(), segment.bytes});
        net::store(udp + fields::udp_checksum, net::udp_checksum(sum.checksum()));
    }

private:
    const std::span<const std::uint8_t> bytes_;
    const FrameHeaders at_;
    const bool v4_;
    InternetSum ip_sum_;   // without length, identification and checksum
    InternetSum udp_sum_;  // with the pseudo-header's, without lengths, checksum and payload
};

}  // namespace

bool SegmentCutter::can_cut(std::span<const std::uint8_t> frame, const VnetHeader& left) noexcept {
    if (left.segmentation != VnetHeader::of_udp || left.segment_bytes == 0) return false;
    const std::size_t header_bytes = std::size_t{left.csum_start} + udp_bytes;
    // A tag may be put back later.
    if (header_bytes + vlan_tag_bytes > max_header_bytes || frame.size() <= header_bytes) return false;
    if (frame.size() + vlan_tag_bytes > max_super_bytes) return false;
    const FrameHeaders found = find_segment_headers(frame.first(header_bytes));
    return found.protocol == net::ip_protocol::udp && found.offset == left.csum_start;
}

std::size_t SegmentCutter::deliver(const RxFrame& super, Sink& sink) noexcept {
    const std::span bytes{super.data, super.length};
    // Up to UDP's header nothing depends on how long it all is.
    const std::size_t header_bytes = find_headers(bytes, bytes.size(), net::Lengths::of_frame).offset + udp_bytes;
    const FrameHeaders found = find_segment_headers(bytes.first(header_bytes));
    if (found.protocol != net::ip_protocol::udp) {  // behind a tag of a type that is none here
        sink.deliver({&super, 1});
        return 1;
    }
    const auto payload = bytes.subspan(header_bytes);
    const SegmentHeader header{bytes.first(header_bytes), found};
    const std::uint32_t count = Segment::count(static_cast<std::uint32_t>(payload.size()), super.segment_bytes);
    std::array<RxFrame, batch> frames;
    std::size_t made = 0, used = 0;
    for (std::uint32_t i = 0; i < count; ++i) {
        const Segment segment = Segment::at(i, static_cast<std::uint32_t>(payload.size()), super.segment_bytes);
        const std::size_t length = header_bytes + segment.bytes;
        if (made == batch) {
            sink.deliver(frames);
            made = used = 0;
        }
        header.write(&memory_[used], segment, &payload[std::size_t{i} * super.segment_bytes]);
        frames[made++] = {&memory_[used], static_cast<std::uint32_t>(length), true, super.timestamp_ns};
        used += length;
    }
    sink.deliver(std::span{frames}.first(made));
    return count;
}

}  // namespace pktverbs::soft
