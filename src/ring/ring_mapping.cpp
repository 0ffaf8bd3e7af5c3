// SPDX-License-Identifier: Apache-2.0
#include "ring/ring_mapping.hpp"

#include <fmt/core.h>

#include <cerrno>
#include <new>
#include <string_view>
#include <system_error>
#include <utility>

#include <pktverbs/verbs/error.hpp>

namespace pktverbs {

namespace {

[[noreturn]] void refuse_ring(const std::string& name, std::string_view why) {
    verbs::throw_message(EPROTO, fmt::format("cannot attach to ring {}: {}", name, why));
}

}  // namespace

RingLayout check_ring(std::span<const std::uint8_t> memory, const std::string& name) {
    if (memory.size() < sizeof(RingHeader))
        refuse_ring(name, fmt::format("it has {} bytes, too few for a header", memory.size()));
    const auto& shared = *reinterpret_cast<const RingHeader*>(memory.data());
    const std::uint64_t magic = shared.magic.load(std::memory_order_acquire);
    if (magic == 0) refuse_ring(name, "it was never finished, or is no ring (remove it)");
    if (magic != RingHeader::magic_number) refuse_ring(name, "it is no ring");
    // The other process may change it at any time: so a copy is checked.
    const RingDescription said = shared.description.load();
    if (said.version != RingHeader::version_number)
        refuse_ring(name, fmt::format("it has version {} of the layout, and this library knows {}", said.version,
                                      RingHeader::version_number));
    RingGeometry geometry;
    try {
        geometry = said.geometry.checked();
    } catch (const std::system_error& error) {
        refuse_ring(name, fmt::format("its sizes are impossible: {}", error.what()));
    }
    const RingLayout layout{geometry};
    if (said != layout.description()) refuse_ring(name, "its offsets do not belong to its sizes");
    if (memory.size() < layout.total_bytes)
        refuse_ring(name, fmt::format("it is cut short: {} of {} bytes", memory.size(), layout.total_bytes));
    return layout;
}

void write_ring(std::span<std::uint8_t> memory, const RingLayout& layout) noexcept {
    auto* const header = new (memory.data()) RingHeader{};
    header->description = layout.description();
    // States and blocks are zero: free, without a number yet.
    header->magic.store(RingHeader::magic_number, std::memory_order_release);
}

RingMapping::RingMapping(SharedMemory memory, std::string name)
    : memory_{std::move(memory)},
      name_{std::move(name)},
      view_{memory_.data(), check_ring({memory_.data(), memory_.size()}, name_)} {}

}  // namespace pktverbs
