// SPDX-License-Identifier: Apache-2.0
#include "soft/link/host/redirect.hpp"

#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/capability_hints.hpp"
#include "soft/link/ebpf_code.hpp"
#include "soft/link/open_failure.hpp"

namespace pktverbs::soft::host {
namespace {

std::vector<bpf_insn> code_of(Redirect redirect, int target) {
    using namespace ebpf;
    constexpr std::int32_t next_program = TC_ACT_UNSPEC;  // TCX_NEXT is the same
    Code code;
    const auto passed = code.label();
    switch (redirect) {
        case Redirect::take:
        case Redirect::receive:
            code.set(r1, target);
            code.set(r2, redirect == Redirect::receive ? BPF_F_INGRESS : 0);
            code.call(BPF_FUNC_redirect);
            code.exit();
            break;
        case Redirect::copy:
        case Redirect::take_or_pass:
            // r1 is the frame at first.
            code.set(r2, target);
            code.set(r3, 0);
            code.call(BPF_FUNC_clone_redirect);
            // Negative without the target; above 0 if that dropped it, because its queue was full.
            if (redirect == Redirect::take_or_pass) {
                code.jump_if(BPF_JSLT, r0, 0, passed);
                code.finish(TC_ACT_STOLEN);
            }
            code.place(passed);
            code.finish(next_program);
    }
    return std::move(code).take();
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
