// SPDX-License-Identifier: Apache-2.0
// CaptureFile: capture files in every form, made byte by byte, and a folder for them.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/core.h>

#include <pktverbs/soft/pcap_report.hpp>

#include "frames.hpp"

namespace pktverbs::testing {

/// A folder of a test, which is removed with all that is in it.
class Folder {
public:
    Folder() {
        char name[] = "/tmp/pktverbs-pcap-XXXXXX";
        EXPECT_NE(::mkdtemp(name), nullptr);
        path_ = name;
    }
    ~Folder() { std::filesystem::remove_all(path_); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    std::string operator/(std::string_view name) const { return fmt::format("{}/{}", path_, name); }

private:
    std::string path_;
};

inline void write_file(const std::string& path, const Bytes& bytes) {
    std::ofstream file{path, std::ios::binary};
    file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}
inline Bytes read_file(const std::string& path) {
    std::ifstream file{path, std::ios::binary};
    return {std::istreambuf_iterator<char>{file}, {}};
}

struct Captured {
    std::uint64_t time_ns;
    Bytes frame;
};

/// The form of a capture file.
struct CaptureForm {
    bool is_pcapng = false;
    bool is_swapped = false;  ///< in the byte order that is not this machine's
    bool is_nano = true;      ///< else times are in microseconds
    std::uint32_t link_type = 1;
    std::uint32_t snap_length = 262144;

    std::string name() const {
        return fmt::format("{}_{}_{}", is_pcapng ? "pcapng" : "pcap", is_swapped ? "swapped" : "native",
                           is_nano ? "nano" : "micro");
    }
    std::uint64_t resolved(std::uint64_t time_ns) const { return is_nano ? time_ns : time_ns / 1000 * 1000; }
};

/// draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng.
class CaptureFile {
public:
    explicit CaptureFile(const CaptureForm& form) : form_{form} {
        if (form.is_pcapng) {
            put<std::uint32_t>({0x0a0d0d0a, 28, 0x1a2b3c4d});
            put<std::uint16_t>({1, 0});
            put<std::uint32_t>({0xffffffff, 0xffffffff, 28});
            put<std::uint32_t>({1, 32});
            put<std::uint16_t>({static_cast<std::uint16_t>(form.link_type), 0});
            put<std::uint32_t>({form.snap_length});
            put<std::uint16_t>({9, 1});  // if_tsresol
            bytes.insert(bytes.end(), {static_cast<std::uint8_t>(form.is_nano ? 9 : 6), 0, 0, 0});
            put<std::uint32_t>({0, 32});
            return;
        }
        put<std::uint32_t>({form.is_nano ? 0xa1b23c4d : 0xa1b2c3d4});
        put<std::uint16_t>({2, 4});
        put<std::uint32_t>({0, 0, form.snap_length, form.link_type});
    }

    CaptureFile& add(const Captured& captured) {
        const auto length = static_cast<std::uint32_t>(captured.frame.size());
        const std::uint32_t padding = form_.is_pcapng ? (4 - length % 4) % 4 : 0;
        const std::uint64_t unit = form_.is_nano ? 1 : 1000;
        const std::uint64_t ticks = captured.time_ns / unit;
        if (form_.is_pcapng) {
            put<std::uint32_t>({6, 32 + length + padding, 0});
            put<std::uint32_t>({static_cast<std::uint32_t>(ticks >> 32), static_cast<std::uint32_t>(ticks)});
        } else {
            const std::uint64_t second = 1'000'000'000 / unit;
            put<std::uint32_t>(
                {static_cast<std::uint32_t>(ticks / second), static_cast<std::uint32_t>(ticks % second)});
        }
        put<std::uint32_t>({length, length});
        bytes.insert(bytes.end(), captured.frame.begin(), captured.frame.end());
        bytes.resize(bytes.size() + padding);
        if (form_.is_pcapng) put<std::uint32_t>({32 + length + padding});
        return *this;
    }
    CaptureFile& add(const std::vector<Captured>& all) {
        for (const Captured& captured : all) add(captured);
        return *this;
    }

    Bytes bytes;

private:
    template <class Number>
    void put(std::initializer_list<Number> numbers) {
        for (const Number number : numbers) {
            const std::size_t at = bytes.size();
            bytes.resize(at + sizeof number);
            std::memcpy(&bytes[at], &number, sizeof number);
            if (form_.is_swapped) std::reverse(bytes.begin() + static_cast<std::ptrdiff_t>(at), bytes.end());
        }
    }

    CaptureForm form_;
};

inline constexpr std::uint64_t first_time = 1'600'000'000'123'456'789;

/// Frames 0, 1, ... of various lengths, that much time apart.
inline std::vector<Captured> numbered(std::uint32_t count, std::chrono::nanoseconds apart = 0ns) {
    std::vector<Captured> all;
    for (std::uint32_t i = 0; i < count; ++i)
        all.push_back({first_time + i * static_cast<std::uint64_t>(apart.count()), frame(i, 60 + i % 5)});
    return all;
}

inline void make_capture(const std::string& path, const std::vector<Captured>& frames, const CaptureForm& form = {}) {
    write_file(path, CaptureFile{form}.add(frames).bytes);
}

inline constexpr std::chrono::seconds patience{20};  ///< a test that needs it has failed

/// Tests that replay need a library that was built with libpcap.
#ifdef PKTVERBS_PCAP
inline constexpr bool can_replay = true;
#else
inline constexpr bool can_replay = false;
#endif
#define PKTVERBS_NEEDS_REPLAY() \
    if (!can_replay) GTEST_SKIP() << "NOT TESTED: this build has no libpcap, so pcap: devices replay nothing"

inline std::string output_of(const std::string& command) {
    std::string said;
    std::FILE* const pipe = ::popen(command.c_str(), "r");
    for (int c; (c = std::fgetc(pipe)) != EOF;) said += static_cast<char>(c);
    EXPECT_EQ(::pclose(pipe), 0) << command;
    return said;
}

inline soft::PcapReport report_of(Context& ctx) {
    const auto report = soft::pcap_report(ctx.raw());
    EXPECT_TRUE(report);
    return report.value_or(soft::PcapReport{});
}

/// A Context that receives every frame.
struct PcapEnd {
    Context ctx;
    Flow flow = ctx.install(FlowRule{});

    explicit PcapEnd(const std::string& device, const Options& options = default_options()) : ctx{device, options} {}

    static Options default_options() {
        return {.send_packets = 64, .recv_packets = 256, .max_packet_size = 9216, .timestamps = true};
    }

    /// All frames, with their times, until `count` have come or the replay has ended.
    std::vector<Captured> receive(std::size_t count) {
        std::vector<Captured> all;
        while (all.size() < count) {
            const RecvList list = ctx.recv(patience);
            if (list.empty()) break;
            for (const RecvPkt& pkt : list)
                all.push_back({static_cast<std::uint64_t>(pkt.timestamp().count()),
                               Bytes{pkt.bytes().begin(), pkt.bytes().end()}});
        }
        return all;
    }
};

}  // namespace pktverbs::testing
