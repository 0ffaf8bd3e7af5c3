// SPDX-License-Identifier: Apache-2.0
// Checks by trying: queue pairs, memory, and which flows a device takes.
#include <fmt/core.h>

#include <system_error>
#include <vector>

#include <pktverbs/flow_rule.hpp>
#include <pktverbs/memory/memory.hpp>
#include <pktverbs/verbs/error.hpp>
#include <pktverbs/verbs/handle.hpp>

#include "doctor/inspection.hpp"
#include "flow/flow_spec.hpp"

namespace pktverbs::doctor {

namespace {

/// Reserved for documentation, so no frame has it (RFC 7042, 2.1.2).
constexpr MacAddress nobody{MacAddress::Bytes{0x00, 0x00, 0x5e, 0x00, 0x53, 0x01}};

/// A queue pair that never receives: it stays in INIT and has no receives.
class Scratch {
public:
    Scratch(const Device& device, ibv_context* context)
        : provider_{*device.provider},
          pd_{verbs::check_pointer({"alloc_pd", "allocate a protection domain", device.name},
                                   [&] { return provider_.alloc_pd(context); }),
              {&provider_}},
          cq_{verbs::check_pointer({"create_cq", "create a completion queue", device.name},
                                   [&] { return provider_.create_cq(context, 1, nullptr, nullptr, 0); }),
              {&provider_}} {}

    void make_queue_pair(const Device& device) {
        ibv_qp_init_attr init{};
        init.send_cq = init.recv_cq = cq_.get();
        init.cap = {.max_send_wr = 1, .max_recv_wr = 1, .max_send_sge = 1, .max_recv_sge = 1, .max_inline_data = 0};
        init.qp_type = IBV_QPT_RAW_PACKET;
        qp_ = verbs::QpHandle{verbs::check_pointer({"create_qp", "create a raw packet queue pair", device.name},
                                                   [&] { return provider_.create_qp(pd_.get(), &init); }),
                              {&provider_}};
        ibv_qp_attr attr{};
        attr.qp_state = IBV_QPS_INIT;
        attr.port_num = device.port;
        verbs::check_result({"modify_qp", "bring a queue pair to INIT", device.name},
                            [&] { return provider_.modify_qp(qp_.get(), &attr, IBV_QP_STATE | IBV_QP_PORT); });
    }
    /// 0, or why the device refuses the rule.
    int try_rule(const FlowRule& rule, std::uint8_t port) {
        FlowSpec spec{rule, nobody, port};
        errno = 0;
        const verbs::FlowHandle flow{provider_.create_flow(qp_.get(), spec.attr()), {&provider_}};
        return flow ? 0 : errno != 0 ? errno : EIO;
    }
    void try_memory(const Memory& memory, const std::string& device) {
        const verbs::MrHandle mr{
            verbs::check_pointer(
                {"reg_mr", "register memory", device},
                [&] { return provider_.reg_mr(pd_.get(), memory.data(), memory.size(), IBV_ACCESS_LOCAL_WRITE); }),
            {&provider_}};
    }

private:
    const verbs::Provider& provider_;
    verbs::PdHandle pd_;
    verbs::CqHandle cq_;
    verbs::QpHandle qp_;
};

void probe_memory(Inspection& inspection, Scratch& scratch, const std::string& device) {
    const std::size_t bytes = inspection.buffer_bytes();
    if (bytes == 0) return;
    try {
        scratch.try_memory(Memory{bytes, {.pages = inspection.wanted.pages}}, device);
        inspection.registers_memory = true;
        inspection.add("memory", fmt::format("{} for buffers can be registered", bytes_text(bytes)));
    } catch (const std::system_error& error) {
        inspection.registers_memory = false;
        inspection.add("memory", error.what(), Severity::problem, "or ask for fewer or smaller packets");
    }
}

struct Kind {
    const char* what;
    FlowRule rule;
};

std::vector<Kind> kinds() {
    const FlowRule base = FlowRule{}.dst_mac(nobody);
    const auto with = [&base] { return base; };
    const Ipv4Address ipv4{"192.0.2.1"};
    const Ipv6Address ipv6{"2001:db8::1"};
    constexpr std::uint16_t discard = 9;
    return {{"flow_mac", base},
            {"flow_ether_type", with().ether_type(0x88b5)},
            {"flow_vlan", with().vlan(1)},
            {"flow_ipv4", with().dst_ip(ipv4)},
            {"flow_ipv6", with().dst_ip(ipv6)},
            {"flow_udp", with().dst_ip(ipv4).udp().dst_port(discard)},
            {"flow_tcp", with().dst_ip(ipv4).tcp().dst_port(discard)},
            {"flow_priority", with().priority(1)},
            {"flow_tag", with().tag(1)},
            {"flow_drop", with().drop()},
            {"flow_dont_trap", with().dont_trap()},
            {"flow_sniffer", FlowRule{}.sniffer()},
            {"flow_all_default", FlowRule{}.all_default()},
            {"flow_multicast_default", FlowRule{}.multicast_default()}};
}

void probe_flows(Inspection& inspection, Scratch& scratch, const Device& device) {
    for (const Kind& kind : kinds()) {
        const int error = scratch.try_rule(kind.rule, device.port);
        if (error == 0)
            inspection.add(kind.what, "accepted");
        else
            inspection.add(kind.what, fmt::format("refused: {}", std::generic_category().message(error)),
                           Severity::warning, std::string{verbs::error_hint("create_flow", error)});
    }
}

}  // namespace

void probe_device(Inspection& inspection, const Device& device, ibv_context* context) {
    try {
        Scratch scratch{device, context};
        probe_memory(inspection, scratch, device.name);
        if (inspection.wanted.transport != Transport::raw_packet) return;
        inspection.makes_raw_packets = false;
        scratch.make_queue_pair(device);
        inspection.makes_raw_packets = true;
        inspection.add("raw_packets", "a queue pair can be made");
        probe_flows(inspection, scratch, device);
    } catch (const std::system_error& error) {
        inspection.add("raw_packets", error.what(), Severity::problem,
                       device.alternative.empty() ? "" : fmt::format("use {}", device.alternative));
    }
}

}  // namespace pktverbs::doctor
