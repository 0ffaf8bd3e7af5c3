// SPDX-License-Identifier: Apache-2.0
// A steering case: bytes taken as frames and flows, given to the soft device's steering and to the reference.
#pragma once

#include <cstdint>
#include <span>
#include <string>

/// Parses `frame` both ways. Empty if they agree, else what differs.
std::string compare_parsing(std::span<const std::uint8_t> frame);

/// Reads `input` as a few flows and then frames, and gives these to the socket filter that is made from those, with an
/// outer VLAN tag in the frame and beside it. Empty if it accepts all frames that the flows want, and none that they
/// don't, but for those that it may look at less closely; else the first difference.
std::string compare_filtering(std::span<const std::uint8_t> input);

/// Reads `input` as a script that adds flows, removes them and steers frames. Empty if both agree all along, else the
/// first difference.
std::string compare_steering(std::span<const std::uint8_t> input);
