// SPDX-License-Identifier: Apache-2.0
#include "soft/link/xdp/attachment.hpp"

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/if_link.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <string>

#include <fmt/core.h>

#include "soft/link/xdp/program.hpp"
#include "soft/link/xdp/refusal.hpp"

namespace pktverbs::soft::xdp {
namespace {

std::string attach_hint(int error, const std::string& name) {
    switch (error) {
        case EBUSY:
        case EEXIST:
            return fmt::format(
                "an XDP program is on it already: end the program that attached it, perhaps another of this library, "
                "or "
                "detach it by: ip link set dev {} xdp off; ip -d link show dev {} shows it",
                name, name);
        case EINVAL:
        case E2BIG:
        case ENOSPC:
        case EOPNOTSUPP:
        case ERANGE:
            return "its driver refuses, and dmesg may say why: often the MTU is too large, or there are too many "
                   "queues "
                   "(ethtool -L)";
        default:
            return {};
    }
}

}  // namespace

Attachment::Attachment(const Interface& interface, std::uint32_t queues)
    : sockets_{bpf_map_create(BPF_MAP_TYPE_XSKMAP, "pktverbs", sizeof(std::uint32_t), sizeof(int), queues, nullptr)} {
    if (!sockets_) refuse(errno, "make a map of AF_XDP sockets for", interface);
}

void Attachment::add_socket(const Interface& interface, std::uint32_t queue, int socket) {
    if (bpf_map_update_elem(sockets_.get(), &queue, &socket, BPF_ANY) != 0)
        refuse(errno, "give frames to an AF_XDP socket on", interface);
}

FileDescriptor Attachment::load(std::span<const FlowMatch* const> flows) const {
    const auto program = compile_program(flows, sockets_.get());
    bpf_prog_load_opts options{};
    options.sz = sizeof options;
    options.expected_attach_type = BPF_XDP;
    options.prog_flags = BPF_F_XDP_HAS_FRAGS;
    return FileDescriptor{
        bpf_prog_load(BPF_PROG_TYPE_XDP, "pktverbs", "Apache-2.0", program.data(), program.size(), &options)};
}

void Attachment::attach(const Interface& interface) {
    const FileDescriptor program = load({});
    if (!program)
        refuse(errno, "load an XDP program for", interface, errno == EINVAL ? "it needs Linux 5.18 or later" : "");
    const auto create = [&](std::uint32_t flags) {
        bpf_link_create_opts options{};
        options.sz = sizeof options;
        options.flags = flags;
        return FileDescriptor{bpf_link_create(program.get(), interface.index(), BPF_XDP, &options)};
    };
    link_ = create(0);
    // Some drivers can't do it with all that is set up now; the kernel can.
    if (!link_ && errno == EOPNOTSUPP) link_ = create(XDP_FLAGS_SKB_MODE);
    if (!link_) refuse(errno, "attach an XDP program to", interface, attach_hint(errno, interface.label()));
}

int Attachment::set_flows(std::span<const FlowMatch* const> flows) noexcept try {
    if (!std::ranges::all_of(flows, [](const FlowMatch* flow) { return is_possible(*flow); })) return EOPNOTSUPP;
    const FileDescriptor program = load(flows);
    // The verifier reads a million instructions at most.
    if (!program) return errno == E2BIG ? ENOSPC : errno;
    if (bpf_link_update(link_.get(), program.get(), nullptr) == 0) return 0;
    if (errno != ENOLINK) return errno;
    return flows.empty() ? 0 : ENODEV;
} catch (const std::bad_alloc&) {
    return ENOMEM;
}

}  // namespace pktverbs::soft::xdp
