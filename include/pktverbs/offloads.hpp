// SPDX-License-Identifier: Apache-2.0
// Offloads: the work done on frames in passing, and whether the device or this library does it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <pktverbs/export.hpp>

namespace pktverbs {

/// Chooses whether the device or this library does some work on frames.
enum class Offload : std::uint8_t {
    off,                 ///< not done
    device,              ///< by the device; opening fails with EOPNOTSUPP if it can't
    software,            ///< by this library, in the thread that sends or receives
    device_or_software,  ///< by the device if it can, else by this library
};

/// Returns "off", "device", "software" or "device or software".
PKTVERBS_EXPORT std::string_view to_string(Offload offload) noexcept;

/// Selects the work done on raw packets as they are sent and received, and the device or this library to do it. Options
/// asks for it; Limits reports what was granted: off, device or software. If a packet asks for work that its queue was
/// not opened for, send() refuses it with EOPNOTSUPP.
struct Offloads {
    /// Fill in the checksums of IPv4 and of TCP or UDP in packets with SendPkt::set_checksums(). Software writes them
    /// to the packet's own memory, and the first chunk must hold all headers.
    Offload send_checksums = Offload::off;
    /// Insert the tag of SendPkt::set_vlan(). In software only, as verbs have no such request.
    Offload insert_vlan = Offload::off;
    /// Cut packets with SendPkt::set_segmentation() into frames. A device cuts TCP; software cuts UDP as well. Both
    /// fill in the checksums of the frames.
    Offload segmentation = Offload::off;
    /// Verify checksums, for RecvPkt::checksum_ok(). When off, that reports what the device finds out anyway, or false.
    /// In software it costs a pass over each frame whose checksums the device does not report on.
    Offload recv_checksums = Offload::off;
    /// Take the outermost VLAN tag, of type 0x8100, out of received frames, for RecvPkt::vlan(). Software moves the
    /// rest of the frame.
    Offload strip_vlan = Offload::off;
    /// Append the four bytes of the frame check sequence to received frames; their buffers need room for it. Only
    /// devices can: software never sees it.
    bool scatter_fcs = false;

    bool operator==(const Offloads&) const = default;
    /// Returns what is not off, such as "send_checksums device, strip_vlan software"; "none" if all is off.
    PKTVERBS_EXPORT std::string to_string() const;
};

}  // namespace pktverbs
