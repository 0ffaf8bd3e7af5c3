// SPDX-License-Identifier: Apache-2.0
// Extcap: what Wireshark and tshark ask of a program that captures for them (extcap(4)).
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace tool {

/// Reads the words that they use in place of capture's own.
class Extcap {
public:
    /// Of a command line without the program's name. nullopt if it is none of theirs. Throws example::BadUse for one
    /// that is, and is wrong.
    static std::optional<Extcap> parse(const std::vector<std::string>& words);

    /// What they asked for; empty if it is a capture: then words() are capture's.
    std::string answer() const;
    bool is_capture() const noexcept { return is_capture_; }
    const std::vector<std::string>& words() const noexcept { return words_; }

private:
    enum class Question : unsigned char { interfaces, link_types, options };

    Question question_ = Question::interfaces;
    bool is_capture_ = false;
    std::vector<std::string> words_;
};

}  // namespace tool
