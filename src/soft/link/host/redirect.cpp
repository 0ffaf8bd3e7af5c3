// SPDX-License-Identifier: Apache-2.0
#include "soft/link/host/redirect.hpp"

#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <vector>

#include "base/capability_hints.hpp"
#include "soft/link/open_failure.hpp"

namespace pktverbs::soft::host {
namespace {

// An instruction has an operation, registers, an offset and a number. Register 0 has results, 1 to 5 have arguments; 1
// is the frame at first.
bpf_insn instruction(int code, std::uint8_t to, std::int16_t offset, std::int32_t number) noexcept {
    bpf_insn made{};
    made.code = static_cast<std::uint8_t>(code);
    made.dst_reg = to & 0xf;
    made.off = offset;
    made.imm = number;
    return made;
}
bpf_insn set(std::uint8_t to, std::int32_t number) noexcept {
    return instruction(BPF_ALU64 | BPF_MOV | BPF_K, to, 0, number);
}
bpf_insn call(std::int32_t helper) noexcept { return instruction(BPF_JMP | BPF_CALL, 0, 0, helper); }
bpf_insn skip_unless_negative(std::uint8_t of, std::int16_t instructions) noexcept {
    return instruction(BPF_JMP | BPF_JSGE | BPF_K, of, instructions, 0);
}
bpf_insn end() noexcept { return instruction(BPF_JMP | BPF_EXIT, 0, 0, 0); }

std::vector<bpf_insn> code_of(Redirect redirect, int target) {
    constexpr std::int32_t next_program = TC_ACT_UNSPEC;  // TCX_NEXT is the same
    switch (redirect) {
        case Redirect::copy:
            return {set(2, target), set(3, 0), call(BPF_FUNC_clone_redirect), set(0, next_program), end()};
        case Redirect::take:
            return {set(1, target), set(2, 0), call(BPF_FUNC_redirect), end()};
        case Redirect::take_or_pass:
            // Negative without the target; above 0 if that dropped it, because its queue was full.
            return {set(2, target),       set(3, 0), call(BPF_FUNC_clone_redirect), skip_unless_negative(0, 2),
                    set(0, next_program), end(),     set(0, TC_ACT_STOLEN),         end()};
        case Redirect::receive:
            break;
    }
    return {set(1, target), set(2, BPF_F_INGRESS), call(BPF_FUNC_redirect), end()};
}

}  // namespace

int call_bpf(int command, bpf_attr& attributes) noexcept {
    return static_cast<int>(::syscall(SYS_bpf, command, &attributes, sizeof attributes));
}

FileDescriptor load(Redirect redirect, int target) {
    static constexpr char licence[] = "Apache-2.0";  // the helpers want none
    const auto code = code_of(redirect, target);
    bpf_attr attributes{};
    attributes.prog_type = BPF_PROG_TYPE_SCHED_CLS;
    attributes.insns = reinterpret_cast<std::uintptr_t>(code.data());
    attributes.insn_cnt = static_cast<std::uint32_t>(code.size());
    attributes.license = reinterpret_cast<std::uintptr_t>(licence);
    FileDescriptor program{call_bpf(BPF_PROG_LOAD, attributes)};
    if (program) return program;
    const int error = errno;
    throw OpenFailure{error, "load a BPF program",
                      error == EPERM ? std::string{net_admin_and_bpf_hint}
                                     : "the kernel needs CONFIG_BPF_SYSCALL and CONFIG_NET_CLS_BPF"};
}

}  // namespace pktverbs::soft::host
