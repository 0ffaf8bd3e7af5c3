// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <array>
#include <cerrno>
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

TEST(Address, IsFoundByName) {
    const auto found = Address::resolve("localhost:77");
    ASSERT_FALSE(found.empty());
    EXPECT_EQ(found.front().port(), 77);
    EXPECT_EQ(Address::resolve("10.0.0.1").front().to_string(), "10.0.0.1:12345");
}

TEST(Address, SaysWhatIsNotFound) {
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
static_assert(!std::is_copy_constructible_v<messages::Task<>>);
static_assert(!std::is_move_constructible_v<messages::EventLoop>);

}  // namespace
}  // namespace pktverbs::testing
