// SPDX-License-Identifier: Apache-2.0
// Report: findings as text and as JSON.
#include <fmt/core.h>

#include <algorithm>
#include <iterator>

#include <pktverbs/doctor/doctor.hpp>

#include "base/json.hpp"

namespace pktverbs {

std::string_view to_string(Severity severity) noexcept {
    constexpr std::string_view names[] = {"ok", "warning", "problem"};
    const auto index = static_cast<std::size_t>(severity);
    return index < std::size(names) ? names[index] : "unknown";
}

Severity Report::severity() const noexcept {
    Severity worst = Severity::ok;
    for (const Finding& finding : findings) worst = std::max(worst, finding.severity);
    return worst;
}

std::size_t Report::count(Severity severity) const noexcept {
    return static_cast<std::size_t>(std::ranges::count(findings, severity, &Finding::severity));
}

const Finding* Report::find(std::string_view what) const noexcept {
    const auto at = std::ranges::find(findings, what, &Finding::what);
    return at == findings.end() ? nullptr : &*at;
}

std::string Report::to_string() const {
    std::size_t width = 0;
    for (const Finding& finding : findings) width = std::max(width, finding.what.size());
    std::string text;
    for (const Finding& finding : findings) {
        text += fmt::format("{:<7}  {:<{}}  {}\n", pktverbs::to_string(finding.severity), finding.what, width,
                            finding.value);
        if (!finding.advice.empty()) text += fmt::format("{:>{}}{}\n", "-> ", width + 14, finding.advice);
    }
    const auto counted = [&](Severity which, std::string_view name) {
        const std::size_t n = count(which);
        return fmt::format("{} {}{}", n, name, n == 1 ? "" : "s");
    };
    text += fmt::format("{}: {} ok, {}, {}", device, count(Severity::ok), counted(Severity::warning, "warning"),
                        counted(Severity::problem, "problem"));
    return text;
}

std::string Report::to_json() const {
    std::string json = fmt::format(R"({{"device": {}, "severity": "{}", "findings": [)", json_string(device),
                                   pktverbs::to_string(severity()));
    const char* separator = "";
    for (const Finding& finding : findings) {
        json += fmt::format(R"({}{{"what": {}, "value": {}, "severity": "{}", "advice": {}}})", separator,
                            json_string(finding.what), json_string(finding.value),
                            pktverbs::to_string(finding.severity), json_string(finding.advice));
        separator = ", ";
    }
    return json + "]}";
}

}  // namespace pktverbs
