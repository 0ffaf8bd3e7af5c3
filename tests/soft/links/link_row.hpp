// SPDX-License-Identifier: Apache-2.0
// LinkRow: a link that the conformance tests run on, and what it lacks.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

namespace pktverbs::testing {

class Medium;

/// What tests of links need, and not every link has. docs/devices.md explains each by its name there.
enum class Lack : std::uint8_t {
    back_pressure,
    kernel_clock,
    checksum_word,
    third_end,
    live_peer,
    exact_loss,
    flow_order,
};

/// As the document has it.
std::string_view to_string(Lack lack);

/// Two ends that hear each other.
struct LinkRow {
    std::string_view name;  ///< of its cases
    std::string_view left;  ///< device strings, with {} for a name that no other test has
    std::string_view right;
    std::unique_ptr<Medium> (*medium)();  ///< what is between them
    std::vector<Lack> lacks;
    /// Why it can't be tested here, as a text for GTEST_SKIP(), or empty; null if it always can.
    const std::string& (*unavailable)() = nullptr;
    /// How many frames are waited for one by one: fewer where each takes long.
    std::uint32_t lone_frames = 2000;
    /// What the document has behind the kind, if the row lacks more than the kind alone.
    std::string_view with = {};

    bool has(Lack what) const;
    /// "wire", "memif".
    std::string_view kind() const { return left.substr(0, left.find(':')); }
    /// The lacks in words.
    std::string lacks_text() const;
};

inline void PrintTo(const LinkRow& row, std::ostream* out) { *out << row.name; }

const std::vector<LinkRow>& link_rows();
/// Those that lack nothing of that, and have a live peer.
std::vector<LinkRow> links_with(std::initializer_list<Lack> needed = {});
/// Those that lack it.
std::vector<LinkRow> links_without(Lack lacked);

inline std::string name_of_link(const ::testing::TestParamInfo<LinkRow>& info) { return std::string{info.param.name}; }

}  // namespace pktverbs::testing
