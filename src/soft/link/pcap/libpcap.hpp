// SPDX-License-Identifier: Apache-2.0
// Libpcap: the functions of libpcap that read capture files.
#pragma once

#include <pcap/pcap.h>

namespace pktverbs::soft::pcap {

/// Loaded when the first capture file is opened. Not linked: it brings libdbus and libsystemd into every process that
/// has it (Debian 12), and the drop-in libraries go into other people's programs.
struct Libpcap {
    decltype(&::pcap_fopen_offline_with_tstamp_precision) fopen_offline_with_tstamp_precision;
    decltype(&::pcap_next_ex) next_ex;
    decltype(&::pcap_geterr) geterr;
    decltype(&::pcap_close) close;
    decltype(&::pcap_datalink) datalink;
    decltype(&::pcap_datalink_val_to_name) datalink_val_to_name;
    decltype(&::pcap_datalink_val_to_description) datalink_val_to_description;

    /// Null if this machine has none.
    static const Libpcap* load() noexcept;
};

}  // namespace pktverbs::soft::pcap
