// SPDX-License-Identifier: Apache-2.0
// Region: memory that the program brings, for a Context to receive into and send from.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>

namespace pktverbs {

/// A value that owns nothing: the memory must stay mapped until the Context that it is registered with is closed. Any
/// memory will do: a vector's, mapped files and huge pages, memory shared with another process (SharedMemory).
class Region {
public:
    Region() noexcept = default;
    /// Of a span, or of what converts to one. Not explicit: where a Region is wanted, memory is what one has.
    template <class Bytes>
    requires(std::convertible_to<Bytes, std::span<std::uint8_t>> && !std::same_as<std::decay_t<Bytes>, Region>)
        Region(Bytes&& bytes)
    noexcept : bytes_{std::forward<Bytes>(bytes)} {}  // NOLINT

    /// A part of a dmabuf, a device's memory, from `offset`: what starts there is named by the addresses `bytes` in
    /// slices and packets. If the program maps the dmabuf, `bytes` is that mapping and can be read; if not, any
    /// addresses of that length that nothing else uses, never to be read. The descriptor must stay open until the
    /// region is registered.
    static Region dmabuf(int fd, std::uint64_t offset, std::span<std::uint8_t> bytes) noexcept {
        Region region{bytes};
        region.fd_ = fd;
        region.offset_ = offset;
        return region;
    }

    std::span<std::uint8_t> bytes() const noexcept { return bytes_; }
    bool is_dmabuf() const noexcept { return fd_ >= 0; }
    int fd() const noexcept { return fd_; }
    std::uint64_t offset() const noexcept { return offset_; }

private:
    std::span<std::uint8_t> bytes_;
    int fd_ = -1;
    std::uint64_t offset_ = 0;
};

}  // namespace pktverbs
