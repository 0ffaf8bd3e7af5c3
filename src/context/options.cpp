// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/format.hpp>
#include <pktverbs/options.hpp>

namespace pktverbs {

namespace {

std::string packets(std::uint32_t count) {
    if (count == none) return "none";
    return count == device_maximum ? "device_maximum" : std::to_string(count);
}

std::string or_chosen(std::uint32_t count) { return count == 0 ? "chosen" : std::to_string(count); }

/// "42 + 8192", or "whole".
std::string chunks(const Layout& layout) {
    std::string text;
    for (const Layout::Chunk& chunk : layout.chunks())
        text += fmt::format("{}{}", text.empty() ? "" : " + ", chunk.bytes);
    return text.empty() ? "whole" : text;
}

/// "by src_ip dst_ip", or "no".
std::string hashed(const std::optional<Rss>& rss) {
    if (!rss) return "no";
    std::string text = "by";
    if (rss->src_ip) text += " src_ip";
    if (rss->dst_ip) text += " dst_ip";
    if (rss->src_port) text += " src_port";
    if (rss->dst_port) text += " dst_port";
    return text;
}

}  // namespace

std::string_view to_string(Transport transport) noexcept {
    switch (transport) {
        case Transport::raw_packet:
            return "raw packet";
        case Transport::datagram:
            return "datagram";
    }
    return "unknown";
}

std::string_view to_string(WaitMode mode) noexcept {
    switch (mode) {
        case WaitMode::block:
            return "block";
        case WaitMode::busy_poll:
            return "busy poll";
        case WaitMode::spin_then_block:
            return "spin then block";
    }
    return "unknown";
}

std::string Options::to_string() const {
    return fmt::format(
        "transport {}, send_packets {}, recv_packets {}, max_packet_size {}, recv_layout {}, send_layout {}, regions "
        "{}, "
        "queues {}, rss {}, max_batch {}, signal_every {}, "
        "max_inline {}, pages {}, local_numa_node {}, require_link {}, timestamps {}, offloads ({}), qkey {:#x}, wait "
        "{}, spin "
        "{} ns",
        transport, packets(send_packets), packets(recv_packets), max_packet_size, chunks(recv_layout),
        chunks(send_layout), regions.size(), queues, hashed(rss), or_chosen(max_batch), or_chosen(signal_every),
        max_inline, pktverbs::to_string(pages), local_numa_node, require_link, timestamps, offloads, qkey, wait,
        spin.count());
}

std::string Limits::to_string() const {
    return fmt::format(
        "mac {}, mtu {}, send_packets {}, recv_packets {}, send_depth {}, recv_depth {}, max_packet_size {}, max_batch "
        "{}, signal_every {}, "
        "max_inline {}, buffer_bytes {}, offloads ({}), timestamps {}, timestamp_clock {}",
        mac, mtu, send_packets, recv_packets, send_depth, recv_depth, max_packet_size, max_batch, signal_every,
        max_inline, buffer_bytes, offloads, timestamps, timestamp_clock);
}

}  // namespace pktverbs
