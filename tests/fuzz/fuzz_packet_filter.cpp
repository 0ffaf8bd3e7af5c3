// SPDX-License-Identifier: Apache-2.0
// Any bytes as flows and frames: the socket filter made from the flows agrees with the reference.
#include <cstdio>
#include <cstdlib>

#include "steering_case.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string difference = compare_filtering({data, size});
    if (!difference.empty()) {
        std::fprintf(stderr, "%s\n", difference.c_str());
        std::abort();
    }
    return 0;
}
