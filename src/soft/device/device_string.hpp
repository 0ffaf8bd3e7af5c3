// SPDX-License-Identifier: Apache-2.0
// DeviceString: the text that names a soft device, read.
#pragma once

#include <string>
#include <string_view>

#include <pktverbs/soft/device.hpp>
#include <pktverbs/verbs/device.hpp>

namespace pktverbs::soft {

struct DeviceString {
    enum class Kind { packet, wire };

    static constexpr std::string_view packet_form = "packet:INTERFACE";
    static constexpr std::string_view wire_form = "wire:NAME[,mac=MAC][,mtu=BYTES][,ip=ADDRESS...][,checksums=verify]";

    /// Whether parse() is the one to ask: "packet" and "wire".
    static bool is_prefix(std::string_view prefix) noexcept;
    /// Throws std::system_error (EINVAL) with the text, the reason, and the forms that the caller reads.
    static DeviceString parse(std::string_view text, std::string_view forms);

    /// Throws std::system_error (ENODEV) if there is no such interface.
    verbs::Device find() const;

    std::string text;
    Kind kind = Kind::packet;
    std::string name;  ///< of the interface or wire
    WireOptions wire;

private:
    verbs::Device named(verbs::Device device) const;
};

}  // namespace pktverbs::soft
