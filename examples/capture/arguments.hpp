// SPDX-License-Identifier: Apache-2.0
// Arguments: the command line of capture.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include <pktverbs/ring/sequence_field.hpp>
#include "block_writer.hpp"
#include "captured_flow.hpp"
#include "recorded_files.hpp"
#include "recorder.hpp"

namespace example {
class CommandLine;
}

namespace capture {

enum class Format : std::uint8_t { pcapng, raw };

/// What to do with packets while all blocks of the ring wait for the disk.
enum class Policy : std::uint8_t { drop, wait, overwrite };

struct Arguments {
    std::string device;
    std::vector<CapturedFlow> flows;
    std::string output;  ///< a path, or "-" for standard output
    Format format = Format::pcapng;
    Policy policy = Policy::drop;
    std::optional<pktverbs::SequenceField> sequence;  ///< counted from the UDP payload
    std::uint32_t blocks = 64;
    std::uint32_t block_slots = 256;
    std::uint32_t payload_bytes = 0;      ///< 0: what the device's MTU allows
    std::chrono::nanoseconds duration{};  ///< 0: no limit
    std::uint64_t count = std::numeric_limits<std::uint64_t>::max();
    std::vector<unsigned> cpus;  ///< of the receiving thread and of the writing one
    WriterOptions writer;
    Wanted wanted;  ///< in a pcapng file
    Rotation rotation;

    /// The descriptor for progress reports: standard output, unless the recording goes there.
    int talks_to() const noexcept { return output == "-" ? 2 : 1; }
};

/// Adds all options of the example. Both must live until they are parsed.
void add_options(example::CommandLine& app, Arguments& arguments);
/// Those of them that say how packets come into the file: --output, --format, --sequence, --policy, the ring, the
/// writes.
void add_file_options(example::CommandLine& app, Arguments& arguments);

}  // namespace capture
