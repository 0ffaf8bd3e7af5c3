// SPDX-License-Identifier: Apache-2.0
// TapDevice: a tap interface of the kernel, and the descriptor that is its other end.
#pragma once

#include <net/if.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/file_descriptor.hpp"
#include "interface/interface.hpp"
#include "interface/network.hpp"

namespace pktverbs::soft {

/// Frames go through the descriptor one per call, with a VnetHeader before each; the kernel leaves checksums unfinished
/// (Documentation/networking/tuntap.rst).
///
/// Unless it is persistent, the interface ends with the descriptor, also when the program is killed.
class TapDevice {
public:
    /// Makes the interface, or attaches to one that exists: a tap with one queue that no program uses. With "%d" in the
    /// name, the kernel puts a number there. Throws OpenFailure, std::system_error.
    TapDevice(std::shared_ptr<const Network> network, const std::string& name);

    int fd() const noexcept { return fd_.get(); }
    const std::shared_ptr<const Interface>& interface() const noexcept { return interface_; }
    /// The interface was there before.
    bool existed() const noexcept { return existed_; }

    // These throw OpenFailure.
    /// Of the kernel's interface.
    void set_mtu(std::uint32_t mtu);
    void set_up();
    void set_persistent(bool persistent);

    /// Lets more frames wait in the kernel for the descriptor's reader. Only root of the machine may, and not that of a
    /// user namespace (dev_ioctl() in net/core/dev_ioctl.c): for others the queue stays as it is.
    void lengthen_queue() noexcept;

    /// Frames that the kernel sent and found no room for since this was made. Waits while interfaces are being changed.
    std::uint64_t lost() const noexcept;

    static constexpr std::uint32_t min_mtu = 68;
    static constexpr std::uint32_t max_mtu = 65521;  ///< MAX_MTU - ETH_HLEN (tun_net_initialize() in drivers/net/tun.c)

private:
    static constexpr int queue_frames = 4096;  // the kernel's default is 500

    void attach(const std::string& name);
    [[noreturn]] void fail_to_attach(int error, const std::string& name) const;
    void find_interface();
    /// Sets what netdevice(7) has.
    void change(unsigned long request, std::string_view what, const std::function<void(ifreq&)>& fill);

    std::shared_ptr<const Network> network_;
    bool existed_;
    FileDescriptor fd_;
    std::shared_ptr<const Interface> interface_;
    std::uint64_t lost_before_ = 0;
};

}  // namespace pktverbs::soft
