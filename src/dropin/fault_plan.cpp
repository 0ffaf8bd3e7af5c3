// SPDX-License-Identifier: Apache-2.0
#include "dropin/fault_plan.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include <pktverbs/verbs/error.hpp>

#include "base/parse_decimal.hpp"
#include "dropin/verb_names.hpp"

namespace pktverbs::dropin {
namespace {

constexpr unsigned greatest_errno = 4095;  // MAX_ERRNO of the kernel's include/linux/err.h

std::string forms() {
    std::string faults;
    for (const soft::FaultKey& key : soft::fault_keys) faults += fmt::format("{}={}, ", key.name, key.value);
    return fmt::format(
        "known are {}with P from 0 to 1 and commas between them; VERB=ERRNO, VERB=ERRNO@N and VERB=ERRNO@N+, with N "
        "from 1; semicolons between all these: loss=0.01,seed=7;create_qp=ENOMEM@2",
        faults);
}

/// 0 if it is not an errno.
int read_error(std::string_view text) noexcept {
    // errno(3) lists these as second names for their numbers.
    constexpr std::pair<std::string_view, int> synonyms[] = {
        {"ENOTSUP", ENOTSUP}, {"EWOULDBLOCK", EWOULDBLOCK}, {"EDEADLOCK", EDEADLOCK}};
    if (const auto number = parse_decimal<unsigned>(text))
        return *number <= greatest_errno ? static_cast<int>(*number) : 0;
    for (const auto& [name, error] : synonyms)
        if (name == text) return error;
    for (int error = 1; error <= static_cast<int>(greatest_errno); ++error)
        if (const char* const name = ::strerrorname_np(error); name && name == text) return error;
    return 0;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    for (;;) {
        const auto at = text.find(separator);
        parts.push_back(text.substr(0, at));
        if (at == std::string_view::npos) return parts;
        text.remove_prefix(at + 1);
    }
}

/// Parses one text; throws if it is malformed.
class Reader {
public:
    explicit Reader(std::string_view text) : text_{text} {
        for (const std::string_view part : split(text, ';')) {
            const auto settings = split(part, ',');
            for (const std::string_view setting : settings) read(setting, settings.size() == 1);
        }
    }

    soft::LinkFaults link;
    std::vector<VerbFault> verbs;

private:
    template <class... Args>
    [[noreturn]] void refuse(fmt::format_string<Args...> what, Args&&... args) const {
        verbs::throw_message(EINVAL, fmt::format("cannot read the faults '{}': {} ({})", text_,
                                                 fmt::format(what, std::forward<Args>(args)...), forms()));
    }

    void read(std::string_view setting, bool alone) {
        if (setting.empty()) refuse("there is nothing before or after a separator");
        const auto at = setting.find('=');
        if (at == std::string_view::npos) refuse("'{}' has no '='", setting);
        const std::string_view key = setting.substr(0, at);
        const std::string_view value = setting.substr(at + 1);
        if (std::ranges::find(keys_, key) != keys_.end()) refuse("'{}' is there twice", key);
        const soft::FaultKey* const fault = soft::find_fault_key(key);
        if (!fault) {
            read_verb(key, value, alone);
            return;
        }
        if (const auto reason = soft::set_fault(link, *fault, value); !reason.empty()) refuse("{}", reason);
        keys_.push_back(key);
    }

    void read_verb(std::string_view name, std::string_view value, bool alone) {
        const auto number = find_verb(name);
        if (!number && name.starts_with("ibv_")) refuse("'{}': verbs stand without ibv_", name);
        if (!number) refuse("'{}' is neither a fault of the link nor a verb that can fail", name);
        if (!alone) refuse("'{}' stands beside a comma: after and before verbs come semicolons", name);
        const auto at = std::min(value.find('@'), value.size());
        VerbFault fault{*number, read_error(value.substr(0, at))};
        if (fault.error == 0) refuse("'{}' is no errno", value.substr(0, at));
        if (at < value.size()) read_calls(value.substr(at + 1), fault);
        for (const VerbFault& other : verbs)
            if (other.verb == fault.verb && other.first <= fault.last && fault.first <= other.last)
                refuse("call {} of {} has two faults", std::max(other.first, fault.first), name);
        verbs.push_back(fault);
    }

    void read_calls(std::string_view calls, VerbFault& fault) const {
        const bool and_later = calls.ends_with('+');
        if (and_later) calls.remove_suffix(1);
        const auto nth = parse_decimal<std::uint64_t>(calls);
        if (!nth || *nth == 0) refuse("'{}' is no number of a call: they count from 1", calls);
        fault.first = *nth;
        if (!and_later) fault.last = *nth;
    }

    std::string_view text_;
    std::vector<std::string_view> keys_;  ///< link faults so far
};

}  // namespace

FaultPlan FaultPlan::parse(std::string_view text) {
    FaultPlan plan;
    if (text.empty()) return plan;
    Reader reader{text};
    if (any_of(reader.link)) plan.link_ = reader.link;
    plan.verbs_ = std::move(reader.verbs);
    return plan;
}

bool FaultPlan::names(std::size_t verb) const noexcept {
    return std::ranges::find(verbs_, verb, &VerbFault::verb) != verbs_.end();
}

int FaultPlan::error_of(std::size_t verb, std::uint64_t nth) const noexcept {
    for (const VerbFault& fault : verbs_)
        if (fault.verb == verb && fault.first <= nth && nth <= fault.last) return fault.error;
    return 0;
}

}  // namespace pktverbs::dropin
