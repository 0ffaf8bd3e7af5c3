// SPDX-License-Identifier: Apache-2.0
// PcapReport: what a "pcap:" device has replayed and recorded.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include <pktverbs/export.hpp>

struct ibv_context;

namespace pktverbs::soft {

/// Reports what a "pcap:" device has replayed from its file `in`, how punctually, and what it has recorded in its file
/// `out`.
struct PcapReport {
    std::uint64_t replayed = 0;  ///< frames that were given to the device, of all rounds
    std::uint64_t rounds = 0;    ///< how often the file was read to its end
    bool ended = false;          ///< whether every frame was replayed, or the file could not be read any further
    /// How long after it was due a frame had been given to the device, received or dropped: the latest, and the mean. 0
    /// with speed=max.
    std::chrono::nanoseconds max_lateness{};
    std::chrono::nanoseconds mean_lateness{};  ///< see max_lateness
    std::string in_error{};                    ///< why the file could not be read to its end; empty if it could
    std::uint64_t recorded = 0;                ///< frames that were written
    std::string out_error{};                   ///< why nothing more is written; empty if all was
};

/// Returns the report of an opened device, Context::raw(); nullopt if that is no "pcap:" device. Any thread, while the
/// context is open.
PKTVERBS_EXPORT std::optional<PcapReport> pcap_report(ibv_context* context);

}  // namespace pktverbs::soft
