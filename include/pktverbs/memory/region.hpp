// SPDX-License-Identifier: Apache-2.0
// Region: memory that is not the library's own.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>

namespace pktverbs {

/// Names memory of the program for a Context to register, to receive into and to send from.
///
/// A value that owns nothing: the memory must stay mapped until the Context is closed. Any memory will do: a vector,
/// mapped files and huge pages, memory shared with another process (SharedMemory).
class Region {
public:
    /// No memory.
    Region() noexcept = default;
    /// Names the memory of a span, or of anything that converts to one. Implicit, so that memory can be passed where a
    /// Region is expected.
    template <class Bytes>
    requires(std::convertible_to<Bytes, std::span<std::uint8_t>> && !std::same_as<std::decay_t<Bytes>, Region>)
        Region(Bytes&& bytes)
    noexcept : bytes_{std::forward<Bytes>(bytes)} {}  // NOLINT

    /// Names a part of a dmabuf (device memory) from `offset` on. Slices and packets refer to it by the addresses
    /// `bytes`. If the program maps the dmabuf, `bytes` is the mapping, which can be read; if not, `bytes` is any range
    /// of addresses of that length that nothing else uses, and must not be read. The descriptor must stay open until
    /// the region is registered.
    static Region dmabuf(int fd, std::uint64_t offset, std::span<std::uint8_t> bytes) noexcept {
        Region region{bytes};
        region.fd_ = fd;
        region.offset_ = offset;
        return region;
    }

    /// Returns the addresses that the region is known by.
    std::span<std::uint8_t> bytes() const noexcept { return bytes_; }
    /// Whether it is a part of a dmabuf.
    bool is_dmabuf() const noexcept { return fd_ >= 0; }
    /// Returns the dmabuf's descriptor; -1 for other memory.
    int fd() const noexcept { return fd_; }
    /// Returns where in the dmabuf the region starts, in bytes.
    std::uint64_t offset() const noexcept { return offset_; }

private:
    std::span<std::uint8_t> bytes_;
    int fd_ = -1;
    std::uint64_t offset_ = 0;
};

}  // namespace pktverbs
