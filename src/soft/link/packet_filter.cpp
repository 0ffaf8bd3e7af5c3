// SPDX-License-Identifier: Apache-2.0
#include "soft/link/packet_filter.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>

#include "soft/link/bpf_program.hpp"

// The program first finds out what kind of frame this is, and jumps to the section for that kind. In a section each
// flow is a run of "load, mask, compare, or else on to the next flow" that ends with "accept"; a flow that can't match
// that kind of frame is not in it. Only the first part takes care of lengths: in a section all loads are safe.
//
// Offsets are those of the frame as a socket filter sees it: without its outer VLAN tag, which the kernel keeps beside
// the frame (skb_vlan_untag() in net/core/skbuff.c). A frame that came by another way may still have it inside.

namespace pktverbs::soft {
namespace {

using bpf::Program;

constexpr std::uint32_t accept_whole = 0xffffffff;
constexpr std::uint32_t vlan_present = 0x10000;
constexpr std::uint32_t max_length = 1500;  // of a frame that has one where others have their type (802.3)

/// Scratch memory.
enum Slot : std::uint32_t {
    slot_vlan,       // the tag's 16 bits, and vlan_present if there is one
    slot_type,       // the EtherType, 0 for a length
    slot_ports,      // source and destination port
    slot_ip,         // where the IP header starts; X is that too, in all sections for IP
    slot_available,  // bytes from there to the frame's end
    slot_header,     // bytes of IPv4 header
    slot_payload,    // bytes of IP payload
};

/// The kinds of frame.
enum Kind : std::size_t {
    ipv4_with_ports,
    ipv4_without_ports,
    ipv4_fragment,  // without ports, too, but flows that ask for some must see it to count it
    ipv6_with_ports,
    ipv6_without_ports,
    ipv6_extended,  // by headers that a loop would have to walk, which classic BPF hasn't
    not_ip,
    unclear,  // beyond MAC addresses and outer tag
    kind_count,
};
using Labels = std::array<Program::Label, kind_count>;

/// Where the program finds a part of the FrameKey.
struct Load {
    std::size_t key_offset;
    std::size_t bytes;
    sock_filter instruction;
    int shift = 0;                    // of the part in what is loaded
    std::uint32_t bits = 0xffffffff;  // of the part that can be other than 0
};

/// A kind of frame, as the program knows it.
struct Section {
    std::vector<Load> loads;
    FrameKey always{};   // what no load finds, and is the same in all of them
    FrameKey unknown{};  // bits that the program does not find out
};

using KeyBytes = std::array<std::uint8_t, sizeof(FrameKey)>;

std::uint16_t big_endian(std::uint16_t value) noexcept {
    return std::bit_cast<std::uint16_t>(
        std::array{static_cast<std::uint8_t>(value >> 8), static_cast<std::uint8_t>(value & 0xff)});
}

std::uint32_t read_big_endian(const KeyBytes& key, std::size_t at, std::size_t bytes) noexcept {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < bytes; ++i) value = value << 8 | key[at + i];
    return value;
}

void add_macs(Section& section) {
    // The half that tells more goes first.
    section.loads.push_back({offsetof(FrameKey, dst_mac) + 2, 4, bpf::load_word(2)});
    section.loads.push_back({offsetof(FrameKey, dst_mac), 2, bpf::load_half(0)});
    section.loads.push_back({offsetof(FrameKey, src_mac) + 2, 4, bpf::load_word(8)});
    section.loads.push_back({offsetof(FrameKey, src_mac), 2, bpf::load_half(6)});
}

void add_ipv4(Section& section) {
    section.always.ether_type = big_endian(0x0800);
    section.always.flags = FrameKey::is_ipv4;
    section.loads.push_back({offsetof(FrameKey, dst_ip), 4, bpf::load_word_x(16)});
    section.loads.push_back({offsetof(FrameKey, src_ip), 4, bpf::load_word_x(12)});
    section.loads.push_back({offsetof(FrameKey, protocol), 1, bpf::load_byte_x(9)});
    section.loads.push_back({offsetof(FrameKey, tos), 1, bpf::load_byte_x(1)});
    section.loads.push_back({offsetof(FrameKey, ttl), 1, bpf::load_byte_x(8)});
}

void add_ipv6(Section& section) {
    section.always.ether_type = big_endian(0x86dd);
    section.always.flags = FrameKey::is_ipv6;
    for (const std::uint32_t word : {12u, 8u, 4u, 0u})
        section.loads.push_back({offsetof(FrameKey, dst_ip) + word, 4, bpf::load_word_x(24 + word)});
    for (const std::uint32_t word : {12u, 8u, 4u, 0u})
        section.loads.push_back({offsetof(FrameKey, src_ip) + word, 4, bpf::load_word_x(8 + word)});
    section.loads.push_back({offsetof(FrameKey, flow_label), 4, bpf::load_word_x(0), 0, 0xfffff});
    section.loads.push_back({offsetof(FrameKey, tos), 1, bpf::load_half_x(0), 4});
    section.loads.push_back({offsetof(FrameKey, ttl), 1, bpf::load_byte_x(7)});
}

void add_next_header(Section& section) {
    section.loads.push_back({offsetof(FrameKey, protocol), 1, bpf::load_byte_x(6)});
}

void add_ports(Section& section) {
    static_assert(offsetof(FrameKey, dst_port) == offsetof(FrameKey, src_port) + 2);
    section.always.flags |= FrameKey::has_ports;
    section.loads.push_back({offsetof(FrameKey, src_port), 4, bpf::load_slot(slot_ports)});
}

Section describe(Kind kind) {
    Section section;
    add_macs(section);
    switch (kind) {
        case ipv4_with_ports:
            add_ipv4(section);
            add_ports(section);
            break;
        case ipv4_without_ports:
            add_ipv4(section);
            break;
        case ipv4_fragment:
            add_ipv4(section);
            section.always.flags |= FrameKey::is_fragment;
            section.unknown.src_port = section.unknown.dst_port = 0xffff;
            section.unknown.flags = FrameKey::has_ports;
            break;
        case ipv6_with_ports:
            add_ipv6(section);
            add_next_header(section);
            add_ports(section);
            break;
        case ipv6_without_ports:
            add_ipv6(section);
            add_next_header(section);
            break;
        case ipv6_extended:
            add_ipv6(section);
            section.unknown.protocol = 0xff;
            section.unknown.src_port = section.unknown.dst_port = 0xffff;
            section.unknown.flags = FrameKey::has_ports | FrameKey::is_fragment;
            break;
        case not_ip:
            section.loads.push_back({offsetof(FrameKey, ether_type), 2, bpf::load_slot(slot_type)});
            break;
        case unclear:
        case kind_count:
            std::memset(&section.unknown, 0xff, sizeof section.unknown);
            std::fill_n(section.unknown.dst_mac, 6, std::uint8_t{0});
            std::fill_n(section.unknown.src_mac, 6, std::uint8_t{0});
            section.unknown.vlan_tci = 0;
            section.unknown.flags = static_cast<std::uint8_t>(~FrameKey::has_vlan);
            break;
    }
    return section;
}

void add_test(std::vector<sock_filter>& tests, sock_filter load, std::uint32_t mask, std::uint32_t value) {
    tests.push_back(load);
    const auto size = BPF_SIZE(load.code);
    if (mask != (size == BPF_B ? 0xff : size == BPF_H ? 0xffff : 0xffffffff))
        tests.push_back(bpf::calculate(BPF_AND, mask));
    tests.push_back(bpf::statement(BPF_JMP | BPF_JEQ | BPF_K, value));
}

/// The tests of one flow in a section, then accept; nothing if it can't match there.
std::optional<std::vector<sock_filter>> compile_flow(const FlowMatch& flow, const Section& section) {
    auto mask = std::bit_cast<KeyBytes>(flow.mask);
    auto value = std::bit_cast<KeyBytes>(flow.value);
    auto always = std::bit_cast<KeyBytes>(section.always);
    const auto unknown = std::bit_cast<KeyBytes>(section.unknown);
    if (flow.type == IBV_FLOW_ATTR_MC_DEFAULT) {  // its specs don't say so
        mask[0] |= 1;
        value[0] |= 1;
    }
    for (std::size_t i = 0; i < mask.size(); ++i) {
        if (value[i] & ~mask[i]) return std::nullopt;  // matches nothing at all
        mask[i] = static_cast<std::uint8_t>(mask[i] & ~unknown[i]);
        value[i] = static_cast<std::uint8_t>(value[i] & ~unknown[i]);
    }

    std::vector<sock_filter> tests;
    constexpr std::size_t tci = offsetof(FrameKey, vlan_tci);
    constexpr std::size_t flags = offsetof(FrameKey, flags);
    const std::uint32_t vlan_mask =
        read_big_endian(mask, tci, 2) | ((mask[flags] & FrameKey::has_vlan) ? vlan_present : 0);
    const std::uint32_t vlan_value =
        read_big_endian(value, tci, 2) | ((value[flags] & FrameKey::has_vlan) ? vlan_present : 0);
    if (vlan_mask != 0) add_test(tests, bpf::load_slot(slot_vlan), vlan_mask, vlan_value);
    mask[tci] = mask[tci + 1] = value[tci] = value[tci + 1] = 0;
    mask[flags] = static_cast<std::uint8_t>(mask[flags] & ~FrameKey::has_vlan);
    value[flags] = static_cast<std::uint8_t>(value[flags] & ~FrameKey::has_vlan);

    for (const Load& load : section.loads) {
        const std::uint32_t part_mask = read_big_endian(mask, load.key_offset, load.bytes) & load.bits;
        const std::uint32_t part_value = read_big_endian(value, load.key_offset, load.bytes);
        if (part_value & ~load.bits) return std::nullopt;
        if (part_mask != 0) add_test(tests, load.instruction, part_mask << load.shift, part_value << load.shift);
        for (std::size_t i = 0; i < load.bytes; ++i) mask[load.key_offset + i] = value[load.key_offset + i] = 0;
    }
    for (std::size_t i = 0; i < mask.size(); ++i)
        if ((always[i] & mask[i]) != value[i]) return std::nullopt;

    // Fewer than 70 instructions, so all jumps behind the end fit their 8 bits.
    tests.push_back(bpf::give(accept_whole));
    for (std::size_t i = 0; i < tests.size(); ++i)
        if (BPF_CLASS(tests[i].code) == BPF_JMP) tests[i].jf = static_cast<std::uint8_t>(tests.size() - i - 1);
    return tests;
}

bool same_code(const std::vector<sock_filter>& a, const std::vector<sock_filter>& b) noexcept {
    return std::ranges::equal(a, b, [](const sock_filter& x, const sock_filter& y) {
        return x.code == y.code && x.jt == y.jt && x.jf == y.jf && x.k == y.k;
    });
}

void add_section(Program& program, Kind kind, std::span<const FlowMatch* const> flows) {
    const Section section = describe(kind);
    std::vector<std::vector<sock_filter>> done;
    for (const FlowMatch* flow : flows) {
        if (!flow->wants_frames() || program.size() > BPF_MAXINSNS) continue;
        auto tests = compile_flow(*flow, section);
        // Flows that differ only in what this section doesn't look at.
        if (!tests || std::ranges::any_of(done, [&](const auto& other) { return same_code(other, *tests); })) continue;
        program.add(*tests);
        if (tests->size() == 1) return;  // accepts all
        done.push_back(std::move(*tests));
    }
    program.add(bpf::give(0));
}

/// Leaves the EtherType behind the outer tag in A, and in X where its header starts.
void add_ethernet(Program& program, Program::Label cut_short) {
    const auto in_band = program.label();
    const auto tagged = program.label();
    const auto done = program.label();
    const auto typed = program.label();
    // The kernel refuses a program that may load a slot not yet stored to, and its check takes the code behind a
    // return as if it were reached from there (check_load_and_stores() in net/core/filter.c).
    program.add(bpf::load(0));
    for (const Slot slot : {slot_vlan, slot_type, slot_ports}) program.add(bpf::store(slot));
    program.add(bpf::load_length());
    program.jump_unless(BPF_JGE, 14, cut_short);
    program.add(bpf::load_ancillary(SKF_AD_VLAN_TAG_PRESENT));
    program.jump_if(BPF_JEQ, 0, in_band);
    program.add(bpf::load_ancillary(SKF_AD_VLAN_TAG));
    program.add(bpf::calculate(BPF_OR, vlan_present));
    program.add(bpf::store(slot_vlan));
    program.add(bpf::load_x(14));
    program.add(bpf::load_half(12));
    program.jump(done);

    program.place(in_band);
    program.add(bpf::load_x(14));
    program.add(bpf::load_half(12));
    program.jump_if(BPF_JEQ, 0x8100, tagged);
    program.jump_unless(BPF_JEQ, 0x88a8, done);

    program.place(tagged);
    program.add(bpf::load_length());
    program.jump_unless(BPF_JGE, 18, cut_short);
    program.add(bpf::load_half(14));
    program.add(bpf::calculate(BPF_OR, vlan_present));
    program.add(bpf::store(slot_vlan));
    program.add(bpf::load_x(18));
    program.add(bpf::load_half(16));
    program.place(done);
    program.add(bpf::store_x(slot_ip));
    program.jump_if(BPF_JGT, max_length, typed);
    program.add(bpf::load(0));
    program.place(typed);
    program.add(bpf::store(slot_type));
}

/// Goes to a section without ports, or on with TCP or UDP whose header is all there. What it says of its own length
/// isn't looked at: the device does that.
void add_transport(Program& program, const Labels& sections, std::uint32_t protocol_at, Kind without_ports) {
    const auto tcp = program.label();
    const auto done = program.label();
    program.add(bpf::load_byte_x(protocol_at));
    program.jump_if(BPF_JEQ, 6, tcp);
    program.jump_unless(BPF_JEQ, 17, sections[without_ports]);
    program.add(bpf::load_slot(slot_payload));
    program.jump_unless(BPF_JGE, 8, sections[unclear]);
    program.jump(done);
    program.place(tcp);
    program.add(bpf::load_slot(slot_payload));
    program.jump_unless(BPF_JGE, 20, sections[unclear]);
    program.place(done);
}

void add_ipv4_header(Program& program, const Labels& sections) {
    program.add(bpf::load_slot(slot_available));
    program.jump_unless(BPF_JGE, 20, sections[unclear]);
    program.add(bpf::load_byte_x(0));
    program.add(bpf::calculate(BPF_AND, 0xf0));
    program.jump_unless(BPF_JEQ, 0x40, sections[unclear]);
    program.add(bpf::load_byte_x(0));
    program.add(bpf::calculate(BPF_AND, 0x0f));
    program.jump_unless(BPF_JGE, 5, sections[unclear]);
    program.add(bpf::calculate(BPF_LSH, 2));
    program.add(bpf::store(slot_header));

    // The total length: not more than there is, not less than its header.
    program.add(bpf::load_half_x(2));
    program.add(bpf::load_x_slot(slot_available));
    program.jump_if(BPF_JGT | BPF_X, 0, sections[unclear]);
    program.add(bpf::load_x_slot(slot_header));
    program.jump_unless(BPF_JGE | BPF_X, 0, sections[unclear]);
    program.add(bpf::calculate_x(BPF_SUB));
    program.add(bpf::store(slot_payload));

    program.add(bpf::load_x_slot(slot_ip));
    program.add(bpf::load_half_x(6));
    program.jump_if(BPF_JSET, 0x3fff, sections[ipv4_fragment]);
    add_transport(program, sections, 9, ipv4_without_ports);
    program.add(bpf::load_slot(slot_header));
    program.add(bpf::calculate_x(BPF_ADD));
    program.add(bpf::copy_to_x());
    program.add(bpf::load_word_x(0));
    program.add(bpf::store(slot_ports));
    program.add(bpf::load_x_slot(slot_ip));
    program.jump(sections[ipv4_with_ports]);
}

void add_ipv6_header(Program& program, const Labels& sections) {
    program.add(bpf::load_slot(slot_available));
    program.jump_unless(BPF_JGE, 40, sections[unclear]);
    program.add(bpf::calculate(BPF_SUB, 40));
    program.add(bpf::store(slot_available));
    program.add(bpf::load_byte_x(0));
    program.add(bpf::calculate(BPF_AND, 0xf0));
    program.jump_unless(BPF_JEQ, 0x60, sections[unclear]);

    program.add(bpf::load_half_x(4));
    program.add(bpf::store(slot_payload));
    program.add(bpf::load_x_slot(slot_available));
    program.jump_if(BPF_JGT | BPF_X, 0, sections[unclear]);

    program.add(bpf::load_x_slot(slot_ip));
    program.add(bpf::load_byte_x(6));
    // Hop-by-hop, routing, fragment, authentication, destination options, mobility, host identity, shim6 and the two
    // for experiments (www.iana.org/assignments/ipv6-parameters), and ESP.
    for (const std::uint32_t extension : {0u, 43u, 44u, 50u, 51u, 60u, 135u, 139u, 140u, 253u, 254u})
        program.jump_if(BPF_JEQ, extension, sections[ipv6_extended]);
    add_transport(program, sections, 6, ipv6_without_ports);
    program.add(bpf::load_word_x(40));
    program.add(bpf::store(slot_ports));
    program.jump(sections[ipv6_with_ports]);
}

}  // namespace

std::vector<sock_filter> accept_all_filter() { return {bpf::give(accept_whole)}; }

std::vector<sock_filter> compile_packet_filter(std::span<const FlowMatch* const> flows) {
    if (std::ranges::all_of(flows, [](const FlowMatch* flow) { return !flow->wants_frames(); })) return {bpf::give(0)};

    Program program;
    Labels sections;
    for (auto& section : sections) section = program.label();
    const auto ipv4 = program.label();
    const auto ipv6 = program.label();
    const auto cut_short = program.label();

    add_ethernet(program, cut_short);
    for (const std::uint32_t second_tag : {0x8100u, 0x88a8u}) program.jump_if(BPF_JEQ, second_tag, sections[unclear]);
    program.jump_if(BPF_JEQ, 0x0800, ipv4);
    program.jump_if(BPF_JEQ, 0x86dd, ipv6);
    program.jump(sections[not_ip]);
    for (const bool is_ipv4 : {true, false}) {
        program.place(is_ipv4 ? ipv4 : ipv6);
        program.add(bpf::load_length());
        program.add(bpf::calculate_x(BPF_SUB));
        program.add(bpf::store(slot_available));
        (is_ipv4 ? add_ipv4_header : add_ipv6_header)(program, sections);
    }
    program.place(cut_short);
    program.add(bpf::give(accept_whole));
    for (std::size_t kind = 0; kind < kind_count; ++kind) {
        program.place(sections[kind]);
        add_section(program, static_cast<Kind>(kind), flows);
    }
    return program.size() <= BPF_MAXINSNS ? std::move(program).finish() : accept_all_filter();
}

}  // namespace pktverbs::soft
