// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <string>
#include <string_view>
#include <type_traits>

#include <pktverbs/messages/messages.hpp>

#include "expect_error.hpp"
#include "messages/hello.hpp"

namespace pktverbs::testing {
namespace {

using messages::Address;
using messages::Hello;

TEST(Address, IsWrittenAsItIsParsed) {
    for (const char* text : {"10.0.0.1:5000", "[::1]:5000", "[fd52::2]:12345", "0.0.0.0:1", "[::]:65535"})
        EXPECT_EQ(Address::parse(text)->to_string(), text);
}

TEST(Address, HasADefaultPort) {
    EXPECT_EQ(Address::parse("10.0.0.1")->to_string(), "10.0.0.1:12345");
    EXPECT_EQ(Address::parse("fd52::2")->to_string(), "[fd52::2]:12345");
    EXPECT_EQ(Address::parse("[fd52::2]")->to_string(), "[fd52::2]:12345");
    EXPECT_EQ(Address{}.to_string(), "[::]:12345");
    EXPECT_EQ(Address{7}.port(), 7);
    EXPECT_TRUE(Address{}.is_ipv6());
}

TEST(Address, TakesAScope) {
    EXPECT_EQ(Address::parse("fe80::1%lo")->to_string(), "[fe80::1%lo]:12345");
    EXPECT_EQ(Address::parse("[fe80::1%lo]:9")->to_string(), "[fe80::1%lo]:9");
}

TEST(Address, IsNotParsedFromOtherText) {
    for (const char* text : {"", ":", ":1", "name", "10.0.0.1:", "10.0.0.1:x", "10.0.0.1:65536", "10.0.0.1:-1", "[::1",
                             "[::1]x", "[::1]:", "[]:1", "1.2.3.4:5:6", "10.0.0.1:5 "})
        EXPECT_FALSE(Address::parse(text)) << text;
}

/// Texts that inet_aton(3) accepts, and texts that resemble an address.
constexpr std::string_view no_ipv4[] = {
    "010.0.0.1", "10.0.0.01", "00.0.0.0",   "0x0a.0.0.1",  "0x0a000001", "0X7f.1",    "10.1",
    "10.0.1",    "167772161", "0",          "012",         "0x",         "256.0.0.1", "1.2.3",
    "1.2.3.4.5", "1.2.3.4.",  "4294967296", "1.2.3.0x100", "a.b.1",
};

TEST(Address, HasNoOctalAndNoShortForms) {
    for (const auto host : no_ipv4) {
        for (const std::string& text : {std::string{host}, std::string{host} + ":5000"}) {
            EXPECT_FALSE(Address::parse(text)) << text;
            expect_words(expect_error(EINVAL, [&] { Address::resolve(text); }), {"four decimal numbers"});
        }
    }
}

TEST(Address, HasPortsWithoutSignsZerosAndSpaces) {
    for (const char* port : {"00", "01", "0x50", "+1", "-1", " 1", "1 ", "1e3", "65536", "4294967297", "http", "1\n"}) {
        for (const std::string host : {"10.0.0.1:", "[::1]:", "localhost:"}) {
            EXPECT_FALSE(Address::parse(host + port)) << host + port;
            expect_words(expect_error(EINVAL, [&] { Address::resolve(host + port); }), {"HOST:PORT"});
        }
    }
    EXPECT_EQ(Address::parse("10.0.0.1:0")->port(), 0) << "a free one";
    EXPECT_EQ(Address::parse("10.0.0.1:65535")->port(), 65535);
}

TEST(Address, IsReadToItsEnd) {
    using namespace std::string_view_literals;
    for (const auto text :
         {" 10.0.0.1"sv, "10.0.0.1 "sv, "10.0.0.1\n"sv, "10.0.0.1\0"sv, "10.0.0.1\0x:5"sv, "10.0.0.1:5\0"sv, "::1\0"sv,
          "[::1\0]:5"sv, "[::1]:5\0"sv, "local host"sv, "localhost\0x"sv, "localhost\0x:5"sv, "localhost\n"sv,
          "localhost/24"sv, "10.0.0.1/8"sv, "localhost%lo"sv, "10.0.0.1%lo"sv}) {
        EXPECT_FALSE(Address::parse(text)) << text;
        expect_error(EINVAL, [&] { Address::resolve(text); });
    }
}

TEST(Address, HasBracketsAroundIpv6Alone) {
    for (const char* text :
         {"[10.0.0.1]", "[10.0.0.1]:5", "[localhost]", "[localhost]:5", "[[::1]]", "[::1]]", "::1]"}) {
        EXPECT_FALSE(Address::parse(text)) << text;
        expect_error(EINVAL, [&] { Address::resolve(text); });
    }
    EXPECT_EQ(Address::parse("fd00::1:80")->to_string(), "[fd00::1:80]:12345") << "without brackets there is no port";
    EXPECT_EQ(Address::parse("::ffff:10.0.0.1")->to_string(), "[::ffff:10.0.0.1]:12345");
    EXPECT_FALSE(Address::parse("::ffff:010.0.0.1"));
}

TEST(Address, HasAZoneThatIsThere) {
    for (const char* zone :
         {"", "no_such_netdev", "0", "00", "01", "+1", "-1", " 1", "1 ", "0x1", "4294967296", "lo%lo"}) {
        const std::string text = std::string{"fe80::1%"} + zone;
        EXPECT_FALSE(Address::parse(text)) << text;
        expect_words(expect_error(EINVAL, [&] { Address::resolve("[" + text + "]:5"); }), {"zone"});
    }
    EXPECT_FALSE(Address::parse("2001:db8::1%lo")) << "a global address has no zone";
    EXPECT_EQ(Address::parse("ff02::1%lo")->to_string(), "[ff02::1%lo]:12345");
    for (const char* text : {"[fe80::1%4294967295]:1", "[2001:db8::1%7]:1"})
        EXPECT_EQ(Address::parse(text)->to_string(), text);
}

TEST(Address, IsFoundByName) {
    const auto found = Address::resolve("localhost:77");
    ASSERT_FALSE(found.empty());
    EXPECT_EQ(found.front().port(), 77);
    EXPECT_EQ(Address::resolve("10.0.0.1").front().to_string(), "10.0.0.1:12345");
}

TEST(Address, ReportsANameThatIsNotFound) {
    expect_words(expect_error(EINVAL, [] { Address::resolve(""); }), {"cannot look up", "HOST:PORT"});
    expect_words(expect_error(EINVAL, [] { Address::resolve("name:port"); }), {"cannot look up name:port"});
}

TEST(Hello, IsReadAsItIsWritten) {
    const auto bytes = Hello{65536, 16}.to_bytes();
    const auto hello = Hello::from_bytes(bytes);
    ASSERT_TRUE(hello);
    EXPECT_EQ(hello->message_bytes, 65536U);
    EXPECT_EQ(hello->receives, 16U);
    EXPECT_EQ(bytes, (std::array<std::uint8_t, 16>{'p', 'k', 't', 'm', 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 16}));
}

TEST(Hello, IsReadWithPaddingAndFromALaterVersion) {
    std::array<std::uint8_t, 56> padded{};
    const auto bytes = Hello{100, 1}.to_bytes();
    std::copy(bytes.begin(), bytes.end(), padded.begin());
    EXPECT_EQ(Hello::from_bytes(padded)->message_bytes, 100U);
    padded[7] = 2;
    EXPECT_EQ(Hello::from_bytes(padded)->message_bytes, 100U);
}

TEST(Hello, IsNotReadFromOtherBytes) {
    auto bytes = Hello{100, 1}.to_bytes();
    EXPECT_FALSE(Hello::from_bytes({}));
    EXPECT_FALSE(Hello::from_bytes(std::span{bytes}.first(15)));
    bytes[0] = 'x';
    EXPECT_FALSE(Hello::from_bytes(bytes));
    EXPECT_FALSE(Hello::from_bytes(std::array<std::uint8_t, 56>{}));
}

TEST(Message, IsNoneFromTheStart) {
    messages::Message none;
    EXPECT_FALSE(none);
    EXPECT_EQ(none.size(), 0U);
    EXPECT_TRUE(none.bytes().empty());
    none.resize(0);
    EXPECT_THROW(none.resize(1), std::length_error);
}

static_assert(std::is_nothrow_move_constructible_v<messages::Message>);
static_assert(std::is_nothrow_move_constructible_v<messages::Socket>);
static_assert(std::is_nothrow_move_constructible_v<messages::Request>);
static_assert(std::is_nothrow_move_constructible_v<messages::Listener>);
static_assert(!std::is_copy_constructible_v<messages::Message>);
static_assert(!std::is_copy_constructible_v<messages::Socket>);
static_assert(!std::is_copy_constructible_v<async::Task<>>);
static_assert(!std::is_move_constructible_v<messages::Messenger>);

}  // namespace
}  // namespace pktverbs::testing
