// SPDX-License-Identifier: Apache-2.0
// The recorder that writes pcapng.
#include <chrono>

#include "pcapng_writer.hpp"
#include "recorder.hpp"

namespace capture {

namespace {

class PcapngRecorder final : public Recorder {
public:
    PcapngRecorder(BlockWriter& file, const pcapng::Interface& interface, std::size_t pieces)
        : writer_{file, "capture of pktverbs", interface, pieces} {}

    void add(pktverbs::RingBlock block) override {
        // For devices without timestamps.
        const std::chrono::nanoseconds now{std::chrono::system_clock::now().time_since_epoch()};
        for (std::uint32_t slot = block.first_slot(); slot < block.end_slot(); ++slot) {
            if (!block.valid(slot)) continue;
            const auto time = block.timestamp(slot);
            writer_.add(block.header(slot), block.payload(slot), time.count() != 0 ? time : now);
        }
    }
    void poll() override {}

    File finish(const pcapng::Statistics& statistics) override {
        const auto packets = writer_.finish(statistics);
        return {packets, writer_.file_bytes()};
    }

private:
    PcapngWriter writer_;
};

}  // namespace

std::unique_ptr<Recorder> make_pcapng_recorder(BlockWriter& file, const pcapng::Interface& interface,
                                               std::size_t pieces) {
    return std::make_unique<PcapngRecorder>(file, interface, pieces);
}

}  // namespace capture
