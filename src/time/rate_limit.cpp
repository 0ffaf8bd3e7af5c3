// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/time/rate_limit.hpp>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <string>

#include <pktverbs/context.hpp>
#include <pktverbs/format.hpp>
#include <pktverbs/verbs/error.hpp>
#include <pktverbs/verbs/provider.hpp>

namespace pktverbs {

namespace {

constexpr std::string_view in_software = "pace in software: Pacer";

std::string what(const Context& ctx) { return "limit the rate of " + ctx.device().name; }

ibv_qp* queue_pair(Context& ctx, std::size_t queue) {
    if (queue >= ctx.queue_count())
        verbs::throw_message(EINVAL,
                             fmt::format("cannot {}, queue {}: there are {}", what(ctx), queue, ctx.queue_count()));
    if (ctx.queue(queue).limits().send_packets == 0)
        verbs::throw_error(EOPNOTSUPP, what(ctx), "the context was opened to receive only");
    return ctx.queue(queue).raw();
}

/// The device's reported rate limits for such a queue pair.
ibv_packet_pacing_caps capabilities(Context& ctx, const ibv_qp& qp) {
    ibv_device_attr_ex attr{};
    verbs::check_result({"query_device_ex", "query", ctx.device().name},
                        [&] { return ctx.device().provider->query_device_ex(ctx.raw(), nullptr, &attr); });
    const ibv_packet_pacing_caps& caps = attr.packet_pacing_caps;
    if (caps.qp_rate_limit_max == 0)
        verbs::throw_error(EOPNOTSUPP, what(ctx), fmt::format("it limits none; {}", in_software));
    if ((caps.supported_qpts >> qp.qp_type & 1) == 0)
        verbs::throw_error(EOPNOTSUPP, what(ctx), fmt::format("not those of such queue pairs; {}", in_software));
    return caps;
}

std::uint32_t kbps(const Context& ctx, const Rate& rate, const RateLimitOptions& options,
                   const ibv_packet_pacing_caps& caps) {
    double bits = rate.per_second();
    if (rate.unit() == Rate::Unit::packets) {
        if (options.frame_bytes == 0)
            verbs::throw_error(EINVAL, fmt::format("{} to {}", what(ctx), rate),
                               "the device takes bits: set RateLimitOptions::frame_bytes");
        bits *= 8.0 * options.frame_bytes;
    }
    const double asked = std::floor(bits / 1000);
    if (asked < std::max(caps.qp_rate_limit_min, 1U) || asked > caps.qp_rate_limit_max)
        verbs::throw_error(
            ERANGE, fmt::format("{} to {}", what(ctx), rate),
            fmt::format("it takes {} to {} kb/s; {}", caps.qp_rate_limit_min, caps.qp_rate_limit_max, in_software));
    return static_cast<std::uint32_t>(asked);
}

void modify(const Context& ctx, ibv_qp* qp, ibv_qp_rate_limit_attr attr) {
    verbs::check_result({"modify_qp_rate_limit", "limit the rate of", ctx.device().name},
                        [&] { return ctx.device().provider->modify_qp_rate_limit(qp, &attr); });
}

}  // namespace

void limit_rate(Context& ctx, const Rate& rate, const RateLimitOptions& options, std::size_t queue) {
    ibv_qp* const qp = queue_pair(ctx, queue);
    if (options.frame_bytes > UINT16_MAX)
        verbs::throw_message(
            EINVAL, fmt::format("cannot {}: frames of {} bytes are not below 65536", what(ctx), options.frame_bytes));
    ibv_qp_rate_limit_attr attr{};
    attr.rate_limit = kbps(ctx, rate, options, capabilities(ctx, *qp));
    // mlx5 refuses a packet size as well if it takes no burst size (rdma-core, mlx5_modify_qp_rate_limit), so pass the
    // packet size only together with a burst size.
    if (options.max_burst_bytes != 0) {
        attr.max_burst_sz = options.max_burst_bytes;
        attr.typical_pkt_sz = static_cast<std::uint16_t>(options.frame_bytes);
    }
    modify(ctx, qp, attr);
}

void lift_rate_limit(Context& ctx, std::size_t queue) {
    ibv_qp* const qp = queue_pair(ctx, queue);
    capabilities(ctx, *qp);
    modify(ctx, qp, {});
}

}  // namespace pktverbs
