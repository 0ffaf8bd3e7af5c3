// SPDX-License-Identifier: Apache-2.0
// The recorder that writes pcapng.
#include <utility>

#include "pcapng_file.hpp"
#include "recorder.hpp"

namespace capture {

namespace {

class PcapngRecorder final : public Recorder {
public:
    PcapngRecorder(BlockWriter& file, const pktverbs::pcapng::Interface& interface, PacketClock clock,
                   std::size_t pieces, Wanted wanted)
        : file_{file},
          clock_{std::move(clock)},
          wanted_{std::move(wanted)},
          writer_{file, "capture of pktverbs", interface, pieces} {}

    void add(pktverbs::RingBlock block) override {
        clock_.update();
        for (std::uint32_t slot = block.first_slot(); slot < block.end_slot(); ++slot) {
            if (!block.valid(slot)) continue;
            if (wanted_ && !wanted_(block.header(slot), block.payload(slot)))
                ++filtered_;
            else
                writer_.add(block.header(slot), block.payload(slot), clock_.at(block.timestamp(slot)));
        }
    }
    void poll() override {
        writer_.flush();
        file_.poll();
    }

    int error() const noexcept override { return file_.error(); }

    File finish(const pktverbs::pcapng::Statistics& statistics) override {
        const auto packets = writer_.finish(statistics);
        return {packets, writer_.file_bytes(), filtered_};
    }

private:
    BlockWriter& file_;
    PacketClock clock_;
    Wanted wanted_;
    std::uint64_t filtered_ = 0;
    PcapngFile writer_;
};

}  // namespace

std::unique_ptr<Recorder> make_pcapng_recorder(BlockWriter& file, const pktverbs::pcapng::Interface& interface,
                                               PacketClock clock, std::size_t pieces, Wanted wanted) {
    return std::make_unique<PcapngRecorder>(file, interface, std::move(clock), pieces, std::move(wanted));
}

}  // namespace capture
