// SPDX-License-Identifier: Apache-2.0
// ClassicBpf: runs a socket filter like the kernel, and refuses programs that the kernel would refuse to load.
#pragma once

#include <linux/filter.h>

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace pktverbs::test {

/// A frame as a packet socket's filter sees it.
struct FilteredFrame {
    std::span<const std::uint8_t> data;
    std::optional<std::uint16_t> vlan_tci;  ///< the tag that the kernel removed
};

/// Whether SO_ATTACH_FILTER would take it: known instructions, jumps that stay inside, a return at the end, no load
/// of a scratch slot that may not have been stored to (bpf_check_classic() in net/core/filter.c).
inline bool is_loadable(std::span<const sock_filter> program) {
    if (program.empty() || program.size() > BPF_MAXINSNS) return false;
    std::vector<unsigned> stored(program.size() + 1, 0xffff);
    unsigned now = 0;
    for (std::size_t at = 0; at < program.size(); ++at) {
        const sock_filter& code = program[at];
        auto reach = [&](std::size_t target) {
            if (target >= program.size()) return false;
            stored[target] &= now;
            return true;
        };
        now &= stored[at];
        switch (BPF_CLASS(code.code)) {
            case BPF_LD:
            case BPF_LDX:
                if (BPF_MODE(code.code) == BPF_MEM && (code.k >= BPF_MEMWORDS || !(now >> code.k & 1))) return false;
                break;
            case BPF_ST:
            case BPF_STX:
                if (code.k >= BPF_MEMWORDS) return false;
                now |= 1u << code.k;
                break;
            case BPF_JMP:
                if (BPF_OP(code.code) == BPF_JA) {
                    if (!reach(at + 1 + code.k)) return false;
                } else if (!reach(at + 1 + code.jt) || !reach(at + 1 + code.jf)) {
                    return false;
                }
                now = 0xffff;
                break;
            default:
                break;
        }
    }
    return BPF_CLASS(program.back().code) == BPF_RET;
}

/// How many bytes of the frame the program accepts; 0: rejected. `steps`, if given, counts instructions.
inline std::uint32_t run_filter(std::span<const sock_filter> program, const FilteredFrame& frame,
                                std::size_t* steps = nullptr) {
    std::uint32_t a = 0;
    std::uint32_t x = 0;
    std::array<std::uint32_t, BPF_MEMWORDS> slots{};
    for (std::size_t at = 0; at < program.size(); ++at) {
        const sock_filter& code = program[at];
        const std::uint32_t operand = BPF_SRC(code.code) == BPF_X ? x : code.k;
        if (steps) ++*steps;
        switch (BPF_CLASS(code.code)) {
            case BPF_LD: {
                const auto mode = BPF_MODE(code.code);
                if (mode == BPF_IMM) {
                    a = code.k;
                } else if (mode == BPF_MEM) {
                    a = slots.at(code.k);
                } else if (mode == BPF_LEN) {
                    a = static_cast<std::uint32_t>(frame.data.size());
                } else if (code.k == static_cast<std::uint32_t>(SKF_AD_OFF + SKF_AD_VLAN_TAG)) {
                    a = frame.vlan_tci.value_or(0);
                } else if (code.k == static_cast<std::uint32_t>(SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT)) {
                    a = frame.vlan_tci.has_value();
                } else {
                    const std::size_t from = std::size_t{code.k} + (mode == BPF_IND ? x : 0);
                    const auto size = BPF_SIZE(code.code);
                    const std::size_t bytes = size == BPF_W ? 4 : size == BPF_H ? 2 : 1;
                    if (from + bytes > frame.data.size()) return 0;
                    a = 0;
                    for (std::size_t i = 0; i < bytes; ++i) a = a << 8 | frame.data[from + i];
                }
                break;
            }
            case BPF_LDX:
                x = BPF_MODE(code.code) == BPF_MEM ? slots.at(code.k) : code.k;
                break;
            case BPF_ST:
                slots.at(code.k) = a;
                break;
            case BPF_STX:
                slots.at(code.k) = x;
                break;
            case BPF_ALU:
                switch (BPF_OP(code.code)) {
                    case BPF_ADD:
                        a += operand;
                        break;
                    case BPF_SUB:
                        a -= operand;
                        break;
                    case BPF_AND:
                        a &= operand;
                        break;
                    case BPF_OR:
                        a |= operand;
                        break;
                    case BPF_LSH:
                        a <<= operand;
                        break;
                    default:
                        return 0;
                }
                break;
            case BPF_JMP: {
                const auto op = BPF_OP(code.code);
                if (op == BPF_JA) {
                    at += code.k;
                    break;
                }
                const bool jumps = op == BPF_JEQ   ? a == operand
                                   : op == BPF_JGT ? a > operand
                                   : op == BPF_JGE ? a >= operand
                                                   : (a & operand) != 0;
                at += jumps ? code.jt : code.jf;
                break;
            }
            case BPF_RET:
                return code.k;
            default:  // BPF_MISC
                x = a;
        }
    }
    return 0;
}

}  // namespace pktverbs::test
