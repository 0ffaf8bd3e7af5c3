// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/memory/size.hpp>

#include <gtest/gtest.h>

#include <cstdint>
#include <random>

namespace pktverbs {
namespace {

TEST(Size, IsBytesWithoutAUnit) {
    EXPECT_EQ(parse_size("0"), 0u);
    EXPECT_EQ(parse_size("9000"), 9000u);
    EXPECT_EQ(parse_size("9000B"), 9000u);
    EXPECT_EQ(parse_size("18446744073709551615"), UINT64_MAX);
}

TEST(Size, HasPowersOf1024WithAnI) {
    EXPECT_EQ(parse_size("64KiB"), 65536u);
    EXPECT_EQ(parse_size("64kiB"), 65536u);
    EXPECT_EQ(parse_size("2MiB"), 1u << 21);
    EXPECT_EQ(parse_size("1GiB"), 1u << 30);
    EXPECT_EQ(parse_size("1.5GiB"), 3u << 29);
    EXPECT_EQ(parse_size("4TiB"), std::uint64_t{1} << 42);
}

TEST(Size, HasPowersOf1000WithoutIt) {
    EXPECT_EQ(parse_size("64kB"), 64'000u);
    EXPECT_EQ(parse_size("64KB"), 64'000u);
    EXPECT_EQ(parse_size("2MB"), 2'000'000u);
    EXPECT_EQ(parse_size("1.5GB"), 1'500'000'000u);
    EXPECT_EQ(parse_size("1TB"), 1'000'000'000'000u);
}

TEST(Size, HasPowersOf1024ForAPrefixAlone) {
    EXPECT_EQ(parse_size("64k"), 65536u);
    EXPECT_EQ(parse_size("64K"), 65536u);
    EXPECT_EQ(parse_size("2M"), 1u << 21);
    EXPECT_EQ(parse_size("1g"), 1u << 30);
    EXPECT_EQ(parse_size("1T"), std::uint64_t{1} << 40);
}

TEST(Size, IsRoundedToTheNearestByte) {
    EXPECT_EQ(parse_size("1.3KiB"), 1331u);
    EXPECT_EQ(parse_size("0.0006kB"), 1u);
    EXPECT_EQ(parse_size("0.0004kB"), 0u);
}

TEST(Size, IsRefusedBeyond64Bits) {
    EXPECT_EQ(parse_size("16777215TiB"), UINT64_MAX - ((std::uint64_t{1} << 40) - 1));
    for (const char* text : {"18446744073709551616", "16777216TiB", "18446744074TB"})
        EXPECT_FALSE(parse_size(text)) << text;
}

TEST(Size, IsRefusedForAnythingElse) {
    for (const char* text : {"", "B", "k", "64 KiB", " 64", "64 ", "-1", "+1", "064", "1e3", "64kb", "64Kib", "64i",
                             "64iB", "1PB", "64KiBs", "64KB/s", "0x40", "1."})
        EXPECT_FALSE(parse_size(text)) << '"' << text << '"';
}

TEST(FormatSize, HasTheLargestUnitOfWhichItIsAMultiple) {
    EXPECT_EQ(format_size(0), "0B");
    EXPECT_EQ(format_size(1), "1B");
    EXPECT_EQ(format_size(1023), "1023B");
    EXPECT_EQ(format_size(1024), "1KiB");
    EXPECT_EQ(format_size(1025), "1025B");
    EXPECT_EQ(format_size(1536), "1536B");
    EXPECT_EQ(format_size(65536), "64KiB");
    EXPECT_EQ(format_size(3u << 29), "1536MiB");
    EXPECT_EQ(format_size(1u << 30), "1GiB");
    EXPECT_EQ(format_size(std::uint64_t{1} << 40), "1TiB");
    EXPECT_EQ(format_size(std::uint64_t{1} << 63), "8388608TiB");
    EXPECT_EQ(format_size(UINT64_MAX), "18446744073709551615B");
}

TEST(FormatSize, IsReadAsTheSameSize) {
    for (unsigned power = 0; power < 64; ++power)
        for (const std::uint64_t bytes : {std::uint64_t{1} << power, (std::uint64_t{1} << power) - 1})
            EXPECT_EQ(parse_size(format_size(bytes)), bytes);
    std::mt19937_64 random{20261129};
    for (int i = 0; i < 10'000; ++i) {
        const std::uint64_t bytes = random() >> random() % 64 << random() % 64;
        EXPECT_EQ(parse_size(format_size(bytes)), bytes);
    }
}

}  // namespace
}  // namespace pktverbs
