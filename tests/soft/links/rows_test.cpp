// SPDX-License-Identifier: Apache-2.0
// The table of links that are tested, against the library's and the document's.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <string>

#include "link_row.hpp"
#include "soft/link/link_kind.hpp"

namespace pktverbs::testing {
namespace {

TEST(LinkRows, ThereIsOneForEveryKind) {
    for (const soft::LinkKind* kind : soft::link_kinds())
        EXPECT_TRUE(std::ranges::any_of(link_rows(), [&](const LinkRow& row) { return row.kind() == kind->prefix; }))
            << kind->prefix << ": has no row in link_row.cpp";
}

TEST(LinkRows, AreDocumentedWithWhatTheyLack) {
    std::ifstream file{PKTVERBS_SOURCE_DIR "/docs/devices.md"};
    const std::string document{std::istreambuf_iterator<char>{file}, {}};
    for (const LinkRow& row : link_rows()) {
        const std::string kind = "`" + std::string{row.kind()} + ":`" + std::string{row.with};
        const std::string line = "| " + kind + " | " + row.lacks_text() + " |\n";
        EXPECT_NE(document.find(line), std::string::npos) << row.name << ": " << line;
        for (const Lack lack : row.lacks)
            EXPECT_NE(document.find("\n| " + std::string{to_string(lack)} + " | "), std::string::npos)
                << to_string(lack) << " is not explained";
    }
}

}  // namespace
}  // namespace pktverbs::testing
