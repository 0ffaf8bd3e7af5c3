// SPDX-License-Identifier: Apache-2.0
#include "link_rate.hpp"

#include <fmt/format.h>

#include <charconv>
#include <fstream>

#include "common/bad_use.hpp"

namespace tool {

using pktverbs::Rate;

namespace {

/// In bits per second; 0 if the kernel knows none. sysfs-class-net: "speed", in Mb/s, -1 or an error if unknown.
double speed_of(const std::string& interface) {
    std::ifstream file{"/sys/class/net/" + interface + "/speed"};
    double megabits = 0;
    return !interface.empty() && file >> megabits && megabits > 0 ? 1e6 * megabits : 0;
}

}  // namespace

std::optional<LinkRate> LinkRate::parse(std::string_view text) {
    LinkRate rate;
    if (text.ends_with('%')) {
        const auto* const end = text.data() + text.size() - 1;
        const auto [stop, error] = std::from_chars(text.data(), end, rate.percent_);
        if (error != std::errc{} || stop != end || !(rate.percent_ > 0 && rate.percent_ <= 100)) return {};
        return rate;
    }
    rate.rate_ = Rate::parse(text, Rate::Unit::frame_bits);
    if (!rate.rate_) rate.rate_ = Rate::parse(std::string{text} + 'G', Rate::Unit::frame_bits);
    return rate.rate_ ? std::optional{rate} : std::nullopt;
}

bool LinkRate::has_unit_of(const LinkRate& other) const {
    return rate_.has_value() == other.rate_.has_value() && (!rate_ || rate_->unit() == other.rate_->unit());
}

Rate LinkRate::on(const pktverbs::Context& ctx) const {
    if (rate_) return *rate_;
    const double speed = speed_of(ctx.device().interface);
    if (speed == 0)
        throw example::BadUse{fmt::format("{}%: the speed of {} is not known; give a rate, such as 10G or 1Mpps",
                                          percent_, ctx.device().name)};
    return Rate::wire_bits(speed * percent_ / 100);
}

example::CommandLine::Option add_rate(example::CommandLine& app, const std::string& name,
                                      std::optional<LinkRate>& value, const std::string& help) {
    auto take = [&value](const std::string& text) {
        value = LinkRate::parse(text);
        if (value) return std::string{};
        return fmt::format("'{}' is not a rate from 1 kb/s to 9 Tb/s, such as 10G, 1.5Mpps, 50%, or a number of Gb/s",
                           text);
    };
    return app.add_text(name, take, help).type_name("RATE");
}

}  // namespace tool
