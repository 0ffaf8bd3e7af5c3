// SPDX-License-Identifier: Apache-2.0
// The XDP program, run by the kernel on frames of all kinds, beside the flow table that it stands for.
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "base/file_descriptor.hpp"
#include "soft/link/xdp/program.hpp"
#include "soft/steering/flow_table.hpp"

namespace pktverbs::soft::xdp {
namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr xdp_action taken = XDP_TX;  // in place of a socket

/// A program in the kernel. Not attached to anything.
class LoadedProgram {
public:
    explicit LoadedProgram(const std::vector<FlowMatch>& flows) {
        std::vector<const FlowMatch*> pointers;
        for (const auto& flow : flows) pointers.push_back(&flow);
        const auto program = compile_program(pointers, sockets_.get(), taken);
        bpf_prog_load_opts options{};
        options.sz = sizeof options;
        options.expected_attach_type = BPF_XDP;
        options.prog_flags = BPF_F_XDP_HAS_FRAGS;
        std::vector<char> log(1 << 20);
        program_ = FileDescriptor{
            bpf_prog_load(BPF_PROG_TYPE_XDP, "test", "Apache-2.0", program.data(), program.size(), &options)};
        if (program_) return;
        error_ = errno;
        options.log_buf = log.data();
        options.log_size = static_cast<std::uint32_t>(log.size());
        options.log_level = 1;
        const FileDescriptor again{
            bpf_prog_load(BPF_PROG_TYPE_XDP, "test", "Apache-2.0", program.data(), program.size(), &options)};
        log_ = log.data();
    }

    int error() const { return error_; }
    /// The last of what the verifier said.
    std::string log() const { return log_.size() > 3000 ? log_.substr(log_.size() - 3000) : log_; }

    std::uint32_t run(const Bytes& frame) const {
        bpf_test_run_opts options{};
        options.sz = sizeof options;
        options.data_in = frame.data();
        options.data_size_in = static_cast<std::uint32_t>(frame.size());
        EXPECT_EQ(bpf_prog_test_run_opts(program_.get(), &options), 0) << std::strerror(errno);
        return options.retval;
    }

private:
    FileDescriptor sockets_{bpf_map_create(BPF_MAP_TYPE_XSKMAP, "test", 4, 4, 1, nullptr)};
    FileDescriptor program_;
    int error_ = 0;
    std::string log_;
};

/// What it has to do.
std::uint32_t steer(const std::vector<FlowMatch>& flows, const Bytes& frame) {
    FlowTable table;
    FlowTable::Handle handle = 0;
    for (const auto& flow : flows)
        EXPECT_EQ(table.add(flow, reinterpret_cast<QueuePair*>(std::uintptr_t{8}), handle), 0);
    std::span<const Target> targets;
    switch (table.steer(parse_frame(frame), static_cast<std::uint32_t>(frame.size()), targets)) {
        case Verdict::deliver:
            return taken;
        case Verdict::drop:
            return XDP_DROP;
        case Verdict::unmatched:
            break;
    }
    return XDP_PASS;
}

/// Frames of all kinds, many of them damaged, from few values, so that flows made of the same values match some.
class FrameMaker {
public:
    Bytes make() {
        Bytes frame;
        for (int i = 0; i < 12; ++i) put8(frame, i == 0 ? pick({0, 1, 2}) : pick({1, 2}));
        for (unsigned tags = chance(3) ? pick({1, 1, 2, 3, 8, 9}) : 0; tags != 0; --tags) {
            put16(frame, static_cast<std::uint16_t>(pick({0x8100, 0x88a8})));
            put16(frame, static_cast<std::uint16_t>(pick({5, 6, 0x6005})));
        }
        switch (pick({0, 0, 1, 1, 2})) {
            case 0:
                put16(frame, 0x0800);
                put_ipv4(frame);
                break;
            case 1:
                put16(frame, 0x86dd);
                put_ipv6(frame);
                break;
            default:
                put16(frame, static_cast<std::uint16_t>(pick({100, 1500, 1501, 0x88b5, 0x0806})));
                put_payload(frame);
        }
        if (chance(6)) frame.resize(std::max<std::size_t>(14, random_() % (frame.size() + 1)));
        if (chance(6)) frame[12 + random_() % (frame.size() - 12)] = static_cast<std::uint8_t>(random_());
        return frame;
    }

    unsigned pick(std::initializer_list<unsigned> values) { return *(values.begin() + random_() % values.size()); }
    bool chance(unsigned one_in) { return random_() % one_in == 0; }

private:
    static void put8(Bytes& to, unsigned value) { to.push_back(static_cast<std::uint8_t>(value)); }
    static void put16(Bytes& to, unsigned value) {
        put8(to, value >> 8);
        put8(to, value & 0xff);
    }
    void put_payload(Bytes& to) {
        for (unsigned left = pick({0, 7, 8, 19, 20, 40, 200, 5000}); left != 0; --left) put8(to, pick({0, 1, 2}));
    }

    void put_ipv4(Bytes& frame) {
        const std::size_t at = frame.size();
        const unsigned words = pick({5, 5, 5, 6, 15});
        put8(frame, 0x40 | words);
        put8(frame, pick({0, 4}));
        put16(frame, 0);
        put16(frame, 1);
        put16(frame, pick({0, 0, 0, 0x4000, 0x2000, 0x2001, 0x0010, 0x8000}));
        put8(frame, pick({1, 64}));
        put8(frame, pick({6, 17, 17, 1}));
        put16(frame, 0);
        for (int i = 0; i < 8; ++i) put8(frame, pick({1, 2}));
        for (unsigned i = 5; i < words; ++i) put16(frame, 0), put16(frame, 0);
        put_payload(frame);
        const auto length = static_cast<unsigned>(frame.size() - at);
        const unsigned said = pick({length, length, length, length - 1, length + 1, 0, 19, 20, 4 * words + 8});
        frame[at + 2] = static_cast<std::uint8_t>(said >> 8);
        frame[at + 3] = static_cast<std::uint8_t>(said & 0xff);
        for (unsigned padding = pick({0, 0, 3, 20}); padding != 0; --padding) put8(frame, 0);
    }

    void put_ipv6(Bytes& frame) {
        const std::size_t at = frame.size();
        put16(frame, pick({0x6000, 0x6040, 0x600f}));
        put16(frame, pick({0, 1}));
        put16(frame, 0);
        std::size_t next_at = frame.size();
        put8(frame, 0);
        put8(frame, pick({1, 64}));
        for (int i = 0; i < 32; ++i) put8(frame, i % 8 == 0 ? pick({1, 2}) : 0);
        for (unsigned headers = chance(2) ? pick({1, 1, 2, 3, 15, 16, 17}) : 0; headers != 0; --headers) {
            const unsigned kind = pick({0, 43, 44, 51, 60});
            frame[next_at] = static_cast<std::uint8_t>(kind);
            next_at = frame.size();
            put8(frame, 0);
            const unsigned length = kind == 44 ? pick({0, 1}) : kind == 51 ? pick({0, 1, 2, 4}) : pick({0, 0, 1, 2});
            put8(frame, length);
            put16(frame, kind == 44 ? pick({0, 0, 6, 1, 8, 9, 0xfff8}) : pick({0, 1}));
            put16(frame, 0), put16(frame, 0);
            const unsigned bytes = kind == 44 ? 8 : kind == 51 ? 4 * (length + 2) : 8 * (length + 1);
            for (unsigned i = 8; i < bytes; ++i) put8(frame, 0);
        }
        frame[next_at] = static_cast<std::uint8_t>(pick({6, 17, 17, 58, 59, 0, 44}));
        put_payload(frame);
        const auto length = static_cast<unsigned>(frame.size() - at - 40);
        const unsigned said = pick({length, length, length, length - 1, length + 1, 0, length + 40});
        frame[at + 4] = static_cast<std::uint8_t>(said >> 8);
        frame[at + 5] = static_cast<std::uint8_t>(said & 0xff);
    }

    std::mt19937 random_{20261129};
};

/// A flow that looks at some of what a frame has, and often matches it.
FlowMatch make_flow(FrameMaker& maker) {
    const FrameKey key = parse_frame(maker.make());
    FlowMatch flow;
    auto take = [&](auto FrameKey::*field) {
        std::memset(&(flow.mask.*field), 0xff, sizeof(key.*field));
        std::memcpy(&(flow.value.*field), &(key.*field), sizeof(key.*field));
    };
    if (maker.chance(4)) take(&FrameKey::dst_mac);
    if (maker.chance(6)) take(&FrameKey::src_mac);
    if (maker.chance(3)) take(&FrameKey::ether_type);
    if (maker.chance(4)) take(&FrameKey::vlan_tci);
    if (maker.chance(6)) take(&FrameKey::src_ip);
    if (maker.chance(4)) take(&FrameKey::dst_ip);
    if (maker.chance(4)) take(&FrameKey::src_port);
    if (maker.chance(3)) take(&FrameKey::dst_port);
    if (maker.chance(5)) take(&FrameKey::flow_label);
    if (maker.chance(2)) take(&FrameKey::protocol);
    if (maker.chance(5)) take(&FrameKey::tos);
    if (maker.chance(5)) take(&FrameKey::ttl);
    if (maker.chance(2)) take(&FrameKey::flags);
    flow.priority = static_cast<std::uint16_t>(maker.pick({0, 1, 2}));
    flow.drop = maker.chance(4);
    return flow;
}

struct XdpProgramTest : ::testing::Test {
    void SetUp() override {
        const LoadedProgram probe{{}};
        if (probe.error() == EPERM) GTEST_SKIP() << "NOT TESTED: needs AF_XDP: CAP_BPF and CAP_NET_ADMIN of the host";
        ASSERT_EQ(probe.error(), 0) << probe.log();
    }
};

TEST_F(XdpProgramTest, TakesWhatTheFlowTableDoes) {
    FrameMaker maker;
    std::size_t counts[5]{};
    for (int programs = 0; programs < 60; ++programs) {
        std::vector<FlowMatch> flows;
        for (unsigned i = 1 + static_cast<unsigned>(programs) / 10; i != 0; --i) flows.push_back(make_flow(maker));
        if (maker.chance(5)) {
            flows.emplace_back().type = maker.chance(2) ? IBV_FLOW_ATTR_MC_DEFAULT : IBV_FLOW_ATTR_ALL_DEFAULT;
        }
        std::ranges::stable_sort(flows, {}, &FlowMatch::priority);  // as the table gives them
        const LoadedProgram program{flows};
        ASSERT_EQ(program.error(), 0) << program.log();
        for (int frames = 0; frames < 400; ++frames) {
            const Bytes frame = maker.make();
            const auto expected = steer(flows, frame);
            ASSERT_EQ(program.run(frame), expected) << ::testing::PrintToString(frame);
            ++counts[expected];
        }
    }
    for (const auto action : {XDP_DROP, XDP_PASS, taken}) EXPECT_GT(counts[action], 500u) << action;
}

/// Each field by itself, so that each is read right: of a frame that has it.
TEST_F(XdpProgramTest, ReadsEveryField) {
    FrameMaker maker;
    for (std::size_t word = 0; word < FrameKey::Words{}.size(); ++word) {
        for (int tries = 0; tries < 40; ++tries) {
            const Bytes frame = maker.make();
            FrameKey::Words mask{}, value{};
            mask[word] = ~std::uint64_t{0};
            value[word] = parse_frame(frame).words()[word];
            FlowMatch flow;
            flow.mask = std::bit_cast<FrameKey>(mask);
            flow.value = std::bit_cast<FrameKey>(value);
            const LoadedProgram program{{flow}};
            ASSERT_EQ(program.run(frame), std::uint32_t{taken}) << word << ::testing::PrintToString(frame);
        }
    }
}

TEST_F(XdpProgramTest, HasRoomForThousandsOfFlows) {
    std::vector<FlowMatch> flows(3000);
    for (std::size_t i = 0; i < flows.size(); ++i) {
        FlowMatch& flow = flows[i];
        std::memset(flow.mask.dst_mac, 0xff, 6);
        std::memset(flow.mask.dst_ip, 0xff, 4);
        flow.mask.dst_port = 0xffff;
        flow.value.dst_port = htons(static_cast<std::uint16_t>(i));
        flow.mask.protocol = 0xff;
        flow.value.protocol = 17;
        flow.mask.flags = flow.value.flags = FrameKey::has_ports | FrameKey::is_ipv4;
    }
    const LoadedProgram program{flows};
    EXPECT_EQ(program.error(), 0) << program.log();
}

}  // namespace
}  // namespace pktverbs::soft::xdp
