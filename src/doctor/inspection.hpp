// SPDX-License-Identifier: Apache-2.0
// Inspection: the state of a check() while it runs, and the report that it writes.
#pragma once

#include <infiniband/verbs.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include <pktverbs/doctor/doctor.hpp>

namespace pktverbs::doctor {

/// Where the kernel's files are: below "/", or below a test's directory.
struct Files {
    std::filesystem::path root = "/";

    /// The first line of a file; empty if it can't be read.
    std::string line(const std::string& path) const;
    /// Its decimal number.
    std::optional<std::int64_t> number(const std::string& path) const;
    /// The text after "KEY:" in a file of such lines, without surrounding white space.
    std::string entry(const std::string& path, std::string_view key) const;
};

struct Inspection {
    Report report;
    Options wanted;
    Probe probe = Probe::everything;
    Files files = {};

    // Results that later parts need; nullopt if unknown.
    std::optional<bool> makes_raw_packets = std::nullopt;
    std::optional<bool> registers_memory = std::nullopt;

    void add(std::string what, std::string value, Severity severity = Severity::ok, std::string advice = {}) {
        report.findings.push_back({std::move(what), std::move(value), severity, std::move(advice)});
    }
    /// Bytes of the library's own buffers that a Context with the options needs.
    std::size_t buffer_bytes() const noexcept;
    /// The largest size of a received frame.
    std::size_t room() const noexcept;
};

/// Adds the finding "device" after opening failed.
void no_device(Inspection& inspection, int error, const std::string& reason);
/// The device and its port, by their own report.
void look_at_device(Inspection& inspection, const Device& device, ibv_context* context);
void look_at_port(Inspection& inspection, const Device& device, ibv_context* context);
/// Tries a scratch queue pair, memory, and a flow of each kind.
void probe_device(Inspection& inspection, const Device& device, ibv_context* context);
/// The network interface behind the device.
void look_at_interface(Inspection& inspection, const Device& device);
/// The program and the machine.
void look_at_process(Inspection& inspection);
void look_at_memory(Inspection& inspection);
void look_at_processors(Inspection& inspection, const Device& device);

/// "40 MiB", "512 KiB", "100 bytes": rounded down.
std::string bytes_text(std::uint64_t bytes);

}  // namespace pktverbs::doctor
