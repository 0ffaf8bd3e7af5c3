// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/format.hpp>
#include <pktverbs/offloads.hpp>

namespace pktverbs {

std::string_view to_string(Offload offload) noexcept {
    switch (offload) {
        case Offload::off:
            return "off";
        case Offload::device:
            return "device";
        case Offload::software:
            return "software";
        case Offload::device_or_software:
            return "device or software";
    }
    return "unknown";
}

std::string Offloads::to_string() const {
    std::string text;
    const auto put = [&](std::string_view name, Offload by) {
        if (by != Offload::off) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, by);
    };
    put("send_checksums", send_checksums);
    put("insert_vlan", insert_vlan);
    put("segmentation", segmentation);
    put("recv_checksums", recv_checksums);
    put("strip_vlan", strip_vlan);
    put("scatter_fcs", scatter_fcs ? Offload::device : Offload::off);
    return text.empty() ? "none" : text;
}

}  // namespace pktverbs
