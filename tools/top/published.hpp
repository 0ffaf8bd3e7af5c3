// SPDX-License-Identifier: Apache-2.0
// Published: what a running program says of itself (base/publication.hpp), read and checked.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tool {

struct Published {
    int process = 0;
    unsigned long long start = 0;  ///< of the process; with its number, it names one process for ever
    std::string subcommand;
    std::string arguments;                  ///< those behind the subcommand; only printable ASCII
    double seconds = 0;                     ///< how long it had run when it published
    double age = 0;                         ///< seconds since it published
    std::map<std::string, double> metrics;  ///< by key; over all that have labels, the sum

    std::optional<double> metric(std::string_view key) const;
    /// Packets that it sends or receives, in the subcommand's own count.
    std::optional<double> packets() const;
    std::optional<double> bytes() const;
    /// Packets that got lost, each counted once; nullopt if it does not say.
    std::optional<double> lost() const;
    /// "out_of_buffer 12, link 3": counts of packets that did not get through, by their keys, without those of 0.
    std::string losses() const;
};

/// Parses a publication. nullopt if it is none. Everything in it may be wrong, and is kept within bounds.
std::optional<Published> parse_published(std::string_view text);

/// Reads what all running programs publish, in the order of their numbers. A file counts only if it is a regular one of
/// the user that the process runs as, and if the process began when the file says. Removes those files of this user
/// whose processes have ended.
std::vector<Published> list_published();

}  // namespace tool
