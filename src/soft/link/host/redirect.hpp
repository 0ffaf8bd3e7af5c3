// SPDX-License-Identifier: Apache-2.0
// Redirect: an eBPF program that sends an interface's frames another way.
#pragma once

#include <cstdint>

#include "base/file_descriptor.hpp"

union bpf_attr;

namespace pktverbs::soft::host {

/// A program for the traffic control hooks of an interface (BPF_PROG_TYPE_SCHED_CLS; bpf-helpers(7)).
enum class Redirect {
    copy,          ///< each frame goes on, and a copy out of the target
    take,          ///< each frame goes out of the target instead; without a target it is dropped
    take_or_pass,  ///< the same, but without a target it goes on: it costs a copy of the headers
    receive,       ///< the target receives each frame
};

/// Loads it, for a target by its number. Throws OpenFailure.
FileDescriptor load(Redirect redirect, int target);

/// bpf(2). Returns what that returns, with errno.
int call_bpf(int command, bpf_attr& attributes) noexcept;

}  // namespace pktverbs::soft::host
