// SPDX-License-Identifier: Apache-2.0
// Network: keeps a network namespace, and queries the kernel about the interfaces in it.
#pragma once

#include <linux/if_link.h>
#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <pktverbs/address/ipv6_address.hpp>

#include "base/file_descriptor.hpp"
#include "interface/link_state.hpp"
#include "interface/rtnetlink.hpp"

namespace pktverbs {

/// A socket belongs to the namespace in which it was opened, whichever thread uses it later: so one is opened at the
/// start, and all requests go through it. Any thread, in any namespace.
class Network {
public:
    /// The calling thread's namespace. Throws std::system_error.
    static std::shared_ptr<const Network> current();
    Network(const Network&) = delete;
    Network& operator=(const Network&) = delete;

    /// socket(2) in this namespace, closed by exec. Returns -1 with errno: EPERM if the calling thread is in another
    /// namespace and may not enter this one (setns(2)). Without /proc, namespaces can't be distinguished, and the
    /// socket is opened in the calling thread's.
    int socket(int family, int type, int protocol) const noexcept;
    /// Calls a function in this namespace: by a thread that enters it and ends, unless the calling thread is there.
    /// Throws what the function throws, and std::system_error: EPERM if the namespace may not be entered.
    void run(const std::function<void()>& call) const;
    /// Whether the calling thread is in it.
    bool is_current() const noexcept;
    /// For ioctl(2) about interfaces (netdevice(7)).
    int control_fd() const noexcept { return netlink_.get(); }

    // The following functions wait while interfaces are being changed (the kernel's rtnl_lock): don't call them per
    // packet.

    /// By its name or an alternative one; nullopt if there is none.
    std::optional<LinkState> find_link(std::string_view name) const noexcept;
    /// nullopt with errno on failure: ENODEV if there is none.
    std::optional<LinkState> link(int index) const noexcept;
    /// All interfaces, in the kernel's order. Throws std::bad_alloc.
    std::vector<LinkState> links() const;
    /// The IP addresses of an interface, IPv4 as ::ffff:a.b.c.d. Throws std::bad_alloc.
    std::vector<Ipv6Address> addresses(int index) const;
    std::optional<rtnl_link_stats64> statistics(int index) const noexcept;
    /// Where sysfs has the device behind an interface: "bus/pci/devices/0000:3b:00.0". Empty if there is none, and
    /// before Linux 5.14. Throws std::bad_alloc.
    std::string device_folder(int index) const;

private:
    struct Question;

    Network();
    /// Sends a request and calls visit(message) for each message of the answer. Returns 0 or an errno.
    template <class Visit>
    int ask(Question& question, Visit visit) const;
    template <class Visit>
    int ask_link(int index, Visit visit) const;
    template <class Visit>
    int receive(std::uint32_t sequence, Visit visit) const;

    FileDescriptor namespace_;  ///< none without /proc
    dev_t device_ = 0;          ///< with `inode_`, identifies the namespace (namespaces(7))
    ino_t inode_ = 0;
    FileDescriptor netlink_;
    mutable std::mutex mutex_;  ///< one request at a time
    mutable std::uint32_t sequence_ = 0;
};

}  // namespace pktverbs
