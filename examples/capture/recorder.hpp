// SPDX-License-Identifier: Apache-2.0
// Recorder: writes the blocks of a ring to a file, in one of several formats.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <pktverbs/pcapng/blocks.hpp>
#include <pktverbs/ring/block_ring.hpp>
#include <pktverbs/ring/ring_block.hpp>
#include <pktverbs/verbs/timestamp_clock.hpp>
#include "block_writer.hpp"
#include "packet_clock.hpp"

namespace capture {

/// For one thread at a time. A write that fails ends the file: see BlockWriter::error().
class Recorder {
public:
    virtual ~Recorder() = default;

    /// Writes the block. It may return to the ring some calls later, when it is written.
    virtual void add(pktverbs::RingBlock block) = 0;
    /// Returns written blocks to the ring. Call it while no blocks come.
    virtual void poll() = 0;
    /// See BlockWriter::error().
    virtual int error() const noexcept = 0;

    /// The contents of a finished file.
    struct File {
        std::uint64_t packets = 0;
        std::uint64_t bytes = 0;
        std::uint64_t filtered = 0;  ///< packets that were not wanted in it
    };
    /// Waits for all writes and closes the file, which holds whole packets and whole blocks only. Throws
    /// std::system_error if it cannot be closed.
    virtual File finish(const pktverbs::pcapng::Statistics& statistics) = 0;
};

/// Whether a frame, in two parts, is wanted in a file. Null: all are.
using Wanted = std::function<bool(std::span<const std::uint8_t> header, std::span<const std::uint8_t> rest)>;

/// Writes packets in sequence; see PcapngFile. Times are those of the clock.
std::unique_ptr<Recorder> make_pcapng_recorder(BlockWriter& file, const pktverbs::pcapng::Interface& interface,
                                               PacketClock clock, std::size_t pieces, Wanted wanted = {});
/// Blocks as they are in the ring, after a page that describes them; see RawHeader. They are not copied, so as
/// many stay out of the ring as there are writes in flight. Times are those of the device.
std::unique_ptr<Recorder> make_raw_recorder(BlockWriter& file, const pktverbs::RingGeometry& geometry,
                                            pktverbs::TimestampClock clock);

/// The beginning of a raw file, in this machine's byte order; docs/capture.md describes it.
struct RawHeader {
    static constexpr std::uint64_t magic_number = 0x3154504143565450;  ///< "PTVCAPT1"
    static constexpr std::size_t page_bytes = BlockWriter::alignment;

    std::uint64_t magic = magic_number;
    std::uint32_t version = 1;
    std::uint32_t header_page_bytes = page_bytes;  ///< the first block is here
    std::uint64_t block_stride = 0;                ///< bytes from one block to the next
    std::uint64_t bitmap_offset = 0;               ///< from a block to its validity bitmap
    std::uint64_t slots_offset = 0;                ///< ... to the records of its slots
    std::uint64_t headers_offset = 0;              ///< ... to the first bytes of its frames
    std::uint64_t payloads_offset = 0;             ///< ... to the rest of them
    std::uint32_t slots = 0;                       ///< in a block
    std::uint32_t header_bytes = 0;                ///< most bytes of a frame in the headers
    std::uint32_t payload_bytes = 0;               ///< ... and in the payloads
    std::uint32_t header_stride = 0;               ///< bytes from one header to the next
    std::uint32_t payload_stride = 0;
    std::uint32_t clock = 0;  ///< of the timestamps: a pktverbs::TimestampClock
};
static_assert(sizeof(RawHeader) == 80);

}  // namespace capture
