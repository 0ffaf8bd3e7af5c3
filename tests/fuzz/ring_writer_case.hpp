// SPDX-License-Identifier: Apache-2.0
// ring_writer_case: a producer whose other side writes what it likes into the ring, during the producer's calls.
#pragma once

#include <cstdint>
#include <span>

namespace pktverbs::testing {

/// Runs what `input` says: how the producer is used, and what is written over its ring between any two of its accesses
/// to it. Ends the process if a call doesn't end, if a block is in use twice, or if counts do not add up.
void run_ring_writer_case(std::span<const std::uint8_t> input);

}  // namespace pktverbs::testing
