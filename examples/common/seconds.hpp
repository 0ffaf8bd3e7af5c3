// SPDX-License-Identifier: Apache-2.0
// Seconds: as people give them, with a fraction.
#pragma once

#include <chrono>

namespace example {

inline std::chrono::nanoseconds to_nanoseconds(double seconds) {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>{seconds});
}

}  // namespace example
