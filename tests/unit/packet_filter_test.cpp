// SPDX-License-Identifier: Apache-2.0
#include "soft/link/packet_filter.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "../fuzz/steering_case.hpp"
#include "classic_bpf.hpp"

namespace pktverbs::soft {
namespace {

using Bytes = std::vector<std::uint8_t>;
using test::FilteredFrame;

constexpr std::uint8_t own[6] = {2, 0, 0, 0, 0, 1};
constexpr std::uint8_t other[6] = {2, 0, 0, 0, 0, 2};
constexpr std::uint8_t group[6] = {1, 0, 0x5e, 1, 2, 3};

void put(Bytes& bytes, std::initializer_list<unsigned> values) {
    for (const unsigned value : values) bytes.push_back(static_cast<std::uint8_t>(value));
}
void put16(Bytes& bytes, std::size_t value) {
    put(bytes, {static_cast<unsigned>(value >> 8), static_cast<unsigned>(value & 0xff)});
}

struct Headers {
    const std::uint8_t* dst = own;
    const std::uint8_t* src = other;
    std::vector<std::pair<unsigned, unsigned>> tags{};  // type, tci
    unsigned type = 0x0800;
    unsigned protocol = 17;
    unsigned src_port = 1000;
    unsigned dst_port = 2000;
    unsigned address = 1;  // last byte of the destination
    unsigned tos = 0;
    unsigned ttl = 64;
    unsigned flow_label = 0;
    unsigned fragment = 0;  // IPv4: flags and offset
    std::size_t options = 0;
    Bytes extensions{};      // IPv6: the chain; `protocol` must name its first
    unsigned transport = 0;  // after it; 0: `protocol`, if there is none
    std::size_t payload = 20;
};

Bytes make_frame(const Headers& headers) {
    Bytes frame(12);
    std::copy_n(headers.dst, 6, frame.begin());
    std::copy_n(headers.src, 6, frame.begin() + 6);
    for (const auto& [type, tci] : headers.tags) {
        put16(frame, type);
        put16(frame, tci);
    }
    put16(frame, headers.type);
    Bytes rest;
    put16(rest, headers.src_port);
    put16(rest, headers.dst_port);
    rest.resize(rest.size() + headers.payload);
    const unsigned transport = headers.transport != 0 ? headers.transport : headers.protocol;
    if (transport == 17 && rest.size() >= 6) {
        rest[4] = static_cast<std::uint8_t>(rest.size() >> 8);
        rest[5] = static_cast<std::uint8_t>(rest.size());
    }
    if (transport == 6 && rest.size() > 12) rest[12] = 0x50;
    if (headers.type == 0x0800) {
        put(frame, {static_cast<unsigned>(0x45 + headers.options), headers.tos});
        put16(frame, 20 + 4 * headers.options + rest.size());
        put16(frame, 1);
        put16(frame, headers.fragment);
        put(frame, {headers.ttl, headers.protocol, 0, 0, 10, 0, 0, 9, 10, 0, 0, headers.address});
        frame.resize(frame.size() + 4 * headers.options, 1);
    } else if (headers.type == 0x86dd) {
        put(frame, {0x60 | headers.tos >> 4, (headers.tos & 15) << 4 | headers.flow_label >> 16});
        put16(frame, headers.flow_label & 0xffff);
        put16(frame, headers.extensions.size() + rest.size());
        put(frame, {headers.protocol, headers.ttl});
        for (const unsigned last : {9u, headers.address})
            put(frame, {0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last});
        frame.insert(frame.end(), headers.extensions.begin(), headers.extensions.end());
    }
    frame.insert(frame.end(), rest.begin(), rest.end());
    return frame;
}

/// A frame on the wire, and as the kernel shows it: outer tag beside it.
class Stripped {
public:
    explicit Stripped(Bytes wire) : data_{std::move(wire)} {
        if (data_.size() < 18) return;
        const unsigned type = static_cast<unsigned>(data_[12] << 8 | data_[13]);
        if (type != 0x8100 && type != 0x88a8) return;
        tci_ = static_cast<std::uint16_t>(data_[14] << 8 | data_[15]);
        data_.erase(data_.begin() + 12, data_.begin() + 16);
    }
    FilteredFrame frame() const { return {data_, tci_}; }

private:
    Bytes data_;
    std::optional<std::uint16_t> tci_;
};

using Flows = std::vector<FlowMatch>;

std::vector<sock_filter> compile(const Flows& flows) {
    std::vector<const FlowMatch*> pointers;
    for (const auto& flow : flows) pointers.push_back(&flow);
    return compile_packet_filter(pointers);
}

bool accepts(const std::vector<sock_filter>& program, const Bytes& wire) {
    const bool accepted = test::run_filter(program, Stripped{wire}.frame()) != 0;
    EXPECT_EQ(accepted, test::run_filter(program, {wire, std::nullopt}) != 0) << "tag inside the frame";
    return accepted;
}

bool accepts(const Flows& flows, const Bytes& wire) {
    const auto program = compile(flows);
    EXPECT_TRUE(test::is_loadable(program));
    return accepts(program, wire);
}

/// A flow that requires `like`'s values in the fields that `choose` sets to ones.
template <class Choose>
FlowMatch flow_like(const Bytes& like, Choose choose) {
    FlowMatch flow;
    choose(flow.mask);
    auto value = std::bit_cast<std::array<std::uint8_t, sizeof(FrameKey)>>(parse_frame(like));
    const auto mask = std::bit_cast<std::array<std::uint8_t, sizeof(FrameKey)>>(flow.mask);
    for (std::size_t i = 0; i < value.size(); ++i) value[i] &= mask[i];
    flow.value = std::bit_cast<FrameKey>(value);
    return flow;
}

void want_udp_port(FrameKey& mask) {
    mask.flags = FrameKey::is_ipv4 | FrameKey::has_ports;
    mask.protocol = 0xff;
    mask.dst_port = 0xffff;
}

TEST(PacketFilter, RefusesEverythingWithoutFlows) {
    EXPECT_FALSE(accepts(Flows{}, make_frame({})));
    EXPECT_FALSE(accepts(Flows{}, Bytes(10)));
}

TEST(PacketFilter, AcceptsWholeJumboFrames) {
    const Bytes frame = make_frame({.payload = 9000});
    const auto program = compile({flow_like(frame, want_udp_port)});
    EXPECT_GE(test::run_filter(program, {frame, std::nullopt}), 0x40000u);
}

TEST(PacketFilter, AcceptsEverythingForAnEmptyMatch) {
    EXPECT_TRUE(accepts({FlowMatch{}}, make_frame({})));
    EXPECT_TRUE(accepts({FlowMatch{}}, make_frame({.type = 0x0806})));
    EXPECT_TRUE(accepts({FlowMatch{}}, Bytes(14)));
}

TEST(PacketFilter, AcceptsOnlyTheUdpPort) {
    const Flows flows{flow_like(make_frame({}), want_udp_port)};
    EXPECT_TRUE(accepts(flows, make_frame({})));
    EXPECT_TRUE(accepts(flows, make_frame({.tags = {{0x8100, 5}}})));
    EXPECT_TRUE(accepts(flows, make_frame({.options = 3})));
    EXPECT_FALSE(accepts(flows, make_frame({.dst_port = 2001})));
    EXPECT_FALSE(accepts(flows, make_frame({.protocol = 6})));
    EXPECT_FALSE(accepts(flows, make_frame({.protocol = 1})));
    EXPECT_FALSE(accepts(flows, make_frame({.type = 0x86dd})));
    EXPECT_FALSE(accepts(flows, make_frame({.type = 0x0806})));
    EXPECT_FALSE(accepts(flows, make_frame({.tags = {{0x8100, 5}}, .dst_port = 2001})));
}

TEST(PacketFilter, LooksForPortsInTheShortestHeaders) {
    for (const unsigned type : {0x0800u, 0x86ddu}) {
        for (const auto& [protocol, bytes] : {std::pair{17u, 8u}, std::pair{6u, 20u}}) {
            const Headers headers{.type = type, .protocol = protocol, .payload = bytes - 4};
            const Flows flows{flow_like(make_frame(headers), [](FrameKey& mask) {
                mask.flags = FrameKey::has_ports;
                mask.dst_port = 0xffff;
            })};
            ASSERT_EQ(flows[0].value.flags, FrameKey::has_ports);
            EXPECT_TRUE(accepts(flows, make_frame(headers)));
            Headers elsewhere = headers;
            elsewhere.dst_port = 2001;
            EXPECT_FALSE(accepts(flows, make_frame(elsewhere))) << type << ' ' << protocol;
        }
    }
}

TEST(PacketFilter, TakesALengthForNoType) {
    const Flows flows{flow_like(make_frame({.type = 0x0600}), [](FrameKey& mask) { mask.ether_type = 0xffff; })};
    EXPECT_TRUE(accepts(flows, make_frame({.type = 0x0600})));
    EXPECT_FALSE(accepts(flows, make_frame({.type = 0x0601})));
    const Flows untyped{flow_like(make_frame({.type = 1500}), [](FrameKey& mask) { mask.ether_type = 0xffff; })};
    for (const unsigned length : {0u, 38u, 1500u}) {
        EXPECT_TRUE(accepts(untyped, make_frame({.type = length})));
        EXPECT_TRUE(accepts(untyped, make_frame({.tags = {{0x8100, 5}}, .type = length})));
    }
    EXPECT_FALSE(accepts(untyped, make_frame({.type = 1501})));
}

/// Against the simple reference steering, as fuzz_packet_filter does with any bytes.
TEST(PacketFilter, AgreesWithTheReference) {
    std::mt19937 engine{20260102};
    for (int round = 0; round < 3000; ++round) {
        Bytes script(400);
        for (auto& byte : script) byte = static_cast<std::uint8_t>(engine());
        ASSERT_EQ(compare_filtering(script), "") << "round " << round;
    }
}

TEST(PacketFilter, AcceptsFragmentsForTheirAddressesAlone) {
    // The filter accepts fragments that a flow misses for its ports, so that they are counted.
    const Flows flows{flow_like(make_frame({}), [](FrameKey& mask) {
        want_udp_port(mask);
        std::memset(mask.dst_ip, 0xff, 4);
    })};
    for (const unsigned fragment : {0x2000u, 0x2010u, 0x0010u}) {
        EXPECT_TRUE(accepts(flows, make_frame({.fragment = fragment}))) << fragment;
        EXPECT_TRUE(accepts(flows, make_frame({.dst_port = 2001, .fragment = fragment}))) << fragment;
        EXPECT_FALSE(accepts(flows, make_frame({.address = 2, .fragment = fragment}))) << fragment;
        EXPECT_FALSE(accepts(flows, make_frame({.protocol = 6, .fragment = fragment}))) << fragment;
    }
    EXPECT_FALSE(accepts(flows, make_frame({.dst_port = 2001, .fragment = 0x4000})));
    const Flows any_udp{flow_like(make_frame({}), [](FrameKey& mask) {
        mask.flags = FrameKey::is_ipv4;
        mask.protocol = 0xff;
    })};
    EXPECT_TRUE(accepts(any_udp, make_frame({.fragment = 0x0010})));
}

TEST(PacketFilter, DistinguishesVlans) {
    const Flows five{flow_like(make_frame({.tags = {{0x8100, 0x2005}}}), [](FrameKey& mask) {
        mask.flags = FrameKey::has_vlan;
        mask.vlan_tci = htons(0x0fff);
    })};
    EXPECT_TRUE(accepts(five, make_frame({.tags = {{0x8100, 5}}})));
    EXPECT_TRUE(accepts(five, make_frame({.tags = {{0x88a8, 0xe005}, {0x8100, 6}}})));
    EXPECT_FALSE(accepts(five, make_frame({.tags = {{0x8100, 6}}})));
    EXPECT_FALSE(accepts(five, make_frame({})));
    const Flows untagged{flow_like(make_frame({}), [](FrameKey& mask) { mask.flags = FrameKey::has_vlan; })};
    EXPECT_TRUE(accepts(untagged, make_frame({})));
    EXPECT_FALSE(accepts(untagged, make_frame({.tags = {{0x8100, 0}}})));
}

TEST(PacketFilter, ComparesWholeIpv6Addresses) {
    const Flows flows{flow_like(make_frame({.type = 0x86dd}), [](FrameKey& mask) {
        mask.flags = FrameKey::is_ipv6;
        std::memset(mask.dst_ip, 0xff, 16);
    })};
    EXPECT_TRUE(accepts(flows, make_frame({.type = 0x86dd})));
    EXPECT_TRUE(accepts(flows, make_frame({.type = 0x86dd, .protocol = 0, .extensions = {17, 0, 0, 0, 0, 0, 0, 0}})));
    EXPECT_FALSE(accepts(flows, make_frame({.type = 0x86dd, .address = 2})));
    EXPECT_FALSE(accepts(flows, make_frame({.type = 0x86dd, .protocol = 0, .address = 2, .extensions = Bytes(8)})));
}

TEST(PacketFilter, AcceptsGroupsOnlyForTheMulticastDefault) {
    Flows flows{FlowMatch{}};
    flows[0].type = IBV_FLOW_ATTR_MC_DEFAULT;
    EXPECT_TRUE(accepts(flows, make_frame({.dst = group})));
    EXPECT_FALSE(accepts(flows, make_frame({.dst = own})));
}

TEST(PacketFilter, TakesNothingForFlowsThatDrop) {
    Flows flows{flow_like(make_frame({}), want_udp_port)};
    flows[0].drop = true;
    EXPECT_FALSE(accepts(flows, make_frame({})));
    flows.push_back(flow_like(make_frame({.protocol = 6}), want_udp_port));
    EXPECT_FALSE(accepts(flows, make_frame({})));
    EXPECT_TRUE(accepts(flows, make_frame({.protocol = 6})));
}

TEST(PacketFilter, TakesFramesToCountWhatIsDropped) {
    ibv_counters counters{};
    Flows flows{flow_like(make_frame({}), want_udp_port)};
    flows[0].drop = true;
    flows[0].counters = &counters;
    EXPECT_TRUE(accepts(flows, make_frame({})));
}

TEST(PacketFilter, LetsNoFlowHideAnotherBehindAShortFrame) {
    // A load past the frame's end would reject the frame before the second flow is tested.
    const Flows flows{flow_like(make_frame({}), want_udp_port),
                      flow_like(make_frame({}), [](FrameKey& mask) { std::memset(mask.dst_mac, 0xff, 6); })};
    const Bytes whole = make_frame({.tags = {{0x8100, 5}}});
    for (std::size_t bytes = 14; bytes <= whole.size(); ++bytes)
        EXPECT_TRUE(accepts(flows, Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(bytes)))) << bytes;
}

TEST(PacketFilter, FitsManyFlowsThatDifferInOneField) {
    Flows flows;
    for (unsigned port = 0; port < 150; ++port)
        flows.push_back(flow_like(make_frame({.dst_port = port}), want_udp_port));
    EXPECT_TRUE(accepts(flows, make_frame({.dst_port = 149})));
    EXPECT_FALSE(accepts(flows, make_frame({.dst_port = 150})));
}

TEST(PacketFilter, AcceptsEverythingWhenTheProgramWouldBeTooLong) {
    Flows flows;
    for (unsigned port = 0; port < 3000; ++port)
        flows.push_back(flow_like(make_frame({.dst_port = port}), want_udp_port));
    EXPECT_TRUE(accepts(flows, make_frame({.dst_port = 5000})));
}

TEST(PacketFilter, IsTakenByTheKernel) {
    int sockets[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, sockets), 0);
    auto everything = [](FrameKey& mask) { std::memset(static_cast<void*>(&mask), 0xff, sizeof mask); };
    const Flows all_sections{flow_like(make_frame({}), want_udp_port), flow_like(make_frame({}), everything),
                             flow_like(make_frame({.type = 0x86dd}), everything),
                             flow_like(make_frame({.type = 0x0806}), everything)};
    for (const Flows& flows : {Flows{}, Flows{FlowMatch{}}, all_sections}) {
        auto code = compile(flows);
        const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
        EXPECT_EQ(::setsockopt(sockets[0], SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program), 0)
            << std::strerror(errno);
    }
    ::close(sockets[0]);
    ::close(sockets[1]);
}

/// Random frames and flows, with few values per field so that they often match.
class Random {
public:
    unsigned below(unsigned limit) { return static_cast<unsigned>(engine_() % limit); }
    bool one_in(unsigned n) { return below(n) == 0; }

    /// `plain` if the filter must be exact about it.
    Bytes frame(bool& plain) {
        static const std::uint8_t* const macs[] = {own, other, group};
        Headers headers;
        headers.dst = macs[below(3)];
        headers.src = macs[below(2)];
        if (one_in(3)) headers.tags.resize(one_in(4) ? 2 + below(2) : 1);
        for (auto& tag : headers.tags) tag = {one_in(3) ? 0x88a8 : 0x8100, below(3) | below(2) << 13};
        static const unsigned types[] = {0x0800, 0x0800, 0x86dd, 0x86dd, 0x0806, 0x0040, 0};
        headers.type = types[below(7)];
        static const unsigned protocols[] = {6, 17, 17, 1, 58, 59};
        headers.protocol = protocols[below(6)];
        headers.src_port = below(2);
        headers.dst_port = below(3);
        headers.address = below(3);
        headers.tos = one_in(3) ? below(256) : 0;
        headers.ttl = 63 + below(2);
        headers.flow_label = one_in(3) ? below(1 << 20) : 0;
        if (one_in(4)) headers.fragment = below(2) << 13 | below(2);
        if (one_in(4)) headers.options = below(11);
        if (headers.type == 0x86dd && one_in(4)) add_extensions(headers);
        plain = headers.tags.size() < 2 && headers.extensions.empty();
        Bytes bytes = make_frame(headers);
        if (one_in(6)) {
            bytes.resize(below(static_cast<unsigned>(bytes.size()) + 1));
            plain = false;
        } else if (one_in(6)) {
            bytes[below(static_cast<unsigned>(bytes.size()))] = static_cast<std::uint8_t>(below(256));
            plain = false;
        } else if (one_in(6)) {
            bytes.resize(bytes.size() + below(40));  // padding
        }
        return bytes;
    }

    FlowMatch flow() {
        bool plain;
        return flow_like(frame(plain), [&](FrameKey& mask) {
            if (one_in(3)) std::memset(mask.dst_mac, 0xff, 6);
            if (one_in(6)) std::memset(mask.src_mac, 0xff, 6);
            if (one_in(4)) mask.ether_type = 0xffff;
            if (one_in(4)) mask.vlan_tci = one_in(2) ? 0xffff : htons(0x0fff);
            if (one_in(2)) mask.flags = static_cast<std::uint8_t>(below(16));
            if (one_in(4)) std::memset(mask.src_ip, 0xff, below(17));
            if (one_in(2)) std::memset(mask.dst_ip, 0xff, one_in(2) ? 4 : 16);
            if (one_in(4)) mask.src_port = 0xffff;
            if (one_in(3)) mask.dst_port = 0xffff;
            if (one_in(3)) mask.protocol = 0xff;
            if (one_in(8)) mask.flow_label = 0xffffffff;
            if (one_in(8)) mask.tos = static_cast<std::uint8_t>(below(256));
            if (one_in(8)) mask.ttl = 0xff;
            if (one_in(20)) reinterpret_cast<std::uint8_t*>(&mask)[below(64)] = static_cast<std::uint8_t>(below(256));
        });
    }

private:
    void add_extensions(Headers& headers) {
        static const std::uint8_t kinds[] = {0, 43, 44, 51, 60, 135};
        const unsigned count = 1 + below(3);
        unsigned next = headers.transport = headers.protocol;
        for (unsigned i = 0; i < count; ++i) {
            const std::uint8_t kind = kinds[below(6)];
            const unsigned more = kind == 44 ? 0 : below(2);
            Bytes extension(8 + 8 * more);
            extension[0] = static_cast<std::uint8_t>(next);
            extension[1] = static_cast<std::uint8_t>(kind == 51 ? 2 * more : more);
            if (kind == 44) extension[3] = static_cast<std::uint8_t>(below(3) << 3);
            headers.extensions.insert(headers.extensions.begin(), extension.begin(), extension.end());
            next = kind;
        }
        headers.protocol = next;
    }

    std::mt19937 engine_{20260101};
};

/// No flow from read_flow_attr() requires frames without ports. The filter does not check UDP's length or TCP's data
/// offset, for which a frame may have none.
bool can_be(const FlowMatch& flow) {
    const bool looks_at_ports =
        flow.mask.src_port != 0 || flow.mask.dst_port != 0 || (flow.mask.flags & FrameKey::has_ports) != 0;
    return !looks_at_ports || (flow.value.flags & FrameKey::has_ports) != 0;
}

TEST(PacketFilter, NeverRefusesWhatAFlowMatchesAndIsExactForPlainFrames) {
    Random random;
    std::size_t matched = 0;
    std::size_t refused = 0;
    for (int round = 0; round < 1500; ++round) {
        Flows flows(1 + random.below(6));
        for (auto& flow : flows) flow = random.flow();
        const auto program = compile(flows);
        ASSERT_TRUE(test::is_loadable(program)) << "round " << round;
        for (int i = 0; i < 100; ++i) {
            bool plain;
            const Bytes frame = random.frame(plain);
            const FrameKey key = parse_frame(frame);
            const auto wants = [&](const FlowMatch& flow) { return flow.matches(key) || flow.misses(key); };
            const bool wanted = std::ranges::any_of(flows, wants);
            const bool surely =
                std::ranges::any_of(flows, [&](const FlowMatch& flow) { return wants(flow) && can_be(flow); });
            const bool accepted = accepts(program, frame);
            ASSERT_TRUE(accepted || !surely) << "round " << round << " frame " << i;
            ASSERT_TRUE(wanted || !accepted || !plain) << "round " << round << " frame " << i;
            matched += wanted;
            refused += !accepted;
        }
    }
    EXPECT_GT(matched, 20000u);
    EXPECT_GT(refused, 20000u);
}

TEST(PacketFilter, NeverRunsLongForAnUnwantedFrame) {
    Flows flows;
    for (unsigned port = 0; port < 10; ++port)
        flows.push_back(flow_like(make_frame({.dst_port = port}), want_udp_port));
    std::size_t steps = 0;
    const Bytes arp = make_frame({.type = 0x0806});
    EXPECT_EQ(test::run_filter(compile(flows), {arp, std::nullopt}, &steps), 0u);
    EXPECT_LE(steps, 40u);
}

}  // namespace
}  // namespace pktverbs::soft
