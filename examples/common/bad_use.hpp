// SPDX-License-Identifier: Apache-2.0
// BadUse: arguments that are refused.
#pragma once

#include <stdexcept>

namespace example {

/// A program that throws it ends with exit status 2; all other failures are 1.
struct BadUse : std::runtime_error {
    using std::runtime_error::runtime_error;
};

}  // namespace example
