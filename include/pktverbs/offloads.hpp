// SPDX-License-Identifier: Apache-2.0
// Offloads: what is done to frames on their way, and who does it: the device, or this library.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <pktverbs/export.hpp>

namespace pktverbs {

/// Who does something to frames.
enum class Offload : std::uint8_t {
    off,                 ///< nobody
    device,              ///< the device; opening fails with EOPNOTSUPP if it can't
    software,            ///< this library, in the thread that sends or receives
    device_or_software,  ///< the device if it can, else this library
};

/// "off", "device", "software", "device or software".
PKTVERBS_EXPORT std::string_view to_string(Offload offload) noexcept;

/// Asked for in Options; in Limits what was granted: off, device or software. Raw packets only. What a packet asks for
/// and its queue was not opened with is refused by send(), with EOPNOTSUPP.
struct Offloads {
    /// Fill in the checksums of IPv4 and of TCP or UDP in packets with SendPkt::set_checksums(). In software they are
    /// written to the packet's own memory, and the first chunk must hold all headers.
    Offload send_checksums = Offload::off;
    /// Insert the tag of SendPkt::set_vlan(). In software only: verbs have no word for it.
    Offload insert_vlan = Offload::off;
    /// Cut packets with SendPkt::set_segmentation() into frames. A device cuts TCP, software UDP as well; either fills
    /// in their checksums.
    Offload segmentation = Offload::off;
    /// Verify checksums, for RecvPkt::checksum_ok(). Off: that says what the device finds out anyway, or false. In
    /// software, a pass over each frame that the device says nothing of.
    Offload recv_checksums = Offload::off;
    /// Take the outermost VLAN tag, of type 0x8100, out of received frames, for RecvPkt::vlan(). In software the rest
    /// of the frame is moved.
    Offload strip_vlan = Offload::off;
    /// Put the four bytes of the frame check sequence behind received frames: their buffers need room for them. By the
    /// device only; others never have them.
    bool scatter_fcs = false;

    bool operator==(const Offloads&) const = default;
    /// What isn't off: "send_checksums device, strip_vlan software"; "none".
    PKTVERBS_EXPORT std::string to_string() const;
};

}  // namespace pktverbs
