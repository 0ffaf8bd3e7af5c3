// SPDX-License-Identifier: Apache-2.0
// ring: the rings in /dev/shm: which there are, what is in them, and away with them.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <string>
#include <system_error>
#include <vector>

#include <pktverbs/pcapng/writer.hpp>
#include "base/command.hpp"
#include "base/output.hpp"
#include "base/quantity.hpp"
#include "common/bad_use.hpp"
#include "ring/ring_look.hpp"

namespace tool {

namespace {

using example::BadUse;

struct Arguments {
    std::string verb;
    std::vector<std::string> names;
    std::uint64_t count = std::numeric_limits<std::uint64_t>::max();
    bool packets = false, force = false;
    std::string file;
    OutputOptions output;
};

Record record_of(const RingLook& ring) {
    const auto& geometry = ring.geometry();
    const auto blocks = ring.blocks();
    const auto producer = ring.producer(), consumer = ring.consumer();
    return Record{}
        .set("name", ring.name())
        .set("bytes", ring.bytes())
        .set("blocks", geometry.blocks)
        .set("block_slots", geometry.block_slots)
        .set("header_bytes", geometry.header_bytes)
        .set("payload_bytes", geometry.payload_bytes)
        .set("free_blocks", blocks.free)
        .set("filling_blocks", blocks.filling)
        .set("filled_blocks", blocks.filled)
        .set("reading_blocks", blocks.reading)
        .set("producer", to_string(producer.state))
        .set("producers", producer.generation)
        .set("producer_deaths", producer.deaths)
        .set("handed_over_blocks", producer.blocks)
        .set("consumer", to_string(consumer.state))
        .set("consumers", consumer.generation)
        .set("consumer_deaths", consumer.deaths)
        .set("returned_blocks", consumer.blocks);
}

/// The names of files in /dev/shm that may be rings, in order.
std::vector<std::string> candidates() {
    std::vector<std::string> names;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator{"/dev/shm", error})
        if (entry.is_regular_file(error)) names.push_back('/' + entry.path().filename().string());
    if (error) throw std::system_error{error, "cannot list /dev/shm"};
    std::ranges::sort(names);
    return names;
}

/// Whether a file that cannot be attached begins as a ring does.
bool begins_like_a_ring(const std::string& name) {
    std::uint64_t magic = 0;
    const int fd = ::open(("/dev/shm" + name).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return false;
    const bool has_magic = ::read(fd, &magic, sizeof magic) == sizeof magic;
    ::close(fd);
    return has_magic && magic == pktverbs::RingHeader::magic_number;
}

std::string use_of(std::uint32_t part, std::uint32_t whole) {
    return fmt::format("{} ({})", part, percent(part, whole));
}

int list(const Arguments& args) {
    std::size_t rings = 0;
    const auto head = [&] {
        if (rings++ == 0 && !args.output.json)
            fmt::print("{:<26} {:>9} {:>7} {:>14} {:>9} {:>9}\n", "ring", "size", "blocks", "filled", "producer",
                       "consumer");
    };
    for (const auto& name : candidates()) {
        try {
            const RingLook ring{name};
            head();
            const auto blocks = ring.blocks();
            if (args.output.json)
                fmt::print("{}\n", record_of(ring).to_json());
            else
                fmt::print("{:<26} {:>9} {:>7} {:>14} {:>9} {:>9}\n", name, bytes(static_cast<double>(ring.bytes())),
                           ring.geometry().blocks, use_of(blocks.filled, ring.geometry().blocks),
                           to_string(ring.producer().state), to_string(ring.consumer().state));
        } catch (const std::system_error& error) {
            if (!begins_like_a_ring(name)) continue;
            head();
            if (args.output.json)
                fmt::print("{}\n", Record{}.set("name", name).set("error", error.what()).to_json());
            else
                fmt::print("{:<26} {}\n", name, error.what());
        }
    }
    if (rings == 0 && !args.output.json) fmt::print("no ring is in /dev/shm\n");
    return done;
}

std::string side_text(const RingLook::Side& side, const char* did) {
    return fmt::format("{}; {} came so far, of which {} died; {} blocks {}", to_string(side.state), side.generation,
                       side.deaths, side.blocks, did);
}

int describe(const Arguments& args) {
    for (const auto& name : args.names) {
        const RingLook ring{name};
        if (args.output.json) {
            fmt::print("{}\n", record_of(ring).to_json());
            continue;
        }
        const auto blocks = ring.blocks();
        const auto& geometry = ring.geometry();
        fmt::print("{}: {}\n", ring.name(), bytes(static_cast<double>(ring.bytes())));
        fmt::print("  blocks    {} of {} slots: {} free, {} being filled, {} filled, {} being read\n", geometry.blocks,
                   geometry.block_slots, blocks.free, blocks.filling, blocks.filled, blocks.reading);
        fmt::print("  slots     headers {} bytes every {}, payloads {} bytes every {}\n", geometry.header_bytes,
                   geometry.header_stride, geometry.payload_bytes, geometry.payload_stride);
        fmt::print("  producer  {}\n", side_text(ring.producer(), "handed over"));
        fmt::print("  consumer  {}\n", side_text(ring.consumer(), "returned"));
    }
    return done;
}

std::string block_text(const RingLook::Block& block) {
    const auto& header = block.header;
    const auto slots = header.end_slot - header.first_slot;
    std::string text = fmt::format("block {}: ", block.number);
    text += slots == 0 ? "no slots"
                       : fmt::format("packets {} to {}, {} missing", header.base + header.first_slot,
                                     header.base + header.end_slot - 1, slots - header.valid_slots);
    if ((header.flags & pktverbs::RingBlockHeader::flag_abandoned) != 0) text += ", half filled: its producer died";
    if ((header.flags & pktverbs::RingBlockHeader::flag_discontinuous) != 0) text += ", numbers start again";
    return text;
}

Record block_record(const RingLook::Block& block) {
    const auto& header = block.header;
    return Record{}
        .set("block", block.number)
        .set("base", header.base)
        .set("first_slot", header.first_slot)
        .set("end_slot", header.end_slot)
        .set("packets", header.valid_slots)
        .set("missing", header.end_slot - header.first_slot - header.valid_slots)
        .set("abandoned", (header.flags & pktverbs::RingBlockHeader::flag_abandoned) != 0)
        .set("discontinuous", (header.flags & pktverbs::RingBlockHeader::flag_discontinuous) != 0);
}

/// Prints a line for each of the block's packets, or adds them to a file.
void show_packets(const RingLook& ring, const RingLook::Block& block, bool json, pktverbs::PcapngWriter* writer) {
    for (std::uint32_t slot = block.header.first_slot; slot != block.header.end_slot; ++slot) {
        if (!block.has(slot)) continue;
        const auto& info = block.slots[slot];
        const auto number = block.header.base + slot;
        if (writer)
            writer->add(ring.header(block, slot), ring.payload(block, slot),
                        std::chrono::nanoseconds{static_cast<std::int64_t>(info.timestamp_ns)});
        else if (json)
            fmt::print("{}\n", Record{}
                                   .set("packet", number)
                                   .set("bytes", info.length)
                                   .set("timestamp_ns", info.timestamp_ns)
                                   .to_json());
        else
            fmt::print("  packet {}: {} bytes, at {}.{:09} s\n", number, info.length, info.timestamp_ns / 1'000'000'000,
                       info.timestamp_ns % 1'000'000'000);
    }
}

/// A file to write, or standard output.
class OutputFile {
public:
    explicit OutputFile(const std::string& name)
        : fd_{name == "-" ? STDOUT_FILENO : ::open(name.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)} {
        if (fd_ < 0) throw std::system_error{errno, std::generic_category(), fmt::format("cannot write {}", name)};
    }
    OutputFile(const OutputFile&) = delete;
    OutputFile& operator=(const OutputFile&) = delete;
    ~OutputFile() {
        if (fd_ != STDOUT_FILENO) ::close(fd_);
    }
    int fd() const noexcept { return fd_; }

private:
    int fd_;
};

int dump(const Arguments& args) {
    const RingLook ring{args.names.front()};
    std::optional<OutputFile> file;
    std::optional<pktverbs::PcapngWriter> writer;
    if (!args.file.empty()) {
        file.emplace(args.file);
        writer.emplace(file->fd(), "pktverbs ring", pktverbs::pcapng::Interface{.name = ring.name()});
    }
    const bool prints = args.file != "-";
    std::uint64_t blocks = 0, gone = 0;
    for (const auto index : ring.handed_over()) {
        if (blocks == args.count) break;
        const auto block = ring.copy(index, writer.has_value());
        if (!block) {
            ++gone;
            continue;
        }
        ++blocks;
        if (prints) fmt::print("{}\n", args.output.json ? block_record(*block).to_json() : block_text(*block));
        if (args.packets || writer) show_packets(ring, *block, args.output.json, writer ? &*writer : nullptr);
    }
    if (writer && !writer->flush())
        throw std::system_error{writer->error(), std::generic_category(), fmt::format("cannot write {}", args.file)};
    if (gone > 0) fmt::print(stderr, "{} blocks were taken away, or changed, while they were read\n", gone);
    if (blocks == 0 && prints && !args.output.json) fmt::print("no block of {} waits for its consumer\n", ring.name());
    return done;
}

int remove(const Arguments& args) {
    bool all_went = true;
    for (const auto& name : args.names) {
        try {
            const RingLook ring{name};
            if (ring.is_in_use() && !args.force)
                throw std::runtime_error{
                    fmt::format("{} is in use; --force removes its name all the same", ring.name())};
            pktverbs::BlockRing::remove(ring.name());
        } catch (const std::exception& error) {
            all_went = false;
            fmt::print(stderr, "pktverbs ring: {}\n", error.what());
        }
    }
    return all_went ? done : failed;
}

int act(const Arguments& args) {
    const auto refuse = [&](bool is_given, const char* what, const char* verb) {
        if (is_given && args.verb != verb) throw BadUse{fmt::format("{} is for {}, not for {}", what, verb, args.verb)};
    };
    refuse(args.force, "--force", "rm");
    refuse(args.packets, "--packets", "dump");
    refuse(!args.file.empty(), "--output", "dump");
    refuse(args.count != std::numeric_limits<std::uint64_t>::max(), "--count", "dump");
    if (args.verb == "ls" && !args.names.empty()) throw BadUse{"ls lists all rings; stat NAME describes one"};
    if (args.verb != "ls" && args.names.empty()) throw BadUse{fmt::format("{} needs the name of a ring", args.verb)};
    if (args.verb == "dump" && args.names.size() != 1) throw BadUse{"dump needs the name of one ring"};
    if (args.verb == "ls") return list(args);
    if (args.verb == "stat") return describe(args);
    return args.verb == "dump" ? dump(args) : remove(args);
}

}  // namespace

int ring(int argc, char** argv) {
    example::CommandLine app{
        "Looks at the rings in /dev/shm: ls lists them, stat describes some, dump shows the blocks that wait for a "
        "consumer without taking them, rm removes their names.",
        argv[0]};
    app.footer(
        "pktverbs ring ls\n"
        "pktverbs ring dump /pktverbs -o waiting.pcapng\n"
        "pktverbs ring rm /pktverbs\n\n"
        "Exit status: 0 all was well; 1 it failed, or a ring is in use (rm); 2 wrong arguments.");
    Arguments args;
    app.add_option("VERB", args.verb, "ls, stat, dump or rm").required().one_of({"ls", "stat", "dump", "rm"});
    app.add_option("NAME", args.names, "of rings, with or without a slash");
    app.add_option("-c,--count", args.count, "dump: no more blocks than this").between(1, example::max_packets);
    app.add_flag("--packets", args.packets, "dump: a line for each packet, too");
    app.add_option("-o,--output", args.file, "dump: write the packets as pcapng; - is standard output")
        .type_name("FILE");
    app.add_flag("--force", args.force, "rm: also those that are in use");
    add_json(app, args.output);
    return app.run(argc, argv, [&] { return act(args); });
}

}  // namespace tool
