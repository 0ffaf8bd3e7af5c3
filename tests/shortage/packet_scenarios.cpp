// SPDX-License-Identifier: Apache-2.0
// Scenarios with a Context on an interface, between two network namespaces.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <pktverbs/counters/counters.hpp>
#include <pktverbs/pktverbs.hpp>

#include "allocations.hpp"
#include "network_namespace.hpp"
#include "rounds.hpp"
#include "scenario.hpp"

namespace pktverbs::testing {

namespace {

using namespace std::chrono_literals;

/// One for all scenarios.
test::VethPair& cable() {
    static test::VethPair pair;
    return pair;
}

const Options small{.send_packets = 8, .recv_packets = 16, .max_packet_size = 256};

class Opening final : public Play {
public:
    void run() override {
        cable().right.run([] {
            Context ctx{"packet:right0", small};
            PKTVERBS_REQUIRE(!ctx.limits().mac.is_zero() && ctx.port().state == IBV_PORT_ACTIVE);
            PKTVERBS_REQUIRE(ctx.counters().to_string().size() > 20);
        });
    }
};

/// Rules that change the socket's filter, its memberships and the kernel's groups.
class Rules final : public Play {
public:
    void run() override {
        cable().right.run([this] {
            const Flow group = ctx_.install(FlowRule{}.dst_ip("239.2.1.150").udp().dst_port(7148));
            const Flow other = ctx_.install(FlowRule{}.dst_ip("ff15::42").count());
            ctx_.set_flow(1, FlowRule{}.dst_mac("02:00:00:00:00:77"));
            ctx_.set_flow(1, FlowRule{}.sniffer());
            PKTVERBS_REQUIRE(ctx_.counters().flows.size() == 1);
        });
    }

private:
    Context ctx_ = cable().right.run([] { return Context{"packet:right0", small}; });
};

class Traffic final : public Play {
public:
    void run() override {
        SendList list = left_.acquire(4);
        for (SendPkt& pkt : list) {
            std::fill_n(pkt.buffer().begin(), 60, std::uint8_t{0xff});
            pkt.buffer()[12] = 0x10;
            pkt.set_length(60);
        }
        PKTVERBS_REQUIRE(left_.send(std::move(list)).empty());
        PKTVERBS_REQUIRE(left_.flush(20s));
        std::size_t received = 0;
        while (received < 4) {
            const RecvList got = right_.recv(20s);
            PKTVERBS_REQUIRE(got.outcome() == Outcome::packets);
            received += got.size();
        }
        PKTVERBS_REQUIRE(right_.stats().drops.lost() == 0);
    }

private:
    Context left_ = cable().left.run([] { return Context{"packet:left0", small}; });
    Context right_ = cable().right.run([] { return Context{"packet:right0", small}; });
    Flow flow_ = right_.install(FlowRule{}.ether_type(0x10ff));
};

}  // namespace

std::string unavailable() { return test::NetworkNamespace::unavailable(); }

/// The kernel takes long to close a packet socket. The default round lets each fail.
std::uint64_t allocation_step() {
#ifdef PKTVERBS_SANITIZED
    return short_or_long<std::uint64_t>(3, 1);
#else
    return 1;
#endif
}

std::vector<Scenario> all_scenarios() {
    return {scenario<Opening>("opening"), scenario<Rules>("rules"), scenario<Traffic>("traffic")};
}

std::vector<Scenario> long_scenarios() { return {}; }

}  // namespace pktverbs::testing
