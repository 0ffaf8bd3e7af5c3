// SPDX-License-Identifier: Apache-2.0
#include "context/check_options.hpp"

#include <fmt/core.h>

#include <cerrno>
#include <cstdint>

#include <pktverbs/verbs/error.hpp>

#include "net/frame_sizes.hpp"

namespace pktverbs {

namespace {

constexpr std::uint32_t longest_packet = (1U << 24) - 1;
constexpr std::uint32_t max_queues = 1024;

void check(const Layout& layout, std::string_view name, std::size_t least, const Options& options,
           std::string_view device) {
    if (layout.empty()) return;
    if (options.transport == Transport::datagram)
        verbs::throw_message(EOPNOTSUPP,
                             fmt::format("cannot open {}: datagrams take no {} (it is for raw packets)", device, name));
    if (layout.bytes() < least || layout.bytes() > longest_packet)
        verbs::throw_message(EINVAL, fmt::format("cannot open {}: the {} bytes of {} are not between {} and {}", device,
                                                 layout.bytes(), name, least, longest_packet));
}

}  // namespace

void check_options(const Options& options, std::string_view device) {
    if (options.max_packet_size < ethernet_bytes || options.max_packet_size > longest_packet)
        verbs::throw_message(EINVAL, fmt::format("cannot open {}: max_packet_size {} is not between {} and {}", device,
                                                 options.max_packet_size, ethernet_bytes, longest_packet));
    check(options.recv_layout, "recv_layout", 14, options, device);
    check(options.send_layout, "send_layout", 0, options, device);
    if (options.send_packets == none && options.recv_packets == none)
        verbs::throw_message(EINVAL,
                             fmt::format("cannot open {}: neither send nor receive packets are asked for", device));
    if (options.rss && options.transport == Transport::datagram)
        verbs::throw_message(EOPNOTSUPP, fmt::format("cannot open {}: datagrams are not spread over queues (each queue "
                                                     "has an endpoint of its own)",
                                                     device));
    if (options.queues == 0 || options.queues > max_queues)
        verbs::throw_message(EINVAL, fmt::format("cannot open {}: {} queues is not between 1 and {}", device,
                                                 options.queues, max_queues));
}

}  // namespace pktverbs
