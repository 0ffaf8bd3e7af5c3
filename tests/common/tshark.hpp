// SPDX-License-Identifier: Apache-2.0
// tshark: frames as Wireshark's dissectors read them.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/file_descriptor.hpp"

namespace pktverbs::test {

inline bool has_tshark() {
    static const bool found = std::system("tshark --version > /dev/null 2>&1") == 0;
    return found;
}

/// Makes it verify checksums, which it doesn't by itself.
inline constexpr const char* tshark_checks =
    "-o ip.check_checksum:TRUE -o tcp.check_checksum:TRUE -o udp.check_checksum:TRUE";

/// Its output with these options.
inline std::string tshark(const std::vector<std::vector<std::uint8_t>>& frames, const std::string& options) {
    char path[] = "/tmp/pktverbs-tshark-XXXXXX";
    const FileDescriptor file{::mkstemp(path)};
    const auto put = [&](const void* from, std::size_t bytes) {
        EXPECT_EQ(::write(file.get(), from, bytes), static_cast<ssize_t>(bytes));
    };
    // The classic format (draft-ietf-opsawg-pcap): link type 1 is Ethernet.
    const std::uint32_t header[] = {0xa1b2c3d4, 4U << 16 | 2U, 0, 0, 65535, 1};
    put(header, sizeof header);
    for (const auto& frame : frames) {
        const auto bytes = static_cast<std::uint32_t>(frame.size());
        const std::uint32_t record[] = {0, 0, bytes, bytes};
        put(record, sizeof record);
        put(frame.data(), frame.size());
    }
    const std::string command = std::string{"tshark -r "} + path + " " + options + " 2>/dev/null";
    std::string said;
    std::FILE* const pipe = ::popen(command.c_str(), "r");
    for (int c; (c = std::fgetc(pipe)) != EOF;) said += static_cast<char>(c);
    EXPECT_EQ(::pclose(pipe), 0) << command;
    ::unlink(path);
    return said;
}

}  // namespace pktverbs::test
