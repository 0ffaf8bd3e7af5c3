// SPDX-License-Identifier: Apache-2.0
// RingMapping: a ring's memory, mapped and checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include <pktverbs/memory/shared_memory.hpp>
#include <pktverbs/ring/ring_layout.hpp>

namespace pktverbs {

/// Throws std::system_error (EPROTO) if `memory` does not hold a ring of a known version. Reads every size once.
RingLayout check_ring(std::span<const std::uint8_t> memory, const std::string& name);
/// Makes a ring in memory that is zero and large enough.
void write_ring(std::span<std::uint8_t> memory, const RingLayout& layout) noexcept;

class __attribute__((visibility("hidden"))) RingMapping {
public:
    /// For memory that already holds a ring.
    RingMapping(SharedMemory memory, std::string name);

    const std::string& name() const noexcept { return name_; }
    const SharedMemory& memory() const noexcept { return memory_; }
    const RingView& view() const noexcept { return view_; }

private:
    SharedMemory memory_;
    std::string name_;
    RingView view_;
};

}  // namespace pktverbs
