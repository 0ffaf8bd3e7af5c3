// SPDX-License-Identifier: Apache-2.0
// GenOptions: what gen was asked for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/cpu_list.hpp"
#include "base/flow.hpp"
#include "base/link_rate.hpp"
#include "base/output.hpp"
#include "traffic/payload.hpp"
#include "traffic/sender.hpp"
#include "traffic/sizes.hpp"

namespace tool {

struct GenOptions {
    std::string device;
    std::vector<Flow> flows;
    Sizes sizes;
    Payload payload;
    std::optional<LinkRate> rate, ramp_to;  ///< those of `load`, when the link is known
    SendPlan load;
    std::uint32_t queues = 1;
    CpuList cpus;
    OutputOptions output;
};

/// Adds gen's options to a command line; `options` must live until all is parsed.
void add_gen_options(example::CommandLine& app, GenOptions& options);
/// What can only be judged when all is parsed. Throws example::BadUse.
void check_gen_options(GenOptions& options);

}  // namespace tool
