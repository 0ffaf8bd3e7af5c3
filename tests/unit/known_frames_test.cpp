// SPDX-License-Identifier: Apache-2.0
// KnownFrames: that frames of the same flow are recalled, and no others. What is recalled, steering_case.cpp compares.
#include "soft/steering/known_frames.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

namespace {

using pktverbs::soft::FrameHead;
using pktverbs::soft::FrameKey;
using pktverbs::soft::KnownFrames;
using pktverbs::soft::Target;
using Bytes = std::vector<std::uint8_t>;

constexpr std::size_t tos_at = 15, length_at = 16, id_at = 18, fragment_at = 20, ttl_at = 22, protocol_at = 23,
                      src_ip_at = 26, dst_port_at = 36, payload_at = 42;

Bytes packet(std::uint8_t protocol = 17) {
    Bytes frame(80);
    frame[0] = 2;
    frame[12] = 0x08;
    frame[14] = 0x45;
    frame[length_at + 1] = 66;
    frame[ttl_at] = 64;
    frame[protocol_at] = protocol;
    frame[dst_port_at] = 7;
    return frame;
}

Bytes with(Bytes frame, std::size_t at, unsigned value) {
    frame[at] = static_cast<std::uint8_t>(value);
    return frame;
}

Bytes cut(Bytes frame, std::size_t bytes) {
    frame.resize(bytes);
    frame.shrink_to_fit();
    return frame;
}

class KnownFramesTest : public testing::Test {
protected:
    KnownFramesTest() {
        FrameKey bits{};
        bits.dst_port = 0xffff;
        frames.look_at(bits);
    }
    bool recalls(const Bytes& frame) const {
        const KnownFrames::Known* const known = frames.recall(frame);
        EXPECT_TRUE(known == nullptr || known->tag == 77);
        const FrameHead head{frame.data(), frame.size(), frame.size()};
        KnownFrames::Reader reader{frames};
        for (int again = 0; again < 2; ++again) EXPECT_EQ(reader.recall(head), known);
        const Bytes before = packet();
        reader.recall({before.data(), before.size(), before.size()});
        EXPECT_EQ(reader.recall(head), known) << "after another frame";
        return known != nullptr;
    }
    /// Whether it recalls `frame` after it has remembered `first`.
    bool recalls_after(const Bytes& first, const Bytes& frame) {
        frames.remember(first, target, nullptr);
        return recalls(frame);
    }

    const Target target{nullptr, 77};
    KnownFrames frames;
};

TEST_F(KnownFramesTest, RecallsNothingAtFirst) {
    EXPECT_FALSE(KnownFrames{}.recall(packet()));
    EXPECT_FALSE(recalls(packet()));
}

TEST_F(KnownFramesTest, RecallsWhatDiffersWhereNoFlowLooks) {
    frames.remember(packet(), target, nullptr);
    for (const std::size_t at : {std::size_t{5}, std::size_t{6}, tos_at, id_at, ttl_at, src_ip_at, payload_at})
        EXPECT_TRUE(recalls(with(packet(), at, 99))) << at;
    EXPECT_TRUE(recalls(with(packet(), fragment_at, 0x40))) << "may not be fragmented";
    EXPECT_TRUE(recalls(with(packet(), length_at, 200))) << "says that it is longer than it is";
    EXPECT_TRUE(recalls(cut(with(packet(), length_at + 1, 28), 42)));
}

struct Field {
    std::size_t in_key, in_frame;
};

TEST_F(KnownFramesTest, DoesNotRecallWhatDiffersWhereAFlowLooks) {
    const std::vector<Field> fields{{offsetof(FrameKey, dst_mac), 0},   {offsetof(FrameKey, dst_mac) + 5, 5},
                                    {offsetof(FrameKey, src_mac), 6},   {offsetof(FrameKey, src_mac) + 5, 11},
                                    {offsetof(FrameKey, src_ip), 26},   {offsetof(FrameKey, src_ip) + 3, 29},
                                    {offsetof(FrameKey, dst_ip), 30},   {offsetof(FrameKey, dst_ip) + 3, 33},
                                    {offsetof(FrameKey, src_port), 34}, {offsetof(FrameKey, src_port) + 1, 35},
                                    {offsetof(FrameKey, dst_port), 36}, {offsetof(FrameKey, dst_port) + 1, 37},
                                    {offsetof(FrameKey, tos), tos_at},  {offsetof(FrameKey, ttl), ttl_at}};
    for (const Field& looked : fields) {
        FrameKey bits{};
        reinterpret_cast<std::uint8_t*>(&bits)[looked.in_key] = 4;
        frames.look_at(bits);
        frames.remember(packet(), target, nullptr);
        for (const Field& field : fields) {
            const std::uint8_t was = packet()[field.in_frame];
            EXPECT_EQ(recalls(with(packet(), field.in_frame, was ^ 4U)), field.in_frame != looked.in_frame)
                << "a flow looks at byte " << looked.in_frame << ", byte " << field.in_frame << " differs";
            EXPECT_TRUE(recalls(with(packet(), field.in_frame, was ^ 8U))) << "another bit of " << field.in_frame;
        }
    }
}

TEST_F(KnownFramesTest, DoesNotRecallAnotherShape) {
    frames.remember(packet(), target, nullptr);
    EXPECT_FALSE(recalls(with(packet(), 0, 3))) << "multicast";
    EXPECT_FALSE(recalls(with(packet(), 12, 0x81))) << "tagged";
    EXPECT_FALSE(recalls(with(packet(), 14, 0x46))) << "with an option";
    EXPECT_FALSE(recalls(with(packet(), 14, 0x65))) << "another version";
    EXPECT_FALSE(recalls(with(packet(), fragment_at, 0x20))) << "more fragments";
    EXPECT_FALSE(recalls(with(packet(), fragment_at + 1, 1))) << "a later fragment";
    EXPECT_FALSE(recalls(packet(6))) << "TCP";
    EXPECT_FALSE(recalls(with(packet(), length_at + 1, 27))) << "a packet without a whole UDP header";
    for (std::size_t bytes = 0; bytes < 42; ++bytes) EXPECT_FALSE(recalls(cut(packet(), bytes))) << bytes;
}

TEST_F(KnownFramesTest, RemembersItsShapeAlone) {
    for (const Bytes& other :
         {with(packet(), 12, 0x81), with(packet(), 14, 0x46), with(packet(), fragment_at, 0x20),
          with(packet(), fragment_at + 1, 1), packet(1), cut(packet(), 41), cut(packet(6), 53), Bytes{}}) {
        EXPECT_FALSE(recalls_after(other, other));
    }
}

TEST_F(KnownFramesTest, RecallsTheLastFlowThatIsNotIp) {
    const Bytes frame = with(with(packet(), 12, 0x88), 13, 0xb5);
    EXPECT_FALSE(recalls(frame));
    EXPECT_TRUE(recalls_after(frame, frame));
    for (std::size_t at = 14; at < frame.size(); ++at) EXPECT_TRUE(recalls(with(frame, at, 0xff))) << at;
    EXPECT_TRUE(recalls(with(frame, 0, 4))) << "no flow looks at addresses";
    EXPECT_FALSE(recalls(with(frame, 0, 3))) << "multicast";
    EXPECT_FALSE(recalls(with(frame, 13, 0xb6))) << "another type";
    EXPECT_FALSE(recalls(with(frame, 13, 0xa8))) << "a tag";
    EXPECT_FALSE(recalls(with(with(frame, 12, 0x86), 13, 0xdd))) << "IPv6";
    for (std::size_t bytes = 0; bytes < 42; ++bytes) EXPECT_FALSE(recalls(cut(frame, bytes))) << bytes;
    EXPECT_TRUE(recalls(cut(frame, 42)));
    EXPECT_TRUE(recalls_after(packet(), frame));
    EXPECT_TRUE(recalls_after(with(frame, 13, 0xb6), with(frame, 13, 0xb6)));
    EXPECT_FALSE(recalls(frame)) << "before the last";
}

TEST_F(KnownFramesTest, ComparesTheAddressesOfWhatIsNotIp) {
    FrameKey bits{};
    bits.dst_mac[5] = bits.src_mac[5] = 0xff;
    frames.look_at(bits);
    const Bytes frame = with(with(packet(), 12, 0x88), 13, 0xb5);
    EXPECT_TRUE(recalls_after(frame, frame));
    EXPECT_TRUE(recalls(with(frame, 4, 1)));
    EXPECT_FALSE(recalls(with(frame, 5, 1)));
    EXPECT_TRUE(recalls(with(frame, 10, 1)));
    EXPECT_FALSE(recalls(with(frame, 11, 1)));
}

TEST_F(KnownFramesTest, ForgetsWhatIsNotIp) {
    const Bytes zeros(64);
    EXPECT_FALSE(recalls(zeros));
    EXPECT_TRUE(recalls_after(zeros, zeros));
    frames.close();
    EXPECT_FALSE(recalls(zeros));
    frames.look_at(FrameKey{});
    EXPECT_FALSE(recalls(zeros));
    EXPECT_TRUE(recalls_after(zeros, zeros));
    frames.look_at(FrameKey{});
    EXPECT_FALSE(recalls(zeros));
}

/// A frame of another shape, and where it has its fields.
struct Shape {
    const char* name;
    Bytes frame;
    std::size_t ip_at;
    bool is_ipv6;
    std::size_t ports_at() const { return ip_at + (is_ipv6 ? 40 : 20); }
};
Shape make_shape(const char* name, bool is_tagged, bool is_ipv6) {
    Shape shape{name, Bytes(100), is_tagged ? 18U : 14U, is_ipv6};
    Bytes& frame = shape.frame;
    frame[0] = 2;
    if (is_tagged) {
        frame[12] = 0x81;
        frame[15] = 5;
    }
    frame[shape.ip_at - 2] = is_ipv6 ? 0x86 : 0x08;
    frame[shape.ip_at - 1] = is_ipv6 ? 0xdd : 0;
    frame[shape.ip_at] = is_ipv6 ? 0x60 : 0x45;
    frame[shape.ip_at + (is_ipv6 ? 5 : 3)] = static_cast<std::uint8_t>(100 - shape.ip_at - (is_ipv6 ? 40 : 0));
    frame[shape.ip_at + (is_ipv6 ? 6 : 9)] = 17;
    frame[shape.ports_at() + 3] = 7;
    return shape;
}
const std::vector<Shape> other_shapes{make_shape("tagged IPv4", true, false), make_shape("IPv6", false, true),
                                      make_shape("tagged IPv6", true, true)};

TEST_F(KnownFramesTest, RecallsFramesOfOtherShapes) {
    for (const Shape& shape : other_shapes) {
        SCOPED_TRACE(shape.name);
        EXPECT_FALSE(recalls(shape.frame));
        EXPECT_TRUE(recalls_after(shape.frame, shape.frame));
        for (const std::size_t at : {std::size_t{5}, std::size_t{6}, shape.ports_at(), shape.ports_at() + 8})
            EXPECT_TRUE(recalls(with(shape.frame, at, 99))) << at;
        EXPECT_FALSE(recalls(with(shape.frame, shape.ports_at() + 3, 8))) << "another port";
        EXPECT_FALSE(recalls(with(shape.frame, 0, 3))) << "multicast";
        EXPECT_FALSE(recalls(with(shape.frame, shape.ip_at, shape.is_ipv6 ? 0x40 : 0x46)));
        EXPECT_FALSE(recalls(with(shape.frame, shape.ip_at + (shape.is_ipv6 ? 6 : 9), 6))) << "TCP";
        EXPECT_FALSE(recalls(with(shape.frame, shape.ip_at + (shape.is_ipv6 ? 5 : 3), shape.is_ipv6 ? 7 : 27)))
            << "a packet without a whole UDP header";
        if (!shape.is_ipv6) {
            EXPECT_FALSE(recalls(with(shape.frame, shape.ip_at + 6, 0x20))) << "a fragment";
        }
        EXPECT_TRUE(recalls(cut(shape.frame, 66)));
        for (std::size_t bytes = 0; bytes < 64; ++bytes) EXPECT_FALSE(recalls(cut(shape.frame, bytes))) << bytes;
        EXPECT_FALSE(frames.recall({shape.frame.data(), shape.frame.size(), 63})) << "the rest can't be read";
    }
    EXPECT_FALSE(recalls(packet()));
}

TEST_F(KnownFramesTest, DoesNotTakeOneShapeForAnother) {
    frames.look_at(FrameKey{});
    for (const Shape& shape : other_shapes) EXPECT_TRUE(recalls_after(shape.frame, shape.frame)) << shape.name;
    Bytes twice_tagged = other_shapes[0].frame;
    twice_tagged[16] = 0x81;
    EXPECT_FALSE(recalls_after(twice_tagged, twice_tagged));
    Bytes untagged = other_shapes[0].frame;
    untagged.erase(untagged.begin() + 12, untagged.begin() + 16);
    EXPECT_FALSE(recalls(untagged));
}

TEST_F(KnownFramesTest, DoesNotRecallOtherShapesThatDifferWhereAFlowLooks) {
    const auto fields_of = [](const Shape& shape) {
        const std::size_t ip = shape.ip_at;
        std::vector<Field> fields{{offsetof(FrameKey, dst_mac), 0},
                                  {offsetof(FrameKey, src_mac) + 5, 11},
                                  {offsetof(FrameKey, src_port), shape.ports_at()},
                                  {offsetof(FrameKey, dst_port) + 1, shape.ports_at() + 3}};
        if (ip == 18) fields.push_back({offsetof(FrameKey, vlan_tci) + 1, 15});
        const std::size_t src = ip + (shape.is_ipv6 ? 8 : 12), bytes = shape.is_ipv6 ? 16 : 4;
        for (std::size_t i = 0; i < bytes; ++i) {
            fields.push_back({offsetof(FrameKey, src_ip) + i, src + i});
            fields.push_back({offsetof(FrameKey, dst_ip) + i, src + bytes + i});
        }
        fields.push_back({offsetof(FrameKey, ttl), ip + (shape.is_ipv6 ? 7 : 8)});
        if (shape.is_ipv6) fields.push_back({offsetof(FrameKey, flow_label) + 3, ip + 3});
        if (!shape.is_ipv6) fields.push_back({offsetof(FrameKey, tos), ip + 1});
        return fields;
    };
    for (const Shape& shape : other_shapes) {
        const std::vector<Field> fields = fields_of(shape);
        for (const Field& looked : fields) {
            FrameKey bits{};
            reinterpret_cast<std::uint8_t*>(&bits)[looked.in_key] = 4;
            frames.look_at(bits);
            frames.remember(shape.frame, target, nullptr);
            for (const Field& field : fields) {
                const std::uint8_t was = shape.frame[field.in_frame];
                EXPECT_EQ(recalls(with(shape.frame, field.in_frame, was ^ 4U)), field.in_frame != looked.in_frame)
                    << shape.name << ": a flow looks at byte " << looked.in_frame << ", byte " << field.in_frame
                    << " differs";
            }
        }
    }
}

TEST_F(KnownFramesTest, ComparesTheTrafficClassOfIpv6) {
    const Shape& ipv6 = other_shapes[1];
    FrameKey bits{};
    bits.tos = 0xff;
    frames.look_at(bits);
    frames.remember(ipv6.frame, target, nullptr);
    EXPECT_TRUE(recalls(ipv6.frame));
    EXPECT_FALSE(recalls(with(ipv6.frame, 14, 0x61)));
    EXPECT_FALSE(recalls(with(ipv6.frame, 15, 0x10)));
    EXPECT_TRUE(recalls(with(ipv6.frame, 15, 0x01))) << "the flow label";
}

TEST_F(KnownFramesTest, RecallsTcpWithItsWholeHeader) {
    EXPECT_TRUE(recalls_after(packet(6), packet(6)));
    EXPECT_TRUE(recalls(cut(packet(6), 54)));
    EXPECT_FALSE(recalls(cut(packet(6), 53)));
    EXPECT_FALSE(recalls(with(packet(6), length_at + 1, 39)));
}

TEST_F(KnownFramesTest, KnowsSeveralFlows) {
    for (unsigned port = 0; port < 16; ++port) frames.remember(with(packet(), dst_port_at + 1, port), target, nullptr);
    int known = 0;
    for (unsigned port = 0; port < 32; ++port) {
        const bool is_known = recalls(with(packet(), dst_port_at + 1, port));
        EXPECT_FALSE(is_known && port >= 16);
        known += is_known;
    }
    EXPECT_GE(known, 8) << "some may have the same hash";
}

TEST_F(KnownFramesTest, KnowsNearlyAllOfManyFlows) {
    constexpr std::ptrdiff_t flows = 10000;
    FrameKey bits{};
    std::memset(bits.src_ip, 0xff, 4);
    frames.make_room(flows);
    frames.look_at(bits);
    std::mt19937 random{1};
    std::vector<Bytes> all(flows, packet());
    for (Bytes& frame : all) {
        const auto address = static_cast<std::uint32_t>(random());
        std::memcpy(&frame[src_ip_at], &address, sizeof address);
        frames.remember(frame, target, nullptr);
    }
    EXPECT_GE(std::ranges::count_if(all, [&](const Bytes& frame) { return recalls(frame); }), flows - flows / 2000);
}

TEST_F(KnownFramesTest, RemembersTheLastTargetOfAFlow) {
    // Those in between push it from its place.
    const Target other{nullptr, 78};
    for (int again = 0; again < 3; ++again) {
        frames.remember(packet(), other, nullptr);
        for (unsigned port = 100; port < 150; ++port)
            frames.remember(with(packet(), dst_port_at + 1, port), target, nullptr);
        frames.remember(packet(), target, nullptr);
        EXPECT_TRUE(recalls(packet()));
    }
}

TEST_F(KnownFramesTest, ForgetsWhenFlowsChange) {
    frames.remember(packet(), target, nullptr);
    frames.look_at(FrameKey{});
    EXPECT_FALSE(recalls(packet()));
}

}  // namespace
