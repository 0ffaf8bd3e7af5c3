// SPDX-License-Identifier: Apache-2.0
#include "output.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <utility>

#include "base/metrics_server.hpp"
#include "base/publication.hpp"
#include "base/whole_file.hpp"

namespace tool {

void add_json(example::CommandLine& app, OutputOptions& options) {
    app.add_flag("--json", options.json, "Print JSON, an object a line");
}

void add_output(example::CommandLine& app, OutputOptions& options) {
    app.add_flag("--json", options.json, "Print JSON: an object a second and one at the end");
    app.add_flag("--quiet", options.quiet, "Print only the totals");
    app.add_option("--metrics", options.metrics_file, "Write metrics to this file every second (Prometheus, textfile)")
        .type_name("FILE");
    app.add_option("--metrics-port", options.metrics_port, "Serve metrics over HTTP").between(1, 65535);
    app.add_option("--metrics-address", options.metrics_address, "Serve them on this address (default 127.0.0.1)")
        .type_name("IP");
    app.add_flag("--publish", options.publish, "Publish the numbers for pktverbs top");
}

bool has_colours() {
    const char* const none = std::getenv("NO_COLOR");
    const char* const term = std::getenv("TERM");
    return ::isatty(STDOUT_FILENO) == 1 && (!none || *none == '\0') && term && std::string_view{term} != "dumb";
}

unsigned columns() {
    winsize size{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col != 0) return size.ws_col;
    return 80;
}

Output::Output(std::string_view subcommand, OutputOptions options)
    : name_{subcommand},
      options_{std::move(options)},
      file_{options_.to_stderr ? stderr : stdout},
      is_terminal_{::isatty(::fileno(file_)) == 1} {
    if (options_.metrics_port != 0)
        server_ = std::make_unique<MetricsServer>(options_.metrics_address, options_.metrics_port);
    if (!options_.metrics_file.empty()) publish({}, {});
    if (options_.publish) publication_ = std::make_unique<Publication>(name_);
}

Output::~Output() {
    if (has_live_line_) fmt::print(file_, "\n");
}

void Output::begin(std::string_view line) {
    if (options_.json || options_.quiet) return;
    fmt::print(file_, "{}\n", line);
    std::fflush(file_);
}

void Output::clear_line() {
    if (has_live_line_) fmt::print(file_, "\r\x1b[K");  // ECMA-48, EL: erase to the end of the line
    has_live_line_ = false;
}

void Output::sample(Record record) {
    const auto now = Clock::now();
    due_ = std::max(due_ + std::chrono::seconds{1}, now);
    record.set("elapsed_s", std::chrono::duration<double>{now - start_}.count());
    publish(record, "report");
}

void Output::report(std::string_view line, Record record) {
    sample(std::move(record));
    if (options_.json || options_.quiet) return;
    clear_line();
    if (is_terminal_) {
        fmt::print(file_, "{}", line.substr(0, columns() - 1));
        has_live_line_ = true;
    } else {
        fmt::print(file_, "{}\n", line);
    }
    std::fflush(file_);
}

void Output::end(std::string_view text, Record record) {
    record.set("elapsed_s", std::chrono::duration<double>{Clock::now() - start_}.count());
    publish(record, "total");
    if (options_.json) return;
    clear_line();
    fmt::print(file_, "{}\n", text);
    std::fflush(file_);
}

void Output::publish(const Record& record, std::string_view event) {
    if (options_.json && !event.empty() && (event == "total" || !options_.quiet)) {
        // The event stands first, where an eye looks for it.
        std::string rest = record.to_json();
        fmt::print(file_, "{{\"event\": \"{}\", {}\n", event, std::string_view{rest}.substr(1));
        std::fflush(file_);
    }
    if (options_.metrics_file.empty() && !server_ && !publication_) return;
    std::string metrics;
    record.add_metrics(metrics, "pktverbs_" + name_);
    if (!options_.metrics_file.empty()) write_whole_file(options_.metrics_file, metrics, 0644);
    if (publication_) publication_->set(std::chrono::duration<double>{Clock::now() - start_}.count(), metrics);
    if (server_) server_->set(metrics + "# EOF\n");
}

}  // namespace tool
