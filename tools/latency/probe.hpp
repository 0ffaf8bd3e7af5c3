// SPDX-License-Identifier: Apache-2.0
// Probe: the frames whose times are measured.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include <pktverbs/net/net.hpp>
#include "base/flow.hpp"
#include "base/ip_address.hpp"

namespace tool {

/// What a probe's UDP payload begins with, in network order.
struct Probe {
    /// An echo answers requests alone, so that two echoes don't answer each other for ever.
    enum class Kind : std::uint32_t { request = 0x50565251, reply = 0x50565250, load = 0x5056524c };  // "PVRQ", ...
    static constexpr std::size_t bytes = 16;
    static constexpr std::size_t kind_at = 0, session_at = 4, number_at = 8;

    Kind kind = Kind::request;
    std::uint32_t session = 0;  ///< drawn by each run, for what an earlier one left on its way
    std::uint64_t number = 0;

    void write(pktverbs::net::Bytes payload) const noexcept {
        pktverbs::net::store(payload.data() + kind_at, static_cast<std::uint32_t>(kind));
        pktverbs::net::store(payload.data() + session_at, session);
        pktverbs::net::store(payload.data() + number_at, number);
    }
    static std::optional<Probe> read(pktverbs::net::ConstBytes payload) noexcept {
        if (payload.size() < bytes) return std::nullopt;
        const auto kind = pktverbs::net::load<std::uint32_t>(payload.data() + kind_at);
        if (kind != static_cast<std::uint32_t>(Kind::request) && kind != static_cast<std::uint32_t>(Kind::reply) &&
            kind != static_cast<std::uint32_t>(Kind::load))
            return std::nullopt;
        return Probe{static_cast<Kind>(kind), pktverbs::net::load<std::uint32_t>(payload.data() + session_at),
                     pktverbs::net::load<std::uint64_t>(payload.data() + number_at)};
    }
};

/// Where probes come from and go to.
struct ProbePath {
    static constexpr std::uint16_t default_port = 7148;
    /// Addresses of RFC 2544's network for tests, where the devices have none of their own.
    static constexpr pktverbs::Ipv4Address default_src{{198, 18, 0, 1}}, default_dst{{198, 18, 0, 2}};

    pktverbs::MacAddress src_mac{}, dst_mac{};
    IpAddress src = default_src, dst = default_dst;
    std::uint16_t sport = default_port, port = default_port;
    std::optional<pktverbs::net::Vlan> vlan{};
    std::uint8_t tos = 0;

    /// Of what a flow says. Throws BadUse for a flow that is not UDP to one address.
    static ProbePath of(const Flow& flow);
    pktverbs::net::FrameTemplate headers() const noexcept;
    /// What takes the probes, addressed to its port's own MAC address.
    pktverbs::FlowRule rule_at_dst() const;
    /// What takes the replies.
    pktverbs::FlowRule rule_at_src() const;
    /// The load goes the same way, to the next port.
    ProbePath of_load() const noexcept {
        auto load = *this;
        load.port = static_cast<std::uint16_t>(port == 0xffff ? port - 1 : port + 1);
        return load;
    }
};

}  // namespace tool
