// SPDX-License-Identifier: Apache-2.0
// A steering case: bytes read as frames and flows, for the soft device's steering and the reference.
#pragma once

#include <cstdint>
#include <span>
#include <string>

/// Parses `frame` both ways. Empty if they agree, else the difference.
std::string compare_parsing(std::span<const std::uint8_t> frame);

/// Reads `input` as a few flows and then frames, and runs the socket filter made from the flows on the frames, with an
/// outer VLAN tag in the frame and beside it. Empty if it accepts all frames that the flows match and no others, except
/// those that it may check less closely; else the first difference.
std::string compare_filtering(std::span<const std::uint8_t> input);

/// Reads `input` as a script that adds flows, removes them and steers frames. Empty if both agree throughout, else the
/// first difference.
std::string compare_steering(std::span<const std::uint8_t> input);
