// SPDX-License-Identifier: Apache-2.0
#ifdef PKTVERBS_PCAP
#include "soft/link/pcap/libpcap.hpp"

#include <dlfcn.h>

#include <optional>

namespace pktverbs::soft::pcap {
namespace {

std::optional<Libpcap> load_libpcap() noexcept {
    // Debian has kept the name of an old version; others have libpcap's own.
    void* library = ::dlopen("libpcap.so.0.8", RTLD_NOW | RTLD_LOCAL);
    if (!library) library = ::dlopen("libpcap.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library) return std::nullopt;
    Libpcap functions{};
    bool has_all = true;
    const auto find = [&](auto& function, const char* name) {
        function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(::dlsym(library, name));
        has_all = has_all && function;
    };
    find(functions.fopen_offline_with_tstamp_precision, "pcap_fopen_offline_with_tstamp_precision");
    find(functions.next_ex, "pcap_next_ex");
    find(functions.geterr, "pcap_geterr");
    find(functions.close, "pcap_close");
    find(functions.datalink, "pcap_datalink");
    find(functions.datalink_val_to_name, "pcap_datalink_val_to_name");
    find(functions.datalink_val_to_description, "pcap_datalink_val_to_description");
    return has_all ? std::optional{functions} : std::nullopt;
}

}  // namespace

const Libpcap* Libpcap::load() noexcept {
    static const std::optional<Libpcap> loaded = load_libpcap();
    return loaded ? &*loaded : nullptr;
}

}  // namespace pktverbs::soft::pcap
#endif
