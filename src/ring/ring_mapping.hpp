// SPDX-License-Identifier: Apache-2.0
// RingMapping: a ring's file, mapped and checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include <pktverbs/ring/block_ring.hpp>
#include <pktverbs/ring/ring_layout.hpp>

#include "base/file_descriptor.hpp"

namespace pktverbs {

/// Throws std::system_error (EPROTO) if `memory` holds no ring that this version knows. Reads every size once.
RingLayout check_ring(std::span<const std::uint8_t> memory, const std::string& name);

class __attribute__((visibility("hidden"))) RingMapping {
public:
    /// Makes a ring in a file that is empty.
    RingMapping(FileDescriptor file, std::string name, const RingGeometry& geometry,
                const BlockRing::Placement& placement);
    /// Maps one that is there.
    RingMapping(FileDescriptor file, std::string name);
    RingMapping(const RingMapping&) = delete;
    RingMapping& operator=(const RingMapping&) = delete;
    ~RingMapping();

    const std::string& name() const noexcept { return name_; }
    int fd() const noexcept { return file_.get(); }
    std::size_t size() const noexcept { return size_; }
    const RingView& view() const noexcept { return view_; }

private:
    /// Unmaps if the rest of a constructor throws.
    struct Mapped {
        std::uint8_t* data = nullptr;
        std::size_t size = 0;
        ~Mapped();
    };
    void map(std::size_t size);

    FileDescriptor file_;
    std::string name_;
    std::size_t size_ = 0;
    Mapped mapped_;
    RingView view_;
};

}  // namespace pktverbs
