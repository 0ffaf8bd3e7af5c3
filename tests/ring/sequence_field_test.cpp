// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/ring/sequence_field.hpp>

#include <gtest/gtest.h>

#include <cerrno>
#include <numeric>
#include <vector>

#include "expect_error.hpp"

namespace pktverbs::testing {
namespace {

class SequenceFieldOf : public ::testing::Test {
protected:
    SequenceFieldOf() { std::iota(frame.begin(), frame.end(), std::uint8_t{0}); }
    std::vector<std::uint8_t> frame = std::vector<std::uint8_t>(32);
};

TEST_F(SequenceFieldOf, EveryWidthIsReadInBothOrders) {
    std::uint64_t big = 0, little = 0;
    for (std::uint32_t width = 1; width <= 8; ++width) {
        big = big << 8 | (4 + width);
        little |= std::uint64_t{4 + width} << 8 * (width - 1);
        const SequenceField field{.offset = 5, .width = width};
        EXPECT_EQ(field.read(frame.data()), big) << width;
        SequenceField other = field;
        other.order = std::endian::little;
        EXPECT_EQ(other.read(frame.data()), little) << width;
        field.check();
        EXPECT_EQ(field.max_number(), ~std::uint64_t{0} >> (64 - 8 * width));
    }
}

TEST_F(SequenceFieldOf, MaskAndShiftPickBits) {
    const SequenceField field{.offset = 1, .width = 4, .mask = 0x00ffff00, .shift = 8};
    EXPECT_EQ(field.read(frame.data()), 0x0203U);
    EXPECT_EQ(field.max_number(), 0xffffU);
    field.check();
}

TEST_F(SequenceFieldOf, ContradictionsAreRefused) {
    const auto refused = [](const SequenceField& field, const char* word) {
        expect_words(expect_error(EINVAL, [&] { field.check(); }), {"cannot place by a sequence field", word});
    };
    refused({.width = 0}, "width 0");
    refused({.width = 9}, "width 9");
    refused({.shift = 64}, "shift 64");
    refused({.width = 1, .mask = 0xff00}, "leaves nothing");
    refused({.mask = 0b1011}, "gaps");
    refused({.mask = 0b1110}, "bit 0");
    refused({.divisor = 0}, "divisor is 0");
    refused({.width = 1, .divisor = 128}, "divisor 128");
    refused({.order = static_cast<std::endian>(7)}, "order");
}

}  // namespace
}  // namespace pktverbs::testing
