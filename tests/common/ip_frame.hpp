// SPDX-License-Identifier: Apache-2.0
// IpFrame: UDP and TCP frames without checksums, and simple checks of checksums.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <vector>

namespace pktverbs::testing {

/// All fields may be changed; bytes() makes the frame, with both checksum fields 0.
struct IpFrame {
    using Bytes = std::vector<std::uint8_t>;

    Bytes dst_mac{2, 0, 0, 0, 0, 1};
    Bytes src_mac{2, 0, 0, 0, 1, 0};
    Bytes tags{};  ///< with their types: 81 00 and the TCI
    bool ipv6 = false;
    Bytes src = {10, 1, 2, 3};
    Bytes dst = {10, 1, 2, 200};
    Bytes options{};  ///< of IPv4
    bool tcp = false;
    std::uint16_t src_port = 7000;
    std::uint16_t dst_port = 7001;
    std::uint16_t id = 0xfffe;
    std::uint16_t fragment = 0;  ///< flags and offset
    std::uint32_t seq = 0xfffffff0;
    std::uint8_t tcp_flags = 0x10;
    Bytes tcp_options{};
    Bytes payload = Bytes(100, 0x5a);
    Bytes padding{};

    static IpFrame v6(bool tcp = false) {
        IpFrame frame;
        frame.ipv6 = true;
        frame.tcp = tcp;
        frame.src = {0xfd, 0x77, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
        frame.dst = {0xfd, 0x77, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2};
        return frame;
    }

    std::size_t ip_offset() const { return 14 + tags.size(); }
    std::size_t transport_offset() const { return ip_offset() + (ipv6 ? 40 : 20 + options.size()); }
    std::size_t transport_bytes() const { return (tcp ? 20 + tcp_options.size() : 8) + payload.size(); }
    std::size_t header_bytes() const { return transport_offset() + (tcp ? 20 + tcp_options.size() : 8); }
    std::size_t checksum_offset() const { return transport_offset() + (tcp ? 16 : 6); }

    Bytes bytes() const {
        Bytes out;
        const auto put = [&](const Bytes& more) { out.insert(out.end(), more.begin(), more.end()); };
        const auto put16 = [&](std::initializer_list<std::size_t> values) {
            for (const std::size_t value : values) {
                out.push_back(static_cast<std::uint8_t>(value >> 8));
                out.push_back(static_cast<std::uint8_t>(value));
            }
        };
        const std::size_t protocol = tcp ? 6 : 17;
        put(dst_mac);
        put(src_mac);
        put(tags);
        if (ipv6) {
            put16({0x86dd, 0x6000, 0, transport_bytes(), protocol << 8 | 64});
        } else {
            const std::size_t header = 20 + options.size();
            put16({0x0800, (0x40 + header / 4) << 8, header + transport_bytes(), id, fragment, 64 << 8 | protocol, 0});
        }
        put(src);
        put(dst);
        put(options);
        put16({src_port, dst_port});
        if (tcp) {
            put16({seq >> 16, seq & 0xffff, 0, 0, (0x50 + tcp_options.size() * 4) << 8 | tcp_flags, 0x2000, 0, 0});
            put(tcp_options);
        } else {
            put16({transport_bytes(), 0});
        }
        put(payload);
        put(padding);
        return out;
    }
};

/// RFC 1071 literally: 16 bits at a time.
inline std::uint32_t one_by_one_sum(const IpFrame::Bytes& bytes, std::size_t from, std::size_t length) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < length; ++i) sum += i % 2 ? bytes[from + i] : bytes[from + i] * 256u;
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

/// Whether `bytes`, made from `frame`, have a correct IPv4 header checksum.
inline bool ipv4_right(const IpFrame& frame, const IpFrame::Bytes& bytes) {
    return one_by_one_sum(bytes, frame.ip_offset(), 20 + frame.options.size()) == 0xffff;
}

/// Whether TCP's or UDP's checksum is correct for the addresses and payload in `bytes`.
inline bool transport_right(const IpFrame& frame, const IpFrame::Bytes& bytes) {
    const std::size_t end = bytes.size() - frame.padding.size();
    const std::size_t length = end - frame.transport_offset();
    IpFrame::Bytes all(bytes.begin() + static_cast<std::ptrdiff_t>(frame.ip_offset() + (frame.ipv6 ? 8 : 12)),
                       bytes.begin() + static_cast<std::ptrdiff_t>(frame.ip_offset() + (frame.ipv6 ? 40 : 20)));
    for (const std::size_t byte : {std::size_t{0}, std::size_t{frame.tcp ? 6U : 17U}, length >> 8, length & 0xff})
        all.push_back(static_cast<std::uint8_t>(byte));
    all.insert(all.end(), bytes.begin() + static_cast<std::ptrdiff_t>(frame.transport_offset()),
               bytes.begin() + static_cast<std::ptrdiff_t>(end));
    return one_by_one_sum(all, 0, all.size()) == 0xffff;
}

}  // namespace pktverbs::testing
