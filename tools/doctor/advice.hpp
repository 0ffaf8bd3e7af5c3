// SPDX-License-Identifier: Apache-2.0
// Advice: a finding, by cause, with a command against it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <pktverbs/doctor/doctor.hpp>

namespace tool {

/// A value.
struct Advice {
    std::string_view cause;  ///< "device", "link", "steering", "memory", "kernel", "privileges", "processors", "bus"
    pktverbs::Finding finding;
    std::string command;         ///< to paste into a shell; with "PROGRAM" in it, an example; empty if there is none
    bool only_looks = false;     ///< the command changes nothing
    bool costs_packets = false;  ///< a warning, but above some rate packets are lost for certain

    /// Whether a script may have the command.
    bool is_runnable() const { return !command.empty() && !only_looks && command.find("PROGRAM") == std::string::npos; }
};

/// The causes, in the order in which they are shown.
const std::vector<std::string_view>& causes();
/// Of one of the library's findings. `interface` is in its commands.
Advice advise(const pktverbs::Finding& finding, const std::string& interface);
/// Whether a shell takes the name as a word, so that commands may have it as it is.
bool is_plain_word(std::string_view name);

}  // namespace tool
