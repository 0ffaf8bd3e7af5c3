// SPDX-License-Identifier: Apache-2.0
// Interface: a network interface, found by name once and identified by its number from then on.
#pragma once

#include <linux/if_link.h>
#include <net/if.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <pktverbs/address/ipv6_address.hpp>

#include "interface/link_state.hpp"
#include "interface/network.hpp"

namespace pktverbs {

/// Renaming it changes nothing, nor does another interface that takes over the name. Once it is removed, or moved to
/// another network namespace, every query fails for good. Any thread, in any namespace.
class Interface {
public:
    /// By its name or an alternative one, in the calling thread's network namespace; null if there is none. Throws
    /// std::system_error if the query itself fails.
    static std::shared_ptr<const Interface> find(std::string_view name);
    /// All interfaces in that namespace. Throws the same.
    static std::vector<std::shared_ptr<const Interface>> list();

    /// If the network is null, every query fails.
    Interface(std::shared_ptr<const Network> network, const LinkState& found)
        : network_{std::move(network)}, found_{found}, label_{found.name()} {}

    int index() const noexcept { return found_.index; }
    /// Its state when it was found.
    const LinkState& found() const noexcept { return found_; }
    /// Its first name at that time, for messages.
    const std::string& label() const noexcept { return label_; }
    /// Null for one that was made by hand.
    const std::shared_ptr<const Network>& network() const noexcept { return network_; }
    /// A socket in its network namespace: see Network.
    int socket(int family, int type, int protocol) const noexcept;
    /// Calls a function in its network namespace: see Network. Throws ENODEV without a network.
    void run(const std::function<void()>& call) const;
    bool is_in_this_threads_network() const noexcept { return !network_ || network_->is_current(); }

    /// Its state now; nullopt if it is gone. Waits while interfaces are being changed.
    std::optional<LinkState> state() const noexcept;
    /// Whether frames pass now. Takes no kernel lock.
    bool is_up() const noexcept;
    /// ioctl(2) with a request of netdevice(7) that reads, or one that takes `data` (SIOCETHTOOL). Returns 0 or an
    /// errno.
    int ask(unsigned long request, ifreq& answer, void* data = nullptr) const noexcept;
    /// See Network.
    std::string device_folder() const;
    std::vector<Ipv6Address> addresses() const;
    std::optional<rtnl_link_stats64> statistics() const noexcept;

private:
    int read_name(ifreq& answer) const noexcept;

    std::shared_ptr<const Network> network_;
    LinkState found_;
    std::string label_;
};

}  // namespace pktverbs
