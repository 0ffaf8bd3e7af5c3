// SPDX-License-Identifier: Apache-2.0
// NetworkNamespace: a separate network to test in; VethPair: two of them, joined by a cable.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <pktverbs/address/mac_address.hpp>

namespace pktverbs::test {

/// Has no name, and so leaves nothing behind: it ends, with its interfaces, when the last descriptor, socket or thread
/// in it ends, however the test ends.
class NetworkNamespace {
public:
    /// Why there can be none here, as a text for GTEST_SKIP(); empty if there can. The first call may move the process
    /// into a new user namespace, so it must precede the start of other threads.
    static const std::string& unavailable();

    /// Empty but for a loopback interface that is down. Throws std::system_error.
    NetworkNamespace();
    ~NetworkNamespace();
    NetworkNamespace(const NetworkNamespace&) = delete;
    NetworkNamespace& operator=(const NetworkNamespace&) = delete;

    /// Calls a function with the calling thread in the namespace; objects that it opens and threads that it starts are
    /// in the namespace, too.
    template <class Call>
    decltype(auto) run(Call&& call) const {
        const Visit visit{fd_};
        return std::forward<Call>(call)();
    }

    /// Runs ip(8) in the namespace and returns its output. Throws std::runtime_error with its error text.
    std::string ip(std::vector<std::string> arguments) const { return ip(std::move(arguments), {}); }
    /// Several commands, each a line without the word ip, by one process.
    void ip_batch(const std::string& lines) const { ip({"-batch", "-"}, lines); }

    int fd() const noexcept { return fd_; }

private:
    class Visit {
    public:
        explicit Visit(int fd);
        ~Visit();
        Visit(const Visit&) = delete;
        Visit& operator=(const Visit&) = delete;

    private:
        int home_;
    };

    std::string ip(std::vector<std::string> arguments, const std::string& input) const;

    int fd_;
};

class VethPair {
public:
    struct Options {
        unsigned mtu = 1500;
        bool ipv6 = false;  ///< the kernel then sends frames of its own, for multicast listeners
    };

    struct End {
        std::string interface;
        MacAddress mac;
        std::string ipv4;  ///< /24, and the other end's MAC address is known
        std::string ipv6;  ///< /64, the same
        NetworkNamespace name_space{};

        template <class Call>
        decltype(auto) run(Call&& call) const {
            return name_space.run(std::forward<Call>(call));
        }
        void set_up(bool up) const;
        /// Waits until the kernel has noticed the carrier, which takes a while: both ends up, or one down.
        void wait_for_carrier(bool carrier) const;
    };

    /// Both ends up, and the loopback interfaces. Throws.
    VethPair() : VethPair(Options{}) {}
    explicit VethPair(const Options& options);

    End left{"left0", MacAddress{MacAddress::Bytes{2, 0, 0, 0, 0, 1}}, "10.77.0.1", "fd77::1"};
    End right{"right0", MacAddress{MacAddress::Bytes{2, 0, 0, 0, 0, 2}}, "10.77.0.2", "fd77::2"};
};

}  // namespace pktverbs::test
