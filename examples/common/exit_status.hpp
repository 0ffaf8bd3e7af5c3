// SPDX-License-Identifier: Apache-2.0
// ExitStatus: how a program ended, for scripts. 1 is any failure, 2 bad arguments: see Cli.
#pragma once

namespace example {

/// A program that did its work to the end succeeds only if what it was asked for happened.
enum ExitStatus : int {
    done = 0,
    nothing_came = 3,  ///< no packet came, or none that could be kept
    packets_lost = 4,  ///< some were
    rate_missed = 5,   ///< they went more slowly than they were to
};

}  // namespace example
