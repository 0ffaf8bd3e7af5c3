// SPDX-License-Identifier: Apache-2.0
#include "soft/link/xdp/key_maker.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <bit>
#include <cstdint>
#include <initializer_list>

#include <pktverbs/net/headers.hpp>

#include "net/frame_sizes.hpp"

namespace pktverbs::soft::xdp {

using namespace ebpf;

namespace {

constexpr int scratch_bytes = 48;
constexpr int scratch = key_at - scratch_bytes;
static_assert(ipv6_bytes <= scratch_bytes && scratch % 8 == 0);

/// Where in its word a part of the key is.
constexpr int shift_of(std::size_t offset, std::size_t bytes) noexcept {
    return static_cast<int>(8 * (std::endian::native == std::endian::little ? offset % 8 : 8 - offset % 8 - bytes));
}
constexpr std::size_t bytes_of(Width width) noexcept {
    return width == one_byte ? 1 : width == two_bytes ? 2 : width == four_bytes ? 4 : 8;
}

constexpr int extension_headers[] = {IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_FRAGMENT, IPPROTO_AH, IPPROTO_DSTOPTS};

/// Makes the key, by writing whole words: before Linux 6.13, only CAP_PERFMON may write a part of one
/// (check_stack_write_fixed_off() in kernel/bpf/verifier.c). r6: the context. r7: bytes that are left, from r8 on. r9:
/// the type or protocol of what is there.
class KeyMaker {
public:
    explicit KeyMaker(Code& code) : code_{code}, done_{code.label()} {}

    void add() {
        pass_ = code_.label();
        const auto start = code_.label();
        code_.set(r6, r1);
        code_.jump(start);
        code_.place(pass_);
        code_.finish(XDP_PASS);
        code_.place(start);
        add_ethernet();
        const auto ipv4 = code_.label();
        const auto ipv6 = code_.label();
        transport_ = code_.label();
        code_.jump_if(BPF_JEQ, r9, htons(0x0800), ipv4);
        code_.jump_if(BPF_JEQ, r9, htons(0x86dd), ipv6);
        code_.jump(done_);
        code_.place(ipv4);
        add_ipv4();
        code_.place(ipv6);
        add_ipv6();
        code_.place(transport_);
        add_transport();
        code_.place(done_);
        // Nor shall it know anything of the key: it would check all flows again for each kind of frame.
        set_opaque_zero();
        for (std::size_t word = 0; word < sizeof(FrameKey); word += 8) {
            code_.load(eight_bytes, r1, r10, word_at(word));
            code_.calculate(BPF_XOR, r1, r2);
            code_.store(eight_bytes, r10, word_at(word), r1);
        }
        code_.load(four_bytes, r7, r6, offsetof(xdp_md, rx_queue_index));
    }

private:
    /// Copies that many bytes from r8 on to scratch memory, also from behind a frame's first buffer. They are there.
    void copy_header(std::uint32_t bytes) {
        code_.set(r1, r6);
        code_.set(r2, r8);
        code_.set(r3, r10);
        code_.calculate(BPF_ADD, r3, scratch);
        code_.set(r4, static_cast<std::int32_t>(bytes));
        code_.call(BPF_FUNC_xdp_load_bytes);
        code_.jump_if(BPF_JNE, r0, 0, pass_);
    }
    void load_header(Width width, Register to, int at) { code_.load(width, to, r10, scratch + at); }
    /// Puts the value, which has no more bytes, into a part of the key that is 0. By r0; changes the value.
    void add_to_key(Width width, std::size_t offset, Register value) {
        if (const int shift = shift_of(offset, bytes_of(width))) code_.calculate(BPF_LSH, value, shift);
        code_.load(eight_bytes, r0, r10, word_at(offset));
        code_.calculate(BPF_OR, r0, value);
        code_.store(eight_bytes, r10, word_at(offset), r0);
    }
    /// By r0 and r1.
    void copy_to_key(Width width, int at, std::size_t offset) {
        load_header(width, r1, at);
        add_to_key(width, offset, r1);
    }
    /// By r0 and r1.
    void add_flag(FrameKey::Flag flag) {
        code_.set(r1, flag);
        add_to_key(one_byte, offsetof(FrameKey, flags), r1);
    }
    /// A zero in r2 that the verifier does not see through.
    void set_opaque_zero() {
        load_header(eight_bytes, r1, 0);
        code_.set(r2, r1);
        code_.calculate(BPF_SUB, r2, r1);
    }
    /// Makes the verifier forget what it knows of a register, where paths meet: else it follows each of them to the
    /// end. No access to memory depends on what is in r7 and r9. By r1 and r2.
    void forget(std::initializer_list<Register> all) {
        set_opaque_zero();
        for (const Register one : all) code_.calculate(BPF_XOR, one, r2);
    }
    void jump_if_fewer(Register bytes, std::uint32_t than, Code::Label to) {
        code_.jump_if(BPF_JLT, bytes, static_cast<std::int32_t>(than), to);
    }

    void add_ethernet() {
        code_.set(r1, r6);
        code_.call(BPF_FUNC_xdp_get_buff_len);
        code_.set(r7, r0);
        jump_if_fewer(r7, ethernet_bytes, pass_);
        code_.set(r8, 0);
        copy_header(ethernet_bytes);
        code_.set(r8, static_cast<std::int32_t>(ethernet_bytes));
        code_.calculate(BPF_SUB, r7, static_cast<std::int32_t>(ethernet_bytes));

        set_opaque_zero();
        for (std::size_t word = 0; word < sizeof(FrameKey); word += 8) code_.store(eight_bytes, r10, word_at(word), r2);
        for (int half = 0; half < 3; ++half) {
            const auto at = static_cast<std::size_t>(2 * half);
            copy_to_key(two_bytes, 2 * half, offsetof(FrameKey, dst_mac) + at);
            copy_to_key(two_bytes, 6 + 2 * half, offsetof(FrameKey, src_mac) + at);
        }
        load_header(two_bytes, r9, 12);
        add_tags();

        const auto typed = code_.label();
        code_.set(r1, r9);
        code_.swap16(r1);
        code_.jump_if(BPF_JGT, r1, 1500, typed);
        code_.set(r9, 0);  // it is a length (802.3)
        code_.place(typed);
        forget({r7, r9});
        code_.set(r1, r9);
        add_to_key(two_bytes, offsetof(FrameKey, ether_type), r1);
    }

    void add_tags() {
        const auto untagged = code_.label();
        for (std::size_t tags = 0; tags < net::Headers<>::max_vlans; ++tags) {
            const auto tagged = code_.label();
            const auto whole = code_.label();
            code_.jump_if(BPF_JEQ, r9, htons(0x8100), tagged);
            code_.jump_if(BPF_JNE, r9, htons(0x88a8), untagged);
            code_.place(tagged);
            code_.jump_if(BPF_JGE, r7, static_cast<std::int32_t>(vlan_tag_bytes), whole);
            code_.set(r9, 0);  // nothing follows the tag
            code_.jump(untagged);
            code_.place(whole);
            copy_header(vlan_tag_bytes);
            if (tags == 0) {
                copy_to_key(two_bytes, 0, offsetof(FrameKey, vlan_tci));
                add_flag(FrameKey::has_vlan);
            }
            load_header(two_bytes, r9, 2);
            code_.calculate(BPF_ADD, r8, static_cast<std::int32_t>(vlan_tag_bytes));
            code_.calculate(BPF_SUB, r7, static_cast<std::int32_t>(vlan_tag_bytes));
        }
        code_.place(untagged);
    }

    void add_ipv4() {
        jump_if_fewer(r7, ipv4_bytes, done_);
        copy_header(ipv4_bytes);
        load_header(one_byte, r2, 0);
        code_.set(r1, r2);
        code_.calculate(BPF_RSH, r1, 4);
        code_.jump_if(BPF_JNE, r1, 4, done_);
        code_.calculate(BPF_AND, r2, 0xf);
        code_.calculate(BPF_LSH, r2, 2);  // r2: bytes of its header
        jump_if_fewer(r2, ipv4_bytes, done_);
        code_.jump_if(BPF_JGT, r2, r7, done_);
        load_header(two_bytes, r1, 2);
        code_.swap16(r1);
        add_end(r1, r2);
        code_.calculate(BPF_SUB, r7, r2);
        code_.calculate(BPF_ADD, r8, r2);

        copy_to_key(four_bytes, 12, offsetof(FrameKey, src_ip));
        copy_to_key(four_bytes, 16, offsetof(FrameKey, dst_ip));
        copy_to_key(one_byte, 1, offsetof(FrameKey, tos));
        copy_to_key(one_byte, 8, offsetof(FrameKey, ttl));
        load_header(one_byte, r9, 9);
        code_.set(r1, r9);
        add_to_key(one_byte, offsetof(FrameKey, protocol), r1);
        add_flag(FrameKey::is_ipv4);
        load_header(two_bytes, r1, 6);
        code_.calculate(BPF_AND, r1, htons(0x3fff));
        code_.jump_if(BPF_JEQ, r1, 0, transport_);
        add_flag(FrameKey::is_fragment);
        code_.jump(done_);
    }

    /// Where a packet ends by the length that it says, unless that is impossible.
    void add_end(Register said, Register header) {
        const auto impossible = code_.label();
        code_.jump_if(BPF_JLT, said, header, impossible);
        code_.jump_if(BPF_JGT, said, r7, impossible);
        code_.set(r7, said);
        code_.place(impossible);
    }

    void add_ipv6() {
        const auto measured = code_.label();
        const auto has_length = code_.label();
        const auto whole = code_.label();
        const auto not_whole = code_.label();
        jump_if_fewer(r7, ipv6_bytes, done_);
        copy_header(ipv6_bytes);
        load_header(one_byte, r1, 0);
        code_.calculate(BPF_RSH, r1, 4);
        code_.jump_if(BPF_JNE, r1, 6, done_);
        load_header(two_bytes, r1, 4);
        code_.swap16(r1);
        code_.jump_if(BPF_JNE, r1, 0, has_length);
        // A payload without a length (RFC 2675), if there is more than fits.
        code_.jump_if(BPF_JGT, r7, static_cast<std::int32_t>(0xffff + ipv6_bytes), measured);
        code_.place(has_length);
        code_.calculate(BPF_ADD, r1, static_cast<std::int32_t>(ipv6_bytes));
        code_.set(r2, static_cast<std::int32_t>(ipv6_bytes));
        add_end(r1, r2);
        code_.place(measured);
        forget({r7});
        code_.calculate(BPF_SUB, r7, static_cast<std::int32_t>(ipv6_bytes));
        code_.calculate(BPF_ADD, r8, static_cast<std::int32_t>(ipv6_bytes));

        for (int word = 0; word < 16; word += 8) {
            const auto at = static_cast<std::size_t>(word);
            copy_to_key(eight_bytes, 8 + word, offsetof(FrameKey, src_ip) + at);
            copy_to_key(eight_bytes, 24 + word, offsetof(FrameKey, dst_ip) + at);
        }
        load_header(four_bytes, r1, 0);
        code_.calculate(BPF_AND, r1, static_cast<std::int32_t>(htonl(0x000fffff)));
        add_to_key(four_bytes, offsetof(FrameKey, flow_label), r1);
        load_header(two_bytes, r1, 0);
        code_.swap16(r1);
        code_.calculate(BPF_RSH, r1, 4);
        code_.calculate(BPF_AND, r1, 0xff);
        add_to_key(one_byte, offsetof(FrameKey, tos), r1);
        copy_to_key(one_byte, 7, offsetof(FrameKey, ttl));
        load_header(one_byte, r9, 6);
        add_flag(FrameKey::is_ipv6);
        add_extension_headers(whole, not_whole);

        code_.place(not_whole);
        code_.jump(done_);
        code_.place(whole);
        code_.set(r1, r9);
        add_to_key(one_byte, offsetof(FrameKey, protocol), r1);
        load_part(code_, one_byte, offsetof(FrameKey, flags));
        code_.calculate(BPF_AND, r1, FrameKey::is_fragment);
        code_.jump_if(BPF_JNE, r1, 0, done_);
        code_.jump(transport_);
    }

    /// As net::walk_extension_headers().
    void add_extension_headers(Code::Label whole, Code::Label not_whole) {
        constexpr int max_headers = 16;
        const auto fragment_ended = code_.label();
        for (int headers = 0; headers < max_headers; ++headers) add_extension_header(whole, not_whole, fragment_ended);
        // More than that, or behind the header of a later fragment: what an extension header says is not known.
        code_.place(fragment_ended);
        for (const int extension : extension_headers) code_.jump_if(BPF_JEQ, r9, extension, not_whole);
        code_.jump(whole);
    }

    void add_extension_header(Code::Label whole, Code::Label not_whole, Code::Label fragment_ended) {
        const auto there = code_.label();
        const auto fragment = code_.label();
        const auto authentication = code_.label();
        const auto step = code_.label();
        const auto atomic = code_.label();
        for (const int extension : extension_headers) code_.jump_if(BPF_JEQ, r9, extension, there);
        code_.jump(whole);
        code_.place(there);
        jump_if_fewer(r7, 8, not_whole);
        copy_header(8);
        forget({r9});
        code_.jump_if(BPF_JEQ, r9, IPPROTO_FRAGMENT, fragment);
        code_.jump_if(BPF_JEQ, r9, IPPROTO_AH, authentication);
        load_header(one_byte, r2, 1);
        code_.calculate(BPF_ADD, r2, 1);
        code_.calculate(BPF_LSH, r2, 3);
        code_.jump(step);

        code_.place(authentication);
        load_header(one_byte, r2, 1);
        code_.calculate(BPF_ADD, r2, 2);
        code_.calculate(BPF_LSH, r2, 2);
        code_.jump(step);

        code_.place(fragment);
        load_header(two_bytes, r3, 2);
        code_.swap16(r3);
        code_.set(r2, r3);
        code_.calculate(BPF_AND, r2, 0xfff9);
        code_.jump_if(BPF_JEQ, r2, 0, atomic);  // alone (RFC 6946)
        add_flag(FrameKey::is_fragment);
        code_.place(atomic);
        load_header(one_byte, r9, 0);
        code_.calculate(BPF_AND, r3, 0xfff8);
        code_.jump_if(BPF_JNE, r3, 0, fragment_ended);
        code_.set(r2, 8);

        code_.place(step);
        code_.jump_if(BPF_JGT, r2, r7, not_whole);
        load_header(one_byte, r9, 0);
        code_.calculate(BPF_SUB, r7, r2);
        code_.calculate(BPF_ADD, r8, r2);
    }

    /// TCP or UDP with a complete header has ports.
    void add_transport() {
        const auto udp = code_.label();
        const auto whole = code_.label();
        forget({r7, r9});
        code_.jump_if(BPF_JEQ, r9, IPPROTO_UDP, udp);
        code_.jump_if(BPF_JNE, r9, IPPROTO_TCP, done_);
        jump_if_fewer(r7, tcp_bytes, done_);
        code_.jump(whole);
        code_.place(udp);
        jump_if_fewer(r7, udp_bytes, done_);
        code_.place(whole);
        static_assert(offsetof(FrameKey, dst_port) == offsetof(FrameKey, src_port) + 2);
        copy_header(4);
        copy_to_key(four_bytes, 0, offsetof(FrameKey, src_port));
        add_flag(FrameKey::has_ports);
    }

    Code& code_;
    const Code::Label done_;
    Code::Label pass_ = 0;
    Code::Label transport_ = 0;
};

}  // namespace

void add_key_maker(Code& code) { KeyMaker{code}.add(); }

void load_part(Code& code, Width width, std::size_t offset) {
    code.load(eight_bytes, r1, r10, word_at(offset));
    if (const int shift = shift_of(offset, bytes_of(width))) code.calculate(BPF_RSH, r1, shift);
}

}  // namespace pktverbs::soft::xdp
