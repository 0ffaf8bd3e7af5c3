// SPDX-License-Identifier: Apache-2.0
// Any bytes as a frame: no view reads outside it, steering sees the same, and filled-in checksums are correct.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include <pktverbs/net/headers.hpp>

#include "net/frame_headers.hpp"
#include "soft/steering/frame_key.hpp"

namespace {

using namespace pktverbs::net;
using pktverbs::soft::FrameKey;

void expect(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "not so: %s\n", what);
    std::abort();
}

/// Compares bytes, not objects: keys have numbers in wire order.
template <class Type>
bool equal_bytes(const Type& here, const void* there) {
    return std::memcmp(&here, there, sizeof here) == 0;
}
std::uint16_t wire(std::uint16_t number) {
    std::uint16_t stored;
    store(reinterpret_cast<std::uint8_t*>(&stored), number);
    return stored;
}

class Check {
public:
    explicit Check(ConstBytes frame) : frame_{frame}, found_{frame}, key_{pktverbs::soft::parse_frame(frame)} {}

    void run() const {
        expect_inside(found_.payload());
        for (std::size_t i = 0; i <= Headers<>::max_vlans; ++i) expect_inside(found_.vlan(i));
        check_link();
        check_network();
        check_transport();
        check_checksums();
    }

private:
    void expect_inside(ConstBytes part) const {
        if (part.empty()) return;
        expect(part.data() >= frame_.data(), "a part begins in the frame");
        expect(part.data() + part.size() <= frame_.data() + frame_.size(), "a part ends in the frame");
    }
    template <class View>
    void expect_inside(const View& view) const {
        expect_inside(view.packet());
        expect(view.header().size() + view.payload().size() == view.packet().size(), "a packet is header and payload");
        expect(!view || view.header().size() >= View::size, "a header is whole");
        expect(view || view.packet().empty(), "what is not there is empty");
    }

    void check_link() const {
        const auto link = found_.ethernet();
        expect_inside(link);
        expect(static_cast<bool>(link) == (frame_.size() >= 14), "14 bytes are an Ethernet header");
        if (!link) return;
        expect(equal_bytes(link.dst().bytes(), key_.dst_mac), "dst_mac");
        expect(equal_bytes(link.src().bytes(), key_.src_mac), "src_mac");
        expect((found_.vlan_count() != 0) == ((key_.flags & FrameKey::has_vlan) != 0), "has_vlan");
        if (const auto tag = found_.vlan()) expect(wire(tag.vlan().tag()) == key_.vlan_tci, "vlan_tci");
        expect(wire(found_.ether_type()) == key_.ether_type, "ether_type");
        if (const auto arp = found_.arp()) expect(arp.arp().operation == arp.operation(), "ARP's operation");
        expect_inside(found_.arp());
    }

    void check_network() const {
        expect_inside(found_.ipv4());
        expect_inside(found_.ipv6());
        expect(!found_.ipv4() + !found_.ipv6() + !found_.arp() >= 2, "at most one network");
        expect_same(static_cast<bool>(found_.ipv4()), FrameKey::is_ipv4, "is_ipv4");
        expect_same(static_cast<bool>(found_.ipv6()), FrameKey::is_ipv6, "is_ipv6");
        if (const auto ip = found_.ipv4()) {
            expect(equal_bytes(ip.src().bytes(), key_.src_ip), "src_ip");
            expect(equal_bytes(ip.dst().bytes(), key_.dst_ip), "dst_ip");
            expect(ip.tos() == key_.tos && ip.ttl() == key_.ttl, "tos and ttl");
        }
        if (const auto ip = found_.ipv6()) {
            expect(equal_bytes(ip.src().bytes(), key_.src_ip), "src_ip");
            expect(equal_bytes(ip.dst().bytes(), key_.dst_ip), "dst_ip");
            expect(ip.traffic_class() == key_.tos && ip.hop_limit() == key_.ttl, "traffic class and hop limit");
        }
        if (!(found_.ipv4() || found_.ipv6())) return;
        expect(found_.protocol() == key_.protocol, "protocol");
        expect(found_.is_fragment() == ((key_.flags & FrameKey::is_fragment) != 0), "is_fragment");
    }

    template <class View>
    void expect_ports(const View& view) const {
        expect_inside(view);
        if (!view) return;
        expect(wire(view.src_port()) == key_.src_port && wire(view.dst_port()) == key_.dst_port, "ports");
    }
    /// A header with an impossible length counts for steering only.
    void expect_same(bool is_there, std::uint8_t flag, const char* what) const {
        const bool has_key = (key_.flags & flag) != 0;
        expect(is_there == has_key || (has_key && found_.is_malformed()), what);
    }
    void check_transport() const {
        expect_ports(found_.udp());
        expect_ports(found_.tcp());
        expect_same(found_.udp() || found_.tcp(), FrameKey::has_ports, "has_ports");
        const auto offloads = pktverbs::find_headers(frame_, frame_.size());
        expect(offloads.is_udp() == static_cast<bool>(found_.udp()), "checksums and segments see the same UDP");
        expect(offloads.is_tcp() == static_cast<bool>(found_.tcp()), "checksums and segments see the same TCP");
        if (const auto view = found_.udp()) expect(offloads.transport == view.packet().size(), "UDP's length");
        if (const auto view = found_.tcp()) expect(offloads.transport == view.packet().size(), "TCP's length");
        expect_inside(found_.icmp());
        expect_inside(found_.icmpv6());
        expect(!found_.udp() + !found_.tcp() + !found_.icmp() + !found_.icmpv6() >= 3, "at most one transport");
        if (found_.is_fragment()) expect(found_.transport_checksum() == ChecksumVerdict::none, "a part has none");
    }

    void check_checksums() const {
        std::vector<std::uint8_t> copy{frame_.begin(), frame_.end()};
        const Headers filled{copy};
        const auto before = filled.transport_checksum();
        expect(before == found_.transport_checksum(), "a copy is the same");
        filled.fill_checksums();
        const Headers again{copy};
        expect(again.is_malformed() == found_.is_malformed(), "checksums change no layer");
        if (const auto ip = again.ipv4()) expect(ip.checksum_is_right(), "IPv4's checksum is right");
        const auto wanted = before == ChecksumVerdict::none ? ChecksumVerdict::none : ChecksumVerdict::right;
        expect(again.transport_checksum() == wanted, "the transport's checksum is right");
        std::size_t changed = 0;
        for (std::size_t i = 0; i < copy.size(); ++i) changed += copy[i] != frame_[i];
        expect(changed <= 4, "only checksums change");
    }

    ConstBytes frame_;
    Headers<> found_;
    FrameKey key_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Check{ConstBytes{data, size}}.run();
    return 0;
}
