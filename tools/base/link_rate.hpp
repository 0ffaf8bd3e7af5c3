// SPDX-License-Identifier: Apache-2.0
// LinkRate: a rate as it is asked for, which may be a part of the link's speed.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <pktverbs/context.hpp>
#include <pktverbs/time/rate.hpp>
#include "common/command_line.hpp"

namespace tool {

/// "10G", "1.5Mpps", a number of Gb/s, or "50%". A value.
class LinkRate {
public:
    /// nullopt if it is none.
    static std::optional<LinkRate> parse(std::string_view text);

    /// Whether both count the same.
    bool has_unit_of(const LinkRate& other) const;
    /// Bits of frames or packets; for a part of the speed, bits on the wire. Throws example::BadUse if the speed of the
    /// context's link is not known.
    pktverbs::Rate on(const pktverbs::Context& ctx) const;

private:
    std::optional<pktverbs::Rate> rate_;
    double percent_ = 0;
};

/// An option that takes one.
example::CommandLine::Option add_rate(example::CommandLine& app, const std::string& name,
                                      std::optional<LinkRate>& value, const std::string& help);

}  // namespace tool
