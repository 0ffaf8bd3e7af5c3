// SPDX-License-Identifier: Apache-2.0
// A ring's producer, by hand or placing by number, while the other side writes over the ring during its calls: every
// call ends, no block is in use twice, and every packet is in one count.
#include <cstddef>
#include <cstdint>

#include "ring_writer_case.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    pktverbs::testing::run_ring_writer_case({data, size});
    return 0;
}
