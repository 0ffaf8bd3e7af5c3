// SPDX-License-Identifier: Apache-2.0
// limit_rate and Pacer::on: on a fake device that limits rates, made from the soft device, which doesn't.
#include <pktverbs/time/rate_limit.hpp>

#include <vector>

#include <pktverbs/soft/device.hpp>
#include <pktverbs/time/pacer.hpp>
#include <pktverbs/time/rate.hpp>

#include "expect_error.hpp"
#include "wire_device.hpp"
#include "wired.hpp"

namespace pktverbs::testing {
namespace {

/// Limits rates, and records the requested limits.
struct LimitingNic {
    static inline ibv_packet_pacing_caps caps{};
    static inline int error = 0;
    static inline std::vector<std::pair<ibv_qp*, ibv_qp_rate_limit_attr>> told;

    static inline const verbs::Provider provider = [] {
        verbs::Provider made = soft::provider();
        made.query_device_ex = [](ibv_context* context, const ibv_query_device_ex_input* input,
                                  ibv_device_attr_ex* attr) {
            const int result = soft::provider().query_device_ex(context, input, attr);
            attr->packet_pacing_caps = caps;
            return result;
        };
        made.modify_qp_rate_limit = [](ibv_qp* qp, ibv_qp_rate_limit_attr* attr) {
            if (error == 0) told.emplace_back(qp, *attr);
            return error;
        };
        return made;
    }();
};

class RateLimit : public Wired {
protected:
    RateLimit() {
        LimitingNic::caps = {
            .qp_rate_limit_min = 1000, .qp_rate_limit_max = 100'000'000, .supported_qpts = 1U << IBV_QPT_RAW_PACKET};
        LimitingNic::error = 0;
        LimitingNic::told.clear();
    }
    Context open_limiting(const Options& options = small) {
        Device device = testing::wire_device(name);
        device.provider = &LimitingNic::provider;
        return Context{device, options};
    }
    static ibv_qp_rate_limit_attr last() {
        return LimitingNic::told.empty() ? ibv_qp_rate_limit_attr{} : LimitingNic::told.back().second;
    }
};

TEST_F(RateLimit, IsTheDevices) {
    Context ctx = open_limiting();
    limit_rate(ctx, Rate::wire_bits(10'000'000'999));
    ASSERT_EQ(LimitingNic::told.size(), 1u);
    EXPECT_EQ(LimitingNic::told[0].first, ctx.queue(0).raw());
    EXPECT_EQ(last().rate_limit, 10'000'000u);
    EXPECT_EQ(last().max_burst_sz, 0u);
    EXPECT_EQ(last().typical_pkt_sz, 0u);
    EXPECT_EQ(last().comp_mask, 0u);
}

TEST_F(RateLimit, ReportsBurstsOnRequest) {
    Context ctx = open_limiting();
    limit_rate(ctx, Rate::frame_bits(1e9), {.max_burst_bytes = 65536, .frame_bytes = 8234});
    EXPECT_EQ(last().rate_limit, 1'000'000u);
    EXPECT_EQ(last().max_burst_sz, 65536u);
    EXPECT_EQ(last().typical_pkt_sz, 8234u);
}

TEST_F(RateLimit, MakesBitsOfPackets) {
    Context ctx = open_limiting();
    limit_rate(ctx, Rate::packets(1e6), {.frame_bytes = 1000});
    EXPECT_EQ(last().rate_limit, 8'000'000u);
    EXPECT_EQ(last().typical_pkt_sz, 0u) << "not every device takes it";
    expect_words(expect_error(EINVAL, [&] { limit_rate(ctx, Rate::packets(1e6)); }),
                 {"1 Mpackets/s", "RateLimitOptions::frame_bytes"});
}

TEST_F(RateLimit, IsForOneQueue) {
    Context ctx = open_limiting(with_queues(3));
    limit_rate(ctx, Rate::wire_bits(1e9), {}, 2);
    ASSERT_EQ(LimitingNic::told.size(), 1u);
    EXPECT_EQ(LimitingNic::told[0].first, ctx.queue(2).raw());
    expect_words(expect_error(EINVAL, [&] { limit_rate(ctx, Rate::wire_bits(1e9), {}, 3); }),
                 {"queue 3", "there are 3"});
}

TEST_F(RateLimit, IsLifted) {
    Context ctx = open_limiting();
    limit_rate(ctx, Rate::wire_bits(1e9), {.max_burst_bytes = 65536});
    lift_rate_limit(ctx);
    EXPECT_EQ(LimitingNic::told.size(), 2u);
    EXPECT_EQ(last().rate_limit, 0u);
    EXPECT_EQ(last().max_burst_sz, 0u);
}

TEST_F(RateLimit, IsWithinTheDevicesRange) {
    Context ctx = open_limiting();
    limit_rate(ctx, Rate::wire_bits(1e6));
    limit_rate(ctx, Rate::wire_bits(100e9));
    for (const double out : {999'999.0, 100'000'001e3})
        expect_words(expect_error(ERANGE, [&] { limit_rate(ctx, Rate::wire_bits(out)); }),
                     {("cannot limit the rate of wire:" + name).c_str(), "it takes 1000 to 100000000 kb/s", "Pacer"});
    EXPECT_EQ(LimitingNic::told.size(), 2u);
}

TEST_F(RateLimit, NeedsACapability) {
    Context ctx = open_limiting();
    LimitingNic::caps.supported_qpts = 1U << IBV_QPT_UD;
    expect_words(expect_error(EOPNOTSUPP, [&] { limit_rate(ctx, Rate::wire_bits(1e9)); }),
                 {("cannot limit the rate of wire:" + name).c_str(), "not those of such queue pairs", "Pacer"});
    LimitingNic::caps = {};
    expect_words(expect_error(EOPNOTSUPP, [&] { limit_rate(ctx, Rate::wire_bits(1e9)); }), {"it limits none"});
    expect_error(EOPNOTSUPP, [&] { lift_rate_limit(ctx); });
    EXPECT_TRUE(LimitingNic::told.empty());
}

TEST_F(RateLimit, SaysWhatTheDeviceSaid) {
    Context ctx = open_limiting();
    LimitingNic::error = EINVAL;
    expect_words(expect_error(EINVAL, [&] { limit_rate(ctx, Rate::wire_bits(1e9)); }),
                 {("cannot limit the rate of wire:" + name).c_str()});
}

TEST_F(RateLimit, SparesThePacerItsWork) {
    Context ctx = open_limiting();
    Pacer pacer = Pacer::on(ctx, Rate::wire_bits(1e6), Pacing::either);
    EXPECT_TRUE(pacer.in_hardware());
    EXPECT_EQ(pacer.note(), "");
    EXPECT_EQ(last().rate_limit, 1000u);
    // In software this would take 20 minutes.
    for (int i = 0; i < 100'000; ++i) ASSERT_TRUE(pacer.wait(1, 1500));
    EXPECT_EQ(pacer.time_left(), std::chrono::nanoseconds::zero());
    EXPECT_EQ(pacer.report().packets, 100'000u);
    EXPECT_EQ(pacer.report().late, 0u);
}

TEST_F(RateLimit, TakesThePacersOptions) {
    Context ctx = open_limiting(with_queues(2));
    PacerOptions options;
    options.limit.frame_bytes = 1000;
    EXPECT_TRUE(Pacer::on(ctx, Rate::packets(1e6), Pacing::hardware, options, 1).in_hardware());
    EXPECT_EQ(last().rate_limit, 8'000'000u);
    EXPECT_EQ(LimitingNic::told.back().first, ctx.queue(1).raw());
}

TEST_F(RateLimit, LeavesThePacerToItsWork) {
    Context ctx = open();
    const Pacer pacer = Pacer::on(ctx, Rate::wire_bits(1e9), Pacing::either);
    EXPECT_FALSE(pacer.in_hardware());
    expect_words(pacer.note(), {"cannot limit the rate of", "it limits none"});
    expect_words(expect_error(EOPNOTSUPP, [&] { Pacer::on(ctx, Rate::wire_bits(1e9), Pacing::hardware); }),
                 {"it limits none"});
}

TEST_F(RateLimit, IsNotAskedForByASoftwarePacer) {
    Context ctx = open_limiting();
    const Pacer pacer = Pacer::on(ctx, Rate::wire_bits(1e9), Pacing::software);
    EXPECT_FALSE(pacer.in_hardware());
    EXPECT_EQ(pacer.note(), "");
    EXPECT_TRUE(LimitingNic::told.empty());
}

TEST_F(RateLimit, OfTheSoftDeviceIsNone) {
    Context ctx = open();
    ibv_qp_rate_limit_attr attr{};
    attr.rate_limit = 1000;
    EXPECT_EQ(soft::provider().modify_qp_rate_limit(ctx.queue(0).raw(), &attr), EOPNOTSUPP);
    EXPECT_EQ(ibv_modify_qp_rate_limit(ctx.queue(0).raw(), &attr), EOPNOTSUPP);
}

/// A list's cost, and that nothing is sent before its time.
TEST_F(RateLimit, TakesLists) {
    Context ctx = open();
    Pacer pacer{Rate::wire_bits(9e12)};
    auto packets = ctx.acquire(3);
    std::size_t length = 20;
    for (auto& pkt : packets) pkt.set_length(length += 20);
    ASSERT_TRUE(pacer.wait(packets));
    EXPECT_EQ(pacer.report().packets, 3u);
    EXPECT_EQ(pacer.report().frame_bytes, 40u + 60 + 80);
    pacer.give_back(packets);
    EXPECT_EQ(pacer.report().packets, 0u);
    EXPECT_EQ(pacer.report().frame_bytes, 0u);
}

}  // namespace
}  // namespace pktverbs::testing
