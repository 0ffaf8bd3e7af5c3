// SPDX-License-Identifier: Apache-2.0
// Error: the message for a failed verb, with what to do about it.
#include <pktverbs/verbs/error.hpp>

#include <array>
#include <stdexcept>

#include "base/capability_hints.hpp"
#include "verbs/reason.hpp"

namespace pktverbs::verbs {
namespace {

/// std::system_error puts the errno's text last; here it precedes the hint. A runtime_error holds the text because it
/// copies without throwing.
class Error : public std::system_error {
public:
    Error(int error, const std::string& text) : std::system_error{error, std::generic_category()}, text_{text} {}
    const char* what() const noexcept override { return text_.what(); }

private:
    std::runtime_error text_;
};

struct Hint {
    std::string_view verb;  // a prefix: "query_" matches all queries, "" every verb
    int error;
    std::string_view text;
};

constexpr std::string_view no_access =
    "no access to /dev/infiniband/uverbs*: run as root, or let a udev rule give this user read and write access";
constexpr std::string_view gone =
    "no such interface or device any more: it was removed, renamed, or its driver unloaded";
constexpr std::string_view no_raw_packets =
    "this device has no raw packet queue pairs (SoftRoCE has none): use the soft device packet:INTERFACE";
constexpr std::string_view too_much_work =
    "more work requests or bytes inline than the device grants: ask for fewer packets";
constexpr std::string_view too_many_completions =
    "more completions than the device grants: ask for fewer packets, or entries";
constexpr std::string_view no_steering =
    "no flow steering on this device: for a ConnectX-3, load mlx4_core with log_num_mgm_entry_size=-1";

constexpr std::string_view no_way =
    "no way leads there: look at ip route get and ip neighbour, and at the GID index that it is sent from";
constexpr std::string_view no_shared_receives =
    "this device has no shared receive queues: post receives to each queue pair";
constexpr std::string_view too_many_receives = "more receives or slices than the device grants: ask for fewer";
constexpr std::string_view no_dmabuf =
    "the driver or the kernel can't register dmabufs: map the memory and register that";
constexpr std::string_view no_counters =
    "this device has no counters of flows: install the rule without count(), and count what arrives";
constexpr std::string_view no_datagrams = "this device has no datagram queue pairs (soft devices have none)";

constexpr std::array hints{
    Hint{"open_device", EPERM, net_raw_hint},
    Hint{"open_device", EACCES, no_access},
    Hint{"open_device", ENODEV, gone},
    Hint{"open_device", EADDRINUSE,
         "another program listens at that socket, or the file is no socket: be its client, or take another name"},
    Hint{"open_device", EBUSY,
         "the pipe has two ends already, or another device serves that id or records there: take another"},
    Hint{"open_device", ENOENT, "the folder is not there"},
    Hint{"create_qp", EPERM, net_raw_hint},
    Hint{"create_qp", EOPNOTSUPP, no_raw_packets},
    Hint{"create_qp", ENOSYS, no_raw_packets},
    Hint{"create_qp", EINVAL, too_much_work},
    Hint{"create_qp", ENOMEM, too_much_work},
    Hint{"create_cq", EINVAL, too_many_completions},
    Hint{"create_cq", ENOMEM, too_many_completions},
    Hint{"reg_mr", ENOMEM, locked_memory_hint},
    Hint{"reg_mr", EAGAIN, locked_memory_hint},
    Hint{"reg_mr", EFAULT, "some of that memory is not mapped, or not writable"},
    Hint{"reg_mr", EINVAL, "empty, or open to remote writes or atomics without IBV_ACCESS_LOCAL_WRITE"},
    Hint{"reg_mr", EOPNOTSUPP, "the device doesn't have one of these access flags"},
    Hint{"reg_dmabuf_mr", EOPNOTSUPP, no_dmabuf},
    Hint{"reg_dmabuf_mr", ENOSYS, no_dmabuf},
    Hint{"reg_dmabuf_mr", EBADF, "the descriptor is not a dmabuf's"},
    Hint{"reg_dmabuf_mr", EINVAL, "the descriptor is not a dmabuf's, or it has fewer bytes"},
    Hint{"resize_cq", EINVAL, "more completions are waiting, or fewer are granted, than that"},
    Hint{"resize_cq", EOPNOTSUPP, "this device can't: make the queue as large as it will ever need to be"},
    Hint{"resize_cq", ENOSYS, "this device can't: make the queue as large as it will ever need to be"},
    Hint{"create_ah", EINVAL, no_way},
    Hint{"create_ah", ETIMEDOUT, no_way},
    Hint{"create_ah", EHOSTUNREACH, no_way},
    Hint{"create_ah", ENETUNREACH, no_way},
    Hint{"create_ah", ENODATA, "nothing is at that GID index"},
    Hint{"create_ah", EOPNOTSUPP, no_datagrams},
    Hint{"create_srq", EINVAL, too_many_receives},
    Hint{"create_srq", ENOMEM, too_many_receives},
    Hint{"create_srq", EOPNOTSUPP, no_shared_receives},
    Hint{"create_srq", ENOSYS, no_shared_receives},
    Hint{"modify_srq", EINVAL, "the limit must be below what the queue has room for"},
    Hint{"attach_mcast", EINVAL, "not a multicast address, or not a datagram queue pair"},
    Hint{"attach_mcast", ENOMEM, "the device's groups are full: leave some"},
    Hint{"attach_mcast", EOPNOTSUPP, no_datagrams},
    Hint{"detach_mcast", EINVAL, "it has not joined that group"},
    Hint{"get_async_event", EIO, "the device is gone: its driver was unloaded"},
    Hint{"get_cq_event", EIO, "the device is gone: its driver was unloaded"},
    Hint{"modify_qp", ENODATA, "nothing is at that GID index"},
    Hint{"modify_qp", ETIMEDOUT, no_way},
    Hint{"modify_qp", EHOSTUNREACH, no_way},
    Hint{"modify_qp", ENETUNREACH, no_way},
    Hint{"modify_qp", EINVAL, "the port is down or not Ethernet"},
    Hint{"create_flow", EINVAL, "the device can't match on these fields together, or its port is not Ethernet"},
    Hint{"create_flow", ENOMEM, "the device's flow table is full: install fewer rules"},
    Hint{"create_flow", EEXIST, "a rule with the same fields and priority is already there"},
    Hint{"create_flow", EBUSY, "another program or rule holds that place: try another priority"},
    Hint{"create_flow", EPERM, net_raw_hint},
    Hint{"create_flow", EOPNOTSUPP, no_steering},
    Hint{"create_flow", ENOSYS, no_steering},
    Hint{"create_flow", ENXIO, no_steering},
    Hint{"create_counters", EOPNOTSUPP, no_counters},
    Hint{"create_counters", ENOSYS, no_counters},
    Hint{"attach_counters_point_flow", EOPNOTSUPP, no_counters},
    Hint{"fork_init", EINVAL, "memory is registered already: do it first of all"},
    Hint{"query_", ENODEV, gone},
    Hint{"", EMFILE, "too many open files: raise ulimit -n"},
    Hint{"", ENFILE, "too many open files on this machine: raise fs.file-max"},
};

/// The words between "open", "query the port of" or "create a queue pair" and the object.
std::string_view joint(std::string_view what) {
    const auto last = what.substr(what.rfind(' ') + 1);
    return last == what || last == "of" || last == "for" ? " " : " on ";
}

}  // namespace

std::string_view error_hint(std::string_view verb, int error) noexcept {
    for (const Hint& hint : hints)
        if (hint.error == error && verb.starts_with(hint.verb)) return hint.text;
    return {};
}

void throw_message(int error, const std::string& message) { throw Error{error, message}; }

void throw_error(int error, std::string_view what, std::string_view hint) {
    std::string text = "cannot ";
    text.append(what).append(": ").append(std::generic_category().message(error));
    if (!hint.empty()) text.append(" (").append(hint).append(")");
    throw_message(error, text);
}

void throw_error(int error, const Action& action) {
    std::string what{action.what};
    if (!action.object.empty()) what.append(joint(action.what)).append(action.object);
    const std::string reason = Reason::take(error);
    throw_error(error, what, reason.empty() ? error_hint(action.verb, error) : reason);
}

}  // namespace pktverbs::verbs
