// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/ring/ring_stats.hpp>

#include <fmt/core.h>

#include <string_view>

namespace pktverbs {

std::string RingStats::to_string() const {
    std::string text =
        fmt::format("placed {} bytes {} blocks {} slots {} missing {}", placed, bytes, blocks, block_slots, missing);
    const auto unless_zero = [&](std::string_view name, std::uint64_t count) {
        if (count != 0) text += fmt::format(" {} {}", name, count);
    };
    unless_zero("duplicate", duplicate);
    unless_zero("late", late);
    unless_zero("wild", wild);
    unless_zero("skipped", skipped);
    unless_zero("restarts", restarts);
    unless_zero("dropped.no_block", no_block);
    unless_zero("dropped.not_matching", not_matching);
    unless_zero("dropped.too_long", too_long);
    unless_zero("dropped.failed", failed);
    unless_zero("overwritten_blocks", overwritten_blocks);
    unless_zero("overwritten_packets", overwritten_packets);
    unless_zero("copied", copied);
    unless_zero("waits", waits);
    unless_zero("recoveries", recoveries);
    unless_zero("consumer_deaths", consumer_deaths);
    return text;
}

}  // namespace pktverbs
