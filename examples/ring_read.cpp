// SPDX-License-Identifier: Apache-2.0
// Attaches to the ring of ring_recv, reads its blocks and says what is missing in them. May be killed and started
// again.
#include <cstdint>
#include <cstdio>
#include <limits>
#include <string>

#include <pktverbs/async/stop_on_signal.hpp>
#include <pktverbs/format.hpp>
#include <pktverbs/ring/block_ring.hpp>
#include <pktverbs/ring/ring_reader.hpp>
#include <pktverbs/ring/sequence_reader.hpp>

#include "common/command_line.hpp"

namespace {

/// What a program would do with the payloads; pktgen's begin with their number.
bool is_in_its_slot(pktverbs::SequenceReader& numbers, const pktverbs::RingBlock& block, std::uint32_t slot) {
    const auto header = block.header(slot);
    const auto payload = block.payload(slot);
    const auto length = static_cast<std::uint32_t>(header.size() + payload.size());
    std::uint64_t number = 0;
    return numbers.read(header.data(), payload.data(), length, number) && number == block.base() + slot;
}

int read(const std::string& name, std::uint64_t count) {
    const pktverbs::StopOnSignal signals;
    const auto ring = pktverbs::BlockRing::attach(name);
    const auto& geometry = ring.geometry();
    pktverbs::SequenceReader numbers{{.from = pktverbs::SequenceOrigin::udp_payload},
                                     geometry.header_bytes,
                                     geometry.header_bytes + geometry.payload_bytes};
    pktverbs::RingReader reader{ring};
    fmt::print("{}: {}\n", name, ring.geometry());
    std::uint64_t packets = 0;
    std::uint64_t missing = 0;
    std::uint64_t misplaced = 0;
    for (std::uint64_t blocks = 0; blocks < count;) {
        const auto block = reader.next(pktverbs::no_timeout, signals.token());
        if (!block) {
            fmt::print("{}\n", block.outcome());
            if (block.outcome() == pktverbs::RingOutcome::producer_died) continue;  // another one may come
            break;
        }
        ++blocks;
        for (std::uint32_t slot = block.first_slot(); slot < block.end_slot(); ++slot)
            if (block.valid(slot) && !is_in_its_slot(numbers, block, slot)) ++misplaced;
        packets += block.valid_count();
        missing += block.missing();
        fmt::print("block {}: packets {} to {}, missing {}{}\n", block.number(), block.base() + block.first_slot(),
                   block.base() + block.end_slot() - 1, block.missing(), block.abandoned() ? ", half filled" : "");
        std::fflush(stdout);
    }
    fmt::print("{} packets, {} missing, {} not in their slots\n", packets, missing, misplaced);
    return misplaced == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    example::CommandLine app{"Reads the blocks that ring_recv fills.", "ring_read"};
    std::string name = "/pktverbs";
    std::uint64_t count = std::numeric_limits<std::uint64_t>::max();
    bool remove = false;
    app.add_option("--ring", name, "Name of the ring (default /pktverbs)");
    app.add_option("--count", count, "Stop after so many blocks").between(1, example::max_packets);
    app.add_flag("--remove", remove, "Take the ring's name out of /dev/shm instead");
    return app.run(argc, argv, [&] {
        if (!remove) return read(name, count);
        pktverbs::BlockRing::remove(name);
        return 0;
    });
}
