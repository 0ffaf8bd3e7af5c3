// SPDX-License-Identifier: Apache-2.0
// The table of links, and what its rows must have.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <string_view>

#include "soft/link/link_kind.hpp"
#include "soft/link/link_string.hpp"

namespace pktverbs::soft {
namespace {

TEST(LinkKinds, AreFoundByTheirPrefixes) {
    std::set<std::string_view> prefixes;
    for (const LinkKind* kind : link_kinds()) {
        EXPECT_TRUE(prefixes.insert(kind->prefix).second) << kind->prefix;
        EXPECT_EQ(find_link_kind(kind->prefix), kind);
        EXPECT_NE(kind->find, nullptr);
        EXPECT_FALSE(kind->purpose.empty());
    }
    for (const char* prefix : {"", "Wire", "wire ", "ibv"}) EXPECT_EQ(find_link_kind(prefix), nullptr) << prefix;
}

TEST(LinkKinds, HaveEachKeyOnce) {
    for (const LinkKind* kind : link_kinds()) {
        std::set<std::string_view> keys;
        for (const auto& key : fault_keys) keys.insert(key.name);
        for (const auto& key : kind->keys) EXPECT_TRUE(keys.insert(key.name).second) << kind->prefix << key.name;
    }
}

TEST(LinkKinds, OneIsForInterfacesWithoutAVerbsDevice) {
    EXPECT_TRUE(std::ranges::any_of(link_kinds(), [](const LinkKind* kind) { return kind->on_interface != nullptr; }));
}

TEST(LinkKinds, AreDocumented) {
    std::ifstream file{PKTVERBS_SOURCE_DIR "/docs/devices.md"};
    const std::string document{std::istreambuf_iterator<char>{file}, {}};
    ASSERT_FALSE(document.empty());
    for (const LinkKind* kind : link_kinds())
        EXPECT_NE(document.find("`" + kind->form() + "`"), std::string::npos) << kind->form();
    EXPECT_NE(document.find("`" + LinkString::common_keys() + "`"), std::string::npos) << LinkString::common_keys();
}

}  // namespace
}  // namespace pktverbs::soft
