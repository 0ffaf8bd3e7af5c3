// SPDX-License-Identifier: Apache-2.0
// Code: extended BPF instructions (the kernel's Documentation/bpf/standardization/instruction-set.rst), with places to
// jump to that are known later.
#pragma once

#include <linux/bpf.h>

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "soft/link/bpf_labels.hpp"

namespace pktverbs::soft::ebpf {

/// A call destroys r0 to r5, returns in r0 and takes r1 to r5; r10 is the end of the stack.
enum Register : std::uint8_t { r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10 };

/// Of a load or store.
enum Width : std::uint8_t { one_byte = BPF_B, two_bytes = BPF_H, four_bytes = BPF_W, eight_bytes = BPF_DW };

/// Everything is calculated in 64 bits.
class Code {
public:
    using Label = BpfLabels::Label;

    Label label() { return labels_.make(); }
    /// The label stands for the next instruction.
    void place(Label label) noexcept { labels_.place(label, code_.size()); }

    void set(Register to, std::int32_t value) { add(BPF_ALU64 | BPF_MOV | BPF_K, to, r0, 0, value); }
    void set(Register to, Register from) { add(BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0); }
    void set_wide(Register to, std::uint64_t value) { add_wide(to, 0, value); }
    void set_map(Register to, int fd) { add_wide(to, BPF_PSEUDO_MAP_FD, static_cast<std::uint32_t>(fd)); }

    /// to = to OP value, with BPF_ADD and its like.
    void calculate(int op, Register to, std::int32_t value) { add(BPF_ALU64 | op | BPF_K, to, r0, 0, value); }
    void calculate(int op, Register to, Register from) { add(BPF_ALU64 | op | BPF_X, to, from, 0, 0); }
    /// Between the wire's byte order and the machine's, 16 bits.
    void swap16(Register both) { add(BPF_ALU | BPF_END | BPF_TO_BE, both, r0, 0, 16); }

    void load(Width width, Register to, Register base, int at) { add(BPF_LDX | BPF_MEM | width, to, base, at, 0); }
    void store(Width width, Register base, int at, Register from) { add(BPF_STX | BPF_MEM | width, base, from, at, 0); }

    void call(std::int32_t function) { add(BPF_JMP | BPF_CALL, r0, r0, 0, function); }
    void finish(std::int32_t result) {
        set(r0, result);
        exit();
    }
    void exit() { add(BPF_JMP | BPF_EXIT, r0, r0, 0, 0); }

    // Jumps reach 32767 instructions.
    void jump(Label to) { add_jump(BPF_JMP | BPF_JA, r0, r0, 0, to); }
    /// Compares with BPF_JEQ and its like.
    void jump_if(int comparison, Register left, std::int32_t right, Label to) {
        add_jump(BPF_JMP | comparison | BPF_K, left, r0, right, to);
    }
    void jump_if(int comparison, Register left, Register right, Label to) {
        add_jump(BPF_JMP | comparison | BPF_X, left, right, 0, to);
    }

    /// The instructions, once all labels have been placed.
    std::vector<bpf_insn> take() && {
        labels_.resolve(
            [this](std::size_t from, std::size_t distance) { code_[from].off = static_cast<std::int16_t>(distance); });
        return std::move(code_);
    }

private:
    void add(int opcode, Register to, Register from, int offset, std::int32_t value) {
        bpf_insn instruction{};
        instruction.code = static_cast<std::uint8_t>(opcode);
        instruction.dst_reg = static_cast<std::uint8_t>(to & 0xf);
        instruction.src_reg = static_cast<std::uint8_t>(from & 0xf);
        instruction.off = static_cast<std::int16_t>(offset);
        instruction.imm = value;
        code_.push_back(instruction);
    }
    /// The only instruction of two places; `what` says what the number is.
    void add_wide(Register to, std::uint8_t what, std::uint64_t value) {
        add(BPF_LD | BPF_IMM | BPF_DW, to, static_cast<Register>(what), 0, static_cast<std::int32_t>(value));
        add(0, r0, r0, 0, static_cast<std::int32_t>(value >> 32));
    }
    void add_jump(int opcode, Register left, Register right, std::int32_t value, Label to) {
        labels_.add_jump(code_.size(), to);
        add(opcode, left, right, 0, value);
    }

    std::vector<bpf_insn> code_;
    BpfLabels labels_;
};

}  // namespace pktverbs::soft::ebpf
