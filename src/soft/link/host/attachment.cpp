// SPDX-License-Identifier: Apache-2.0
#include "soft/link/host/attachment.hpp"

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <utility>

#include <fmt/core.h>

#include "base/capability_hints.hpp"
#include "soft/link/host/tc_request.hpp"
#include "soft/link/open_failure.hpp"

namespace pktverbs::soft::host {
namespace {

// Of linux/bpf.h from Linux 6.6 on.
constexpr std::uint32_t tcx_ingress = 46;
constexpr std::uint32_t tcx_egress = 47;
constexpr std::uint32_t before_all = 1U << 3;  // BPF_F_BEFORE

// Filters run in this order; others by default much later (tcf_auto_prio() in net/sched/cls_api.c).
constexpr std::uint32_t copy_priority = 7;
constexpr std::uint32_t take_priority = 8;

[[noreturn]] void fail_to_attach(int error, const Interface& interface) {
    throw OpenFailure{
        error, "attach a BPF program to " + interface.label(),
        error == EPERM ? std::string{net_admin_and_bpf_hint}
                       : fmt::format("before Linux 6.6 that needs CONFIG_NET_SCH_INGRESS and CONFIG_NET_CLS_BPF, and a "
                                     "clsact qdisc: look at tc qdisc show dev {}",
                                     interface.label())};
}

}  // namespace

Attachment::Attachment(std::shared_ptr<const Interface> interface, Hook hook, Redirect redirect, int target)
    : interface_{std::move(interface)} {
    if (!attach_link(hook, redirect, target)) attach_filter(hook, redirect, target);
}

/// Returns false if the kernel has no such links.
bool Attachment::attach_link(Hook hook, Redirect redirect, int target) {
    const FileDescriptor program = load(redirect, target);
    bpf_attr attributes{};
    attributes.link_create.prog_fd = static_cast<std::uint32_t>(program.get());
    attributes.link_create.target_ifindex = static_cast<std::uint32_t>(interface_->index());
    attributes.link_create.attach_type = hook == Hook::ingress ? tcx_ingress : tcx_egress;
    attributes.link_create.flags = redirect == Redirect::copy ? before_all : 0;
    int error = 0;
    // The number is that of an interface in the calling thread's namespace.
    interface_->run([&] {
        link_ = FileDescriptor{call_bpf(BPF_LINK_CREATE, attributes)};
        error = errno;
    });
    if (link_) return true;
    if (error != EINVAL && error != EOPNOTSUPP) fail_to_attach(error, *interface_);
    return false;
}

void Attachment::attach_filter(Hook hook, Redirect redirect, int target) {
    if (redirect == Redirect::take) redirect = Redirect::take_or_pass;
    const FileDescriptor program = load(redirect, target);
    netlink_ = FileDescriptor{interface_->socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE)};
    if (!netlink_) fail_to_attach(errno, *interface_);

    TcRequest qdisc{RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, interface_->index()};
    qdisc.subject().tcm_parent = TC_H_CLSACT;
    qdisc.subject().tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0);
    qdisc.add(TCA_KIND, "clsact");
    if (const int error = qdisc.send(netlink_.get()); error != 0 && error != EEXIST) fail_to_attach(error, *interface_);

    parent_ = TC_H_MAKE(TC_H_CLSACT, hook == Hook::ingress ? TC_H_MIN_INGRESS : TC_H_MIN_EGRESS);
    priority_ = redirect == Redirect::copy ? copy_priority : take_priority;
    const auto handle = static_cast<std::uint32_t>(target);  // no two have the same target
    TcRequest filter{RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, interface_->index()};
    filter.subject().tcm_parent = parent_;
    filter.subject().tcm_handle = handle;
    filter.subject().tcm_info = TC_H_MAKE(priority_ << 16, htons(ETH_P_ALL));
    filter.add(TCA_KIND, "bpf");
    const auto options = filter.enter(TCA_OPTIONS);
    filter.add(TCA_BPF_FD, static_cast<std::uint32_t>(program.get()));
    filter.add(TCA_BPF_NAME, "pktverbs");
    filter.add(TCA_BPF_FLAGS, std::uint32_t{TCA_BPF_FLAG_ACT_DIRECT});
    filter.leave(options);
    if (const int error = filter.send(netlink_.get())) fail_to_attach(error, *interface_);
    handle_ = handle;
}

Attachment::~Attachment() {
    if (handle_ == 0) return;
    TcRequest filter{RTM_DELTFILTER, 0, interface_->index()};
    filter.subject().tcm_parent = parent_;
    filter.subject().tcm_handle = handle_;
    filter.subject().tcm_info = TC_H_MAKE(priority_ << 16, htons(ETH_P_ALL));
    filter.add(TCA_KIND, "bpf");
    filter.send(netlink_.get());
}

}  // namespace pktverbs::soft::host
