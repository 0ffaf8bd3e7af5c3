// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/soft/pcap_report.hpp>

#include "soft/link/pcap/link.hpp"
#include "soft/nic/nic.hpp"

namespace pktverbs::soft {

std::optional<PcapReport> pcap_report(ibv_context* context) {
    Nic* const nic = find_nic(context);
    if (!nic) return std::nullopt;
    const auto* const link = dynamic_cast<const pcap::PcapLink*>(&nic->link().innermost());
    return link ? std::optional{link->report()} : std::nullopt;
}

}  // namespace pktverbs::soft
