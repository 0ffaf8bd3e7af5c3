// SPDX-License-Identifier: Apache-2.0
// Output: what a subcommand reports, to a person, a program, a file of metrics and a scraper.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/record.hpp"
#include "common/command_line.hpp"

namespace tool {

class MetricsServer;
class Publication;

/// The options that every subcommand with a running report has.
struct OutputOptions {
    bool json = false;       ///< one object a second and one at the end, on standard output
    bool quiet = false;      ///< only the totals
    bool to_stderr = false;  ///< what else would go to standard output, which has other contents
    std::string metrics_file;
    std::uint16_t metrics_port = 0;  ///< 0: none
    std::string metrics_address = "127.0.0.1";
    bool publish = false;  ///< where `pktverbs top` looks
};
/// Adds --json, --quiet, --metrics, --metrics-port, --metrics-address and --publish. `options` must live until all is
/// parsed.
void add_output(example::CommandLine& app, OutputOptions& options);
/// Adds --json alone, for subcommands that report once.
void add_json(example::CommandLine& app, OutputOptions& options);

/// Whether standard output is a terminal that takes colours: not with NO_COLOR, nor for TERM=dumb.
bool has_colours();
/// The width of the terminal; 80 where there is none.
unsigned columns();

/// Writes reports once a second, and totals at the end.
///
/// On a terminal a running report is one line that changes; into a pipe each is a line. A reader that is slow or gone
/// never stops the data path for longer than one write does.
class Output {
public:
    using Clock = std::chrono::steady_clock;

    /// `subcommand` begins the names of metrics: pktverbs_gen_packets. Throws std::system_error if the port for a
    /// scraper cannot be had, or the file of metrics cannot be written.
    Output(std::string_view subcommand, OutputOptions options);
    Output(const Output&) = delete;
    Output& operator=(const Output&) = delete;
    ~Output();

    bool json() const noexcept { return options_.json; }

    /// A line at the beginning, for a person only: "sending on pipe:a ...".
    void begin(std::string_view line);
    /// When the next running report is due: once a second.
    Clock::time_point due() const noexcept { return due_; }
    bool is_due() const noexcept { return Clock::now() >= due_; }
    /// A running report: `line` for a person, `record` for programs.
    void report(std::string_view line, Record record);
    /// A running report for programs alone, where a person has lines already.
    void sample(Record record);
    /// The report at the end: `text` of any number of lines for a person, without a line feed at its end.
    void end(std::string_view text, Record record);

private:
    void publish(const Record& record, std::string_view event);
    void clear_line();

    std::string name_;
    OutputOptions options_;
    std::FILE* file_;
    bool is_terminal_;
    bool has_live_line_ = false;
    Clock::time_point start_ = Clock::now();
    Clock::time_point due_ = start_ + std::chrono::seconds{1};
    std::unique_ptr<MetricsServer> server_;
    std::unique_ptr<Publication> publication_;
};

}  // namespace tool
