// SPDX-License-Identifier: Apache-2.0
// The parts of the capture example: from a ring to a file.
#include <chrono>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <pktverbs/context.hpp>
#include <pktverbs/ring/block_ring.hpp>
#include <pktverbs/ring/ring_reader.hpp>
#include <pktverbs/ring/ring_writer.hpp>

#include "block_writer.hpp"
#include "packet_clock.hpp"
#include "recorder.hpp"
#include "scenario.hpp"
#include "temporary_folder.hpp"

namespace pktverbs::testing {

namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t slots = 8;
constexpr RingGeometry geometry{.blocks = 4, .block_slots = slots, .header_bytes = 42, .payload_bytes = 100};

/// Blocks filled by another hand, recorded in this thread.
class Recording final : public Play {
public:
    explicit Recording(bool raw) : raw_{raw} {}
    void run() override {
        capture::BlockWriter file{path_, {.direct = false, .uring = false, .writes_in_flight = 2}};
        const auto recorder =
            raw_ ? capture::make_raw_recorder(file, geometry, TimestampClock::kernel)
                 : capture::make_pcapng_recorder(file, {.name = "test"}, capture::PacketClock{ctx_}, 2);
        RingReader reader{ring_};
        for (int i = 0; i < 6; ++i) {
            fill();
            if (RingBlock block = reader.next(0ns)) recorder->add(std::move(block));
            recorder->poll();
        }
        PKTVERBS_REQUIRE(recorder->finish({}).packets == std::uint64_t{6} * slots && file.error() == 0);
    }

private:
    void fill() {
        const auto block = writer_.open(0);
        PKTVERBS_REQUIRE(block);
        for (std::uint32_t slot = 0; slot < slots; ++slot)
            writer_.set_valid(*block, slot, {.length = 60, .status = 0, .timestamp_ns = 1});
        writer_.hand_over(*block, 0, slots, slots);
    }

    /// One for all scenarios: removing it needs memory and descriptors.
    static const capture::test::TemporaryFolder& folder() {
        static const capture::test::TemporaryFolder one;
        return one;
    }

    bool raw_;
    std::string path_ = folder() / "file";
    Context ctx_{"wire:shortage.capture", Options{.send_packets = 1, .recv_packets = 1, .max_packet_size = 64}};
    BlockRing ring_{geometry};
    RingWriter writer_{ring_};
};

}  // namespace

std::string unavailable() { return {}; }

std::uint64_t allocation_step() { return 1; }

std::vector<Scenario> all_scenarios() {
    return {scenario<Recording>("recording pcapng", false), scenario<Recording>("recording raw", true)};
}

std::vector<Scenario> long_scenarios() { return {}; }

}  // namespace pktverbs::testing
