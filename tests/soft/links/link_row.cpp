// SPDX-License-Identifier: Apache-2.0
#include "link_row.hpp"

#include <algorithm>

#include "medium.hpp"

namespace pktverbs::testing {

const std::vector<LinkRow>& link_rows() {
    using enum Lack;
    static const std::vector<Lack> memory_of_two{kernel_clock, checksum_word, third_end};
    static const std::vector<LinkRow> rows{
        {"wire", "wire:{}", "wire:{}", make_wire_medium, {back_pressure, kernel_clock}},
        {"packet",
         "packet:left0",
         "packet:right0",
         make_veth_medium,
         {back_pressure, checksum_word},
         namespaces_unavailable,
         200},
        {"packet_queues",
         "packet:left0?queues=3&fanout=cpu&coalesce=1",
         "packet:right0?queues=2&coalesce=1",
         make_veth_medium,
         {back_pressure, checksum_word, flow_order},
         namespaces_unavailable,
         200,
         " with `queues`"},
#ifdef PKTVERBS_XDP
        {"xdp",
         "xdp:left0",
         "xdp:right0",
         make_veth_medium,
         {back_pressure, kernel_clock, checksum_word, third_end},
         xdp_unavailable,
         200},
#endif
        {"tap",
         "tap:tap0?mtu=9000",
         "packet:tap0",
         make_tap_medium,
         {back_pressure, kernel_clock, checksum_word, exact_loss},
         namespaces_unavailable,
         200},
        {"pipe", "pipe:{}", "pipe:{}", make_peer_medium, memory_of_two},
        {"memif_client", "memif:@{}?reconnect=5ms", "memif:@{}?role=server", make_peer_medium, memory_of_two},
        {"memif_server", "memif:@{}?role=server", "memif:@{}?reconnect=5ms", make_peer_medium, memory_of_two},
        {"memif_queues", "memif:@{}?role=server&queues=2", "memif:@{}?reconnect=5ms&queues=2&ring=7&size=256",
         make_peer_medium, memory_of_two},
        {"host",
         "host:left0?take=1",
         "host:right0",
         make_bridge_medium,
         {back_pressure, kernel_clock, checksum_word},
         host_unavailable,
         200},
        {"pcap", "pcap:out=/dev/null", "pcap:out=/dev/null", nullptr, {kernel_clock, checksum_word, live_peer}},
    };
    return rows;
}

std::string_view to_string(Lack lack) {
    switch (lack) {
        case Lack::back_pressure:
            return "back pressure";
        case Lack::kernel_clock:
            return "the kernel's timestamps";
        case Lack::checksum_word:
            return "a word on checksums";
        case Lack::third_end:
            return "a third end";
        case Lack::live_peer:
            return "a device at the other end";
        case Lack::exact_loss:
            return "losses counted once";
        case Lack::flow_order:
            return "order between flows";
    }
    return {};
}

bool LinkRow::has(Lack what) const { return std::ranges::find(lacks, what) == lacks.end(); }

std::string LinkRow::lacks_text() const {
    std::string text;
    for (const Lack lack : lacks) text += (text.empty() ? "" : ", ") + std::string{to_string(lack)};
    return text.empty() ? "nothing" : text;
}

std::vector<LinkRow> links_with(std::initializer_list<Lack> needed) {
    std::vector<LinkRow> found;
    std::ranges::copy_if(link_rows(), std::back_inserter(found), [&](const LinkRow& row) {
        return row.has(Lack::live_peer) && std::ranges::all_of(needed, [&](Lack lack) { return row.has(lack); });
    });
    return found;
}

std::vector<LinkRow> links_without(Lack lacked) {
    std::vector<LinkRow> found = links_with();
    std::erase_if(found, [&](const LinkRow& row) { return row.has(lacked); });
    return found;
}

}  // namespace pktverbs::testing
