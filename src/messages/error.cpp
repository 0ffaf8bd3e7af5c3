// SPDX-License-Identifier: Apache-2.0
#include "messages/error.hpp"

#include <pktverbs/verbs/error.hpp>

#include <array>

namespace pktverbs::messages {

namespace {

struct Hint {
    std::string_view verb;
    int error;
    std::string_view text;
};

constexpr std::string_view no_rdma =
    "there is no RDMA device, or rdma_ucm is not loaded: modprobe rdma_ucm; on a plain interface: rdma link add rxe0 "
    "type rxe netdev eth0";
constexpr std::string_view no_access = "no access to /dev/infiniband/rdma_cm: grant it with a udev rule";
constexpr std::string_view no_such_address =
    "no RDMA device has that address, or its interface is down: see rdma link and ip address";
constexpr std::string_view host_unreachable = "the host is not on that network, or is down";

constexpr std::array hints{
    Hint{"create_event_channel", ENODEV, no_rdma},
    Hint{"create_event_channel", ENOENT, no_rdma},
    Hint{"create_event_channel", ENOSYS, no_rdma},
    Hint{"create_event_channel", EPERM, no_access},
    Hint{"create_event_channel", EACCES, no_access},
    Hint{"create_id", ENODEV, no_rdma},
    Hint{"bind_addr", ENODEV, no_such_address},
    Hint{"bind_addr", EADDRNOTAVAIL, no_such_address},
    Hint{"bind_addr", EADDRINUSE, "another program listens at this address"},
    Hint{"bind_addr", EACCES, "ports below 1024 need CAP_NET_BIND_SERVICE"},
    Hint{"listen", EADDRINUSE, "another program listens at this address"},
    Hint{"listen", ENODEV, no_such_address},
    Hint{"resolve_addr", ENODEV, "the route uses no RDMA device: see ip route get and rdma link"},
    Hint{"resolve_addr", ENETUNREACH, "the route uses no RDMA device: see ip route get and rdma link"},
    Hint{"resolve_addr", EHOSTUNREACH, host_unreachable},
    Hint{"resolve_addr", ETIMEDOUT, host_unreachable},
    Hint{"resolve_route", ETIMEDOUT, host_unreachable},
    Hint{"connect", ETIMEDOUT, "no answer: check that the program runs, and that no firewall drops UDP port 4791"},
    Hint{"connect", EINVAL, "the device does not support these options"},
};

}  // namespace

std::string_view cm_error_hint(std::string_view verb, int error) noexcept {
    for (const Hint& hint : hints)
        if (hint.error == error && hint.verb == verb) return hint.text;
    return verbs::error_hint(verb, error);
}

void throw_cm_error(int error, const CmAction& action) {
    verbs::throw_error(error, action.what, cm_error_hint(action.verb, error));
}

std::error_code code_of(const std::exception_ptr& failure) noexcept {
    try {
        std::rethrow_exception(failure);
    } catch (const std::system_error& error) {
        return error.code();
    } catch (...) {
        return std::make_error_code(std::errc::not_enough_memory);
    }
}

int errno_of_status(int status, int otherwise) noexcept {
    constexpr int max_errno = 4095;  // MAX_ERRNO of the kernel's include/linux/err.h
    return status < 0 && status >= -max_errno ? -status : otherwise;
}

int errno_of(ibv_wc_status status) noexcept {
    switch (status) {
        case IBV_WC_RETRY_EXC_ERR:
        case IBV_WC_RNR_RETRY_EXC_ERR:
            return ETIMEDOUT;
        case IBV_WC_LOC_LEN_ERR:
        case IBV_WC_REM_INV_REQ_ERR:
            return EMSGSIZE;
        case IBV_WC_WR_FLUSH_ERR:
        case IBV_WC_REM_OP_ERR:
        case IBV_WC_REM_ABORT_ERR:
            return ECONNRESET;
        case IBV_WC_REM_ACCESS_ERR:
        case IBV_WC_LOC_PROT_ERR:
            return EACCES;
        default:
            return EIO;
    }
}

std::string_view hint_for(ibv_wc_status status, bool sending) noexcept {
    switch (status) {
        case IBV_WC_RETRY_EXC_ERR:
            return "the peer no longer answers: its machine, its program or the network has failed";
        case IBV_WC_RNR_RETRY_EXC_ERR:
            return "the peer has posted no receives for too long";
        case IBV_WC_LOC_LEN_ERR:
            return sending ? "the message is longer than the device can send"
                           : "the peer sent a message longer than Options::message_bytes";
        case IBV_WC_REM_INV_REQ_ERR:
            return "the message is longer than the peer's buffer: lower Options::assumed_peer_message_bytes";
        case IBV_WC_WR_FLUSH_ERR:
            return "the queue pair failed";
        default:
            return {};
    }
}

}  // namespace pktverbs::messages
