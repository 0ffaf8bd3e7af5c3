// SPDX-License-Identifier: Apache-2.0
// BpfProgram: classic BPF code with places to jump to that are known later.
#pragma once

#include <linux/filter.h>

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "soft/link/bpf_labels.hpp"

namespace pktverbs::soft::bpf {

inline sock_filter statement(int code, std::uint32_t k) noexcept { return {static_cast<std::uint16_t>(code), 0, 0, k}; }

// Loads into A: a number, from the frame, from the frame at X, from scratch memory, from what the kernel knows besides.
inline sock_filter load(std::uint32_t value) noexcept { return statement(BPF_LD | BPF_IMM, value); }
inline sock_filter load_half(std::uint32_t at) noexcept { return statement(BPF_LD | BPF_H | BPF_ABS, at); }
inline sock_filter load_word(std::uint32_t at) noexcept { return statement(BPF_LD | BPF_W | BPF_ABS, at); }
inline sock_filter load_byte_x(std::uint32_t at) noexcept { return statement(BPF_LD | BPF_B | BPF_IND, at); }
inline sock_filter load_half_x(std::uint32_t at) noexcept { return statement(BPF_LD | BPF_H | BPF_IND, at); }
inline sock_filter load_word_x(std::uint32_t at) noexcept { return statement(BPF_LD | BPF_W | BPF_IND, at); }
inline sock_filter load_slot(std::uint32_t slot) noexcept { return statement(BPF_LD | BPF_MEM, slot); }
inline sock_filter load_length() noexcept { return statement(BPF_LD | BPF_W | BPF_LEN, 0); }
inline sock_filter load_ancillary(int what) noexcept {
    return statement(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(SKF_AD_OFF + what));
}
inline sock_filter store(std::uint32_t slot) noexcept { return statement(BPF_ST, slot); }

inline sock_filter load_x(std::uint32_t value) noexcept { return statement(BPF_LDX | BPF_IMM, value); }
inline sock_filter load_x_slot(std::uint32_t slot) noexcept { return statement(BPF_LDX | BPF_MEM, slot); }
inline sock_filter store_x(std::uint32_t slot) noexcept { return statement(BPF_STX, slot); }
inline sock_filter copy_to_x() noexcept { return statement(BPF_MISC | BPF_TAX, 0); }

/// A = A op k, and A = A op X, with BPF_ADD and its like.
inline sock_filter calculate(int op, std::uint32_t k) noexcept { return statement(BPF_ALU | op | BPF_K, k); }
inline sock_filter calculate_x(int op) noexcept { return statement(BPF_ALU | op | BPF_X, 0); }

/// Ends the program: so many bytes of the frame are taken.
inline sock_filter give(std::uint32_t bytes) noexcept { return statement(BPF_RET | BPF_K, bytes); }

class Program {
public:
    using Label = BpfLabels::Label;

    Label label() { return labels_.make(); }
    /// The label stands for the next instruction.
    void place(Label label) noexcept { labels_.place(label, code_.size()); }

    void add(sock_filter instruction) { code_.push_back(instruction); }
    void add(const std::vector<sock_filter>& code) { code_.insert(code_.end(), code.begin(), code.end()); }

    // Conditional jumps reach 255 instructions, BPF_JA any: so a condition skips, or takes, one of those.
    void jump(Label to) {
        labels_.add_jump(code_.size(), to);
        add(statement(BPF_JMP | BPF_JA, 0));
    }
    /// Compares A with k, or with X: BPF_JGT | BPF_X.
    void jump_if(int comparison, std::uint32_t k, Label to) { jump_over(comparison, k, 0, 1, to); }
    void jump_unless(int comparison, std::uint32_t k, Label to) { jump_over(comparison, k, 1, 0, to); }

    std::size_t size() const noexcept { return code_.size(); }
    /// The code, once all labels have been placed.
    std::vector<sock_filter> finish() && {
        labels_.resolve(
            [this](std::size_t from, std::size_t distance) { code_[from].k = static_cast<std::uint32_t>(distance); });
        return std::move(code_);
    }

private:
    void jump_over(int comparison, std::uint32_t k, std::uint8_t if_true, std::uint8_t if_false, Label to) {
        add({static_cast<std::uint16_t>(BPF_JMP | comparison), if_true, if_false, k});
        jump(to);
    }

    std::vector<sock_filter> code_;
    BpfLabels labels_;
};

}  // namespace pktverbs::soft::bpf
