// SPDX-License-Identifier: Apache-2.0
// Device strings of the kind xdp. No socket is opened.
#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <system_error>

#include "soft/link/link_kind.hpp"
#include "soft/link/link_string.hpp"

namespace pktverbs::soft {
namespace {

struct XdpError {
    int code;
    std::string text;
};
XdpError xdp_error(const std::string& options, bool is_opened = false) {
    try {
        const LinkString string = LinkString::parse("xdp:lo" + options, "FORMS");
        const LinkPort port = string.kind().find(string);
        if (is_opened) port.open();
    } catch (const std::system_error& error) {
        return {error.code().value(), error.what()};
    }
    return {0, "nothing is wrong"};
}

TEST(XdpKind, TakesItsKeys) {
    for (const char* options : {"", "?queue=0&queues=1", "?queue=4095", "?queues=64", "?size=4096&ring=6", "?ring=16",
                                "?mode=auto", "?mode=copy", "?mode=zerocopy", "?busy_poll=1us", "?busy_poll=1000ms",
                                "?busy_poll=0.5ms", "?checksums=none", "?checksums=verify", "?loss=0.5&seed=3"})
        EXPECT_EQ(xdp_error(options).code, 0) << options << xdp_error(options).text;
}

TEST(XdpKind, RefusesWhatNoKeyCanBe) {
    const std::pair<const char*, const char*> wrong[] = {
        {"?queue=4096", "not a number from 0 to 4095"},
        {"?queues=0", "not a number from 1 to 64"},
        {"?size=3000", "a buffer has 2048 or 4096 bytes, not 3000"},
        {"?size=8192", "not a number from 2048 to 4096"},
        {"?ring=17", "not a number from 6 to 16"},
        {"?mode=fast", "not \"fast\""},
        {"?busy_poll=20", "\"20\" is no time from 1us to 1000ms"},
        {"?busy_poll=1001ms", "is no time"},
        {"?busy_poll=0us", "is no time"},
        {"?checksums=yes", "not \"yes\""},
        {"?mtu=1500", "\"mtu\" is no option of xdp:"},
    };
    for (const auto& [options, words] : wrong) {
        const auto error = xdp_error(options);
        EXPECT_EQ(error.code, EINVAL) << options;
        EXPECT_NE(error.text.find(words), std::string::npos) << error.text;
        EXPECT_NE(error.text.find("FORMS"), std::string::npos) << error.text;
    }
}

#if !PKTVERBS_XDP
TEST(XdpKind, SaysThatThisBuildLacksIt) {
    const auto error = xdp_error("", true);
    EXPECT_EQ(error.code, EOPNOTSUPP);
    for (const char* words : {"xdp:lo", "has no AF_XDP", "libxdp-dev", "PKTVERBS_XDP=ON"})
        EXPECT_NE(error.text.find(words), std::string::npos) << error.text;
}
#endif

}  // namespace
}  // namespace pktverbs::soft
