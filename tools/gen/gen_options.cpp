// SPDX-License-Identifier: Apache-2.0
#include "gen_options.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <optional>

#include "common/bad_use.hpp"
#include "common/quantity_option.hpp"

namespace tool {

namespace {

using example::BadUse;

std::string take_ramp(const std::string& text, GenOptions& options) {
    const auto dots = text.find("..");
    if (dots != std::string::npos) {
        options.rate = LinkRate::parse(text.substr(0, dots));
        options.ramp_to = LinkRate::parse(text.substr(dots + 2));
        if (options.rate && options.ramp_to && options.rate->has_unit_of(*options.ramp_to)) return {};
    }
    return fmt::format("'{}' is not two rates of one unit, such as 1G..10G, 10kpps..1Mpps", text);
}

/// Takes what a parser makes of a word, and its exception's text for a refusal.
template <class Parser, class Value>
auto taking(Parser parser, Value& value) {
    return [parser, &value](const std::string& text) -> std::string {
        try {
            value = parser(text);
            return {};
        } catch (const std::exception& error) {
            return error.what();
        }
    };
}

}  // namespace

void add_gen_options(example::CommandLine& app, GenOptions& options) {
    using namespace std::chrono_literals;
    auto& load = options.load;
    app.add_option("DEVICE", options.device, "eth0, packet:eth0, ibv:mlx5_0/1, pipe:NAME").required();
    add_flows(app, options.flows, fmt::format("Which packets; several flows take turns (default {})", default_flow));
    app.add_text("--size", taking(Sizes::parse, options.sizes),
                 "Bytes of frames without FCS: 1500, or in turn 64,1500 or 64x7,590x4,1514, or imix (default: 8192 "
                 "bytes of payload, or what the MTU allows)")
        .type_name("SIZES");
    app.add_text("--payload", taking(Payload::parse, options.payload),
                 "What follows the sequence number: zeros (default), count, random, hex:c0ffee, or a file")
        .type_name("PATTERN|FILE");
    const auto rate = add_rate(app, "--rate", options.rate, "10G, 1.5Mpps, 50%, or Gb/s (default: as fast as it goes)");
    app.add_text(
           "--ramp", [&options](const std::string& text) { return take_ramp(text, options); },
           "Instead: from one rate to another, evenly over --time")
        .type_name("FROM..TO")
        .excludes(rate);
    app.add_option("-c,--count", load.count, "End after so many packets").between(1, example::max_packets);
    example::add_duration(app, "-t,--time", load.time, 1ms, example::max_time, "End after so long");
    app.add_option("-q,--queues", options.queues, "Queues, with a thread each, which share the flows (default 1)")
        .between(1, 256);
    add_cpus(app, options.cpus, "the queues' threads");
    app.add_option("--batch", load.batch, "Most packets per call (default 32)").between(1, 1024);
    add_output(app, options.output);
}

void check_gen_options(GenOptions& options) {
    if (options.flows.empty()) options.flows.push_back(Flow::parse(default_flow));
    for (auto at = options.flows.begin(); at != options.flows.end(); ++at)
        if (std::find_if(at + 1, options.flows.end(), [&](const Flow& other) { return other.text == at->text; }) !=
            options.flows.end())
            throw BadUse{fmt::format("the flow {} was given twice: their sequence numbers would be one's", at->text)};
    if (options.flows.size() > 1024) throw BadUse{"more than 1024 flows"};
    if (options.queues > options.flows.size())
        throw BadUse{
            fmt::format("{} queues need as many flows at least (--flow may be repeated), as each flow stays on "
                        "its queue, in order",
                        options.queues)};
    if (options.ramp_to && options.load.time == pktverbs::no_timeout)
        throw BadUse{"--ramp needs --time, over which the rate changes"};
}

}  // namespace tool
