// SPDX-License-Identifier: Apache-2.0
// InterfaceNews: follows a network interface for a link, and reports its changes to the device.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <vector>

#include <pktverbs/address/ipv6_address.hpp>
#include <pktverbs/address/mac_address.hpp>

#include "interface/interface.hpp"
#include "interface/interface_watch.hpp"
#include "soft/link/link.hpp"

namespace pktverbs::soft {

class InterfaceNews {
public:
    /// Whether the interface's addresses, MAC and IP, are the link's: if not, their changes are no news.
    enum class Addresses { ours, the_other_ends };

    /// Throws std::system_error: ENODEV if the interface is gone, EOPNOTSUPP if it is neither Ethernet nor loopback.
    explicit InterfaceNews(std::shared_ptr<const Interface> interface, Addresses addresses = Addresses::ours);

    /// Readable when take() might have something to report.
    int fd() const noexcept { return watch_.fd(); }
    // As last reported; any thread.
    MacAddress mac() const noexcept { return mac_.load(); }
    std::uint32_t mtu() const noexcept { return mtu_.load(std::memory_order_relaxed); }
    bool up() const noexcept { return up_.load(std::memory_order_relaxed); }
    bool removed() const noexcept { return removed_.load(std::memory_order_relaxed); }

    /// Reads what the kernel has reported, and reports it to `sink`; if that is null, nothing is read. Any thread.
    void take(const std::atomic<Sink*>& sink) noexcept;
    /// Reports, once, that the link is gone for another reason than the interface's end.
    void report_removed(const std::atomic<Sink*>& sink) noexcept;
    /// No report is under way when this returns: for a link that has set its sink to null.
    void settle() noexcept { const std::lock_guard lock{mutex_}; }

private:
    /// A MAC address that is read while it changes.
    class AtomicMac {
    public:
        MacAddress load() const noexcept {
            MacAddress::Bytes bytes;
            const std::uint64_t word = word_.load(std::memory_order_relaxed);
            std::memcpy(bytes.data(), &word, bytes.size());
            return MacAddress{bytes};
        }
        void store(const MacAddress& mac) noexcept {
            std::uint64_t word = 0;
            std::memcpy(&word, mac.bytes().data(), MacAddress::size);
            word_.store(word, std::memory_order_relaxed);
        }

    private:
        std::atomic<std::uint64_t> word_{0};
    };

    void remove(Sink& sink) noexcept;
    void report_state(Sink& sink) noexcept;
    void report_addresses(Sink& sink) noexcept;

    const std::shared_ptr<const Interface> interface_;
    const bool addresses_are_ours_;
    std::mutex mutex_;  ///< of what follows, but for the atomics
    InterfaceWatch watch_;
    LinkState state_;  ///< by watch_, with the next four: what was reported to the device
    std::vector<Ipv6Address> addresses_;
    AtomicMac mac_;
    std::atomic<std::uint32_t> mtu_{0};
    std::atomic<bool> up_{false};
    std::atomic<bool> removed_{false};
};

}  // namespace pktverbs::soft
