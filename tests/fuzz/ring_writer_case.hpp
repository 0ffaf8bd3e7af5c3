// SPDX-License-Identifier: Apache-2.0
// ring_writer_case: a producer whose other side writes arbitrary values into the ring during the producer's calls.
#pragma once

#include <cstdint>
#include <span>

namespace pktverbs::testing {

/// Runs the script in `input`: calls to the producer, and writes to its ring between any two of its accesses. Ends the
/// process if a call doesn't end, if a block is in use twice, or if counts do not add up.
void run_ring_writer_case(std::span<const std::uint8_t> input);

}  // namespace pktverbs::testing
