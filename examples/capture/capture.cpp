// SPDX-License-Identifier: Apache-2.0
// capture: UDP flows into a ring, and from there to disk as pcapng or raw blocks.
#include <chrono>
#include <csignal>

#include <pktverbs/async/stop_on_signal.hpp>
#include "arguments.hpp"
#include "common/bad_use.hpp"
#include "common/command_line.hpp"
#include "common/exit_status.hpp"
#include "common/find_device.hpp"
#include "recording.hpp"
#include "say.hpp"

namespace {

int record(const capture::Arguments& arguments) {
    constexpr std::chrono::seconds patience{1};
    std::signal(SIGXFSZ, SIG_IGN);  // a limit on file sizes (ulimit -f) is an error like a full disk
    std::signal(SIGPIPE, SIG_IGN);  // see say() and Stream
    const pktverbs::StopOnSignal signals;
    capture::Recording recording{arguments, example::find_device(arguments.device), signals.token()};
    capture::say(arguments.talks_to(), recording.describe() + '\n', patience);
    recording.run();
    const auto summary = recording.finish();
    capture::say(arguments.talks_to(), summary.format(recording.sequences()), patience);
    recording.check();
    if (summary.counts.written == 0) return example::nothing_came;
    return summary.counts.has_losses() ? example::packets_lost : example::done;
}

}  // namespace

int main(int argc, char** argv) {
    example::CommandLine app{"Records UDP flows on disk, by way of a ring of blocks.", "capture"};
    app.footer(
        "capture packet:eth0 --flow 239.2.1.150:7148 --sequence 0:8 -o file.pcapng\n"
        "capture eth4 --flow any:7148 --format raw --blocks 256 --payload 8192 --pin 2,3 -o file.raw\n\n"
        "Rates are those of whole frames: headers included, without FCS, preamble and gap.");
    capture::Arguments arguments;
    capture::add_options(app, arguments);
    return app.run(argc, argv, [&] {
        if (arguments.output.empty()) throw example::BadUse{"--output: the file has no name"};
        return record(arguments);
    });
}
