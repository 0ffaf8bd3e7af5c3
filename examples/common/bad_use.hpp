// SPDX-License-Identifier: Apache-2.0
// BadUse: what was asked for can't be.
#pragma once

#include <stdexcept>

namespace example {

/// A program that throws it ends with exit status 2. Everything else that goes wrong is 1.
struct BadUse : std::runtime_error {
    using std::runtime_error::runtime_error;
};

}  // namespace example
