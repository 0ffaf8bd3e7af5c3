// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/net/checksum.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <random>
#include <vector>

namespace pktverbs::net {
namespace {

/// As RFC 1071 describes it: 16 bits at a time, the carry brought around at once.
std::uint16_t by_the_book(ConstBytes bytes) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        sum += std::uint32_t{bytes[i]} << (i % 2 == 0 ? 8 : 0);
        if (sum > 0xffff) sum -= 0xffff;
    }
    return static_cast<std::uint16_t>(~sum);
}

std::vector<std::uint8_t> random_bytes(std::size_t size, std::uint32_t seed) {
    std::mt19937 random{seed};
    std::vector<std::uint8_t> bytes(size);
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random());
    return bytes;
}

constexpr std::array<std::uint8_t, 8> example{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};

TEST(Checksum, IsThatOfTheRfc) {
    // RFC 1071, section 3: the sum is ddf2.
    static_assert(checksum(example) == 0xffff - 0xddf2);
    EXPECT_EQ(checksum(example), 0xffff - 0xddf2);
    EXPECT_EQ(InternetSum{}.add(example).folded(), 0xddf2);
}

TEST(Checksum, TakesAnOddLastByteForTheFirstOfAWord) {
    constexpr std::array<std::uint8_t, 3> bytes{0x01, 0x02, 0x03};
    static_assert(checksum(bytes) == 0xffff - (0x0102 + 0x0300));
    EXPECT_EQ(checksum(bytes), 0xffff - (0x0102 + 0x0300));
}

TEST(Checksum, OfNothingIsAllOnes) { EXPECT_EQ(checksum({}), 0xffff); }

TEST(Checksum, CarriesMoreThanOnce) { EXPECT_EQ(checksum(std::vector<std::uint8_t>(131072, 0xff)), 0); }

TEST(Checksum, AgreesWithTheBookAtEveryLengthAndAlignment) {
    const auto bytes = random_bytes(80, 1);
    for (std::size_t at = 0; at < 8; ++at)
        for (std::size_t size = 0; size + at <= bytes.size(); ++size) {
            const auto part = ConstBytes{bytes}.subspan(at, size);
            EXPECT_EQ(checksum(part), by_the_book(part)) << at << ' ' << size;
        }
}

TEST(InternetSum, DoesNotDependOnWhereTheDataIsCut) {
    const auto bytes = random_bytes(33, 2);
    const ConstBytes whole{bytes};
    for (std::size_t first = 0; first <= bytes.size(); ++first)
        for (std::size_t second = first; second <= bytes.size(); ++second) {
            const auto middle = whole.subspan(first, second - first);
            const auto sum = InternetSum{}.add(whole.first(first)).add(middle).add(whole.subspan(second));
            EXPECT_EQ(sum.checksum(), by_the_book(whole)) << first << ' ' << second;
            const auto rest = InternetSum{}.add(middle).add(whole.subspan(second));
            EXPECT_EQ(InternetSum{}.add(whole.first(first)).add(rest).checksum(), by_the_book(whole));
        }
}

TEST(InternetSum, TakesNumbersAsTheyWouldStandInTheData) {
    const auto sum = InternetSum{}.add(std::uint32_t{0x0001f203}).add(std::uint16_t{0xf4f5}).add(std::uint16_t{0xf6f7});
    EXPECT_EQ(sum.folded(), 0xddf2);
    constexpr std::array<std::uint8_t, 1> one{0x12};
    EXPECT_EQ(InternetSum{}.add(one).add(std::uint16_t{0x3456}).folded(), 0x1234 + 0x5600);
}

TEST(InternetSum, IsRightOverDataWithItsOwnChecksum) {
    auto bytes = random_bytes(64, 3);
    store(bytes.data() + 10, std::uint16_t{0});
    store(bytes.data() + 10, checksum(bytes));
    EXPECT_TRUE(InternetSum{}.add(bytes).is_right());
    for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
        auto flipped = bytes;
        flipped[bit / 8] = static_cast<std::uint8_t>(flipped[bit / 8] ^ 1 << bit % 8);
        EXPECT_FALSE(InternetSum{}.add(flipped).is_right()) << bit;
    }
}

TEST(UpdateChecksum, IsThatOfTheRfc) {
    // RFC 1624, section 4: equation 2 would give ffff here.
    static_assert(update_checksum(0xdd2f, std::uint16_t{0x5555}, std::uint16_t{0x3285}) == 0x0000);
    EXPECT_EQ(update_checksum(0xdd2f, std::uint16_t{0x5555}, std::uint16_t{0x3285}), 0x0000);
}

TEST(UpdateChecksum, IsTheSameAsComputingItAnew) {
    std::mt19937 random{4};
    auto bytes = random_bytes(40, 5);
    bytes[0] = 0x45;  // never all zero, as no packet is: zero has two checksums
    std::uint16_t value = checksum(bytes);
    for (int i = 0; i < 100000; ++i) {
        const auto number = static_cast<std::uint32_t>(random());
        if (i % 2 == 0) {
            std::uint8_t* const at = &bytes[2 + 2 * (random() % 19)];
            // Also the extreme words, which random ones hardly ever are.
            const auto after = static_cast<std::uint16_t>(i % 8 == 0 ? 0 : i % 8 == 2 ? 0xffff : number);
            value = update_checksum(value, load<std::uint16_t>(at), after);
            store(at, after);
        } else {
            std::uint8_t* const at = &bytes[2 + 2 * (random() % 18)];
            value = update_checksum(value, load<std::uint32_t>(at), number);
            store(at, number);
        }
        ASSERT_EQ(value, checksum(bytes)) << i;
    }
}

TEST(UpdateChecksum, FollowsAnAddress) {
    const Ipv6Address before{"2001:db8::1"};
    const Ipv6Address after{"fe80::ffff:1"};
    const Ipv6Address peer{"2001:db8::2"};
    const auto data = random_bytes(20, 6);
    EXPECT_EQ(update_checksum(pseudo_header(before, peer, 17, 20).add(data).checksum(), before, after),
              pseudo_header(after, peer, 17, 20).add(data).checksum());
}

TEST(UdpChecksum, IsNeverZero) {
    EXPECT_EQ(udp_checksum(0), 0xffff);
    EXPECT_EQ(udp_checksum(0xffff), 0xffff);
    EXPECT_EQ(udp_checksum(1), 1);
}

TEST(PseudoHeader, HasItsWordsInPlace) {
    const Ipv4Address src{Ipv4Address::Bytes{192, 0, 2, 1}};
    const Ipv4Address dst{Ipv4Address::Bytes{192, 0, 2, 2}};
    constexpr std::array<std::uint8_t, 12> ipv4{192, 0, 2, 1, 192, 0, 2, 2, 0, 17, 0x12, 0x34};
    EXPECT_EQ(pseudo_header(src, dst, 17, 0x1234).checksum(), by_the_book(ipv4));
    std::array<std::uint8_t, 40> ipv6{};
    ipv6[0] = 0xfe;
    ipv6[31] = 9;
    store(&ipv6[32], std::uint32_t{0x00012345});
    ipv6[39] = 58;
    EXPECT_EQ(pseudo_header(Ipv6Address{"fe00::"}, Ipv6Address{"::9"}, 58, 0x12345).checksum(), by_the_book(ipv6));
}

}  // namespace
}  // namespace pktverbs::net
