// SPDX-License-Identifier: Apache-2.0
// Recording: a device, a ring and a file, with a thread on each side of the ring.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include <pktverbs/pktverbs.hpp>
#include <pktverbs/ring/block_ring.hpp>
#include <pktverbs/ring/ring_receiver.hpp>
#include "arguments.hpp"
#include "counts.hpp"
#include "disk_thread.hpp"
#include "receive_thread.hpp"
#include "report_line.hpp"
#include "summary.hpp"

namespace capture {

class Recording {
public:
    /// Throws if the device, the ring, the flows or the file cannot be made. `interrupt` is the user's request to end:
    /// it ends run(), and waiting for a reader of the output.
    Recording(const Arguments& arguments, const pktverbs::Device& device, std::stop_token interrupt = {});

    Recording(const Recording&) = delete;
    Recording& operator=(const Recording&) = delete;
    ~Recording();

    /// "capturing on packet:eth0 (02:00:00:00:00:01), 239.2.1.150:7148, into 64 blocks of 256 slots, ...".
    std::string describe() const;

    /// Called once a second from run(), in place of printing a line.
    using Report = std::function<void(const std::string& line, const Counts& counts)>;
    void set_report(Report report) { report_ = std::move(report); }

    /// Runs until `stop`, an interrupt, a limit of the arguments, or a failure. Prints a line a second.
    void run(const std::stop_token& stop = {});
    /// Ends the recording: writes everything that was received to the file.
    Summary finish();
    /// Valid after finish().
    const FlowSequences& sequences() const noexcept { return sequences_; }
    /// Throws the error that ended the recording early.
    void check() const;

private:
    std::vector<pktverbs::Flow> install();
    Counts counts() const;

    const Arguments& args_;
    std::stop_token interrupt_;
    std::stop_source stop_;
    FlowSequences sequences_;
    pktverbs::BlockRing ring_;
    pktverbs::Context ctx_;
    std::vector<pktverbs::Flow> flows_;
    std::optional<pktverbs::RingReceiver> receiver_;
    RecordedFiles files_;  // when nothing else can fail any more
    std::chrono::system_clock::time_point started_;
    ReportLine::Clock::time_point start_;
    std::optional<DiskThread> disk_;
    std::optional<ReceiveThread> receive_;
    pktverbs::Outcome outcome_ = pktverbs::Outcome::stopped;
    bool adds_up_ = true;
    Report report_;
};

}  // namespace capture
