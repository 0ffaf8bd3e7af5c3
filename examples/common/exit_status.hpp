// SPDX-License-Identifier: Apache-2.0
// ExitStatus: exit statuses of the examples, for scripts. 1 is any failure, 2 bad arguments: see CommandLine.
#pragma once

namespace example {

/// Statuses of programs that ended normally, but without the result that was asked for.
enum ExitStatus : int {
    done = 0,
    nothing_came = 3,  ///< no packet was received, or none could be kept
    packets_lost = 4,  ///< some packets were lost
    rate_missed = 5,   ///< packets were sent more slowly than asked for
};

}  // namespace example
