// SPDX-License-Identifier: Apache-2.0
#include <endian.h>

#include <optional>
#include <stdexcept>
#include <vector>

#include <pktverbs/device.hpp>
#include <pktverbs/memory/memory.hpp>
#include <pktverbs/verbs/completion_queue.hpp>
#include <pktverbs/verbs/error.hpp>
#include <pktverbs/verbs/gid.hpp>
#include <pktverbs/verbs/handle.hpp>
#include <pktverbs/verbs/memory_region.hpp>
#include <pktverbs/verbs/queue_pair.hpp>

#include "path.hpp"

namespace bench {
namespace {

namespace pv = pktverbs;
namespace verbs = pktverbs::verbs;

/// A queue pair, its completion queue and its buffers, one for each work request.
struct BareEnd {
    BareEnd(const std::string& name, const PathOptions& options, bool sends)
        : stride{pv::Memory::stride(options.shape.bytes)},
          memory{stride * options.packets},
          device{pv::find_device(name)} {
        auto& queue = builder.completes_on(cq).options();
        queue.max_send_wr = sends ? options.packets : 0;
        queue.max_recv_wr = sends ? 0 : options.packets;
        qp.emplace(builder.create());
        qp->activate();
        for (std::uint32_t i = 0; i < options.packets; ++i)
            sges.push_back(
                {reinterpret_cast<std::uint64_t>(memory.data() + stride * i), options.shape.bytes, mr.raw()->lkey});
    }
    std::uint8_t* data(std::uint64_t index) const noexcept { return memory.data() + stride * index; }

    std::size_t stride;
    pv::Memory memory;
    verbs::OpenDevice device;
    verbs::ProtectionDomain pd{device};
    verbs::MemoryRegion mr{pd, {memory.data(), memory.size()}};
    verbs::CompletionQueue cq{device};
    verbs::QueuePairBuilder builder{pd, IBV_QPT_RAW_PACKET};
    std::optional<verbs::QueuePair> qp;
    std::vector<ibv_sge> sges;
};

/// The flow of the one rule of Stream::rules().
verbs::FlowHandle install(const BareEnd& end) {
    struct {
        ibv_flow_attr attr;
        ibv_flow_spec_ipv4 ipv4;
        ibv_flow_spec_tcp_udp udp;
    } flow{};
    flow.attr.type = IBV_FLOW_ATTR_NORMAL;
    flow.attr.size = sizeof flow;
    flow.attr.num_of_specs = 2;
    flow.attr.port = 1;
    flow.ipv4.type = IBV_FLOW_SPEC_IPV4;
    flow.ipv4.size = sizeof flow.ipv4;
    flow.ipv4.val.dst_ip = htobe32(0x0a000002);
    flow.ipv4.mask.dst_ip = 0xffffffff;
    flow.udp.type = IBV_FLOW_SPEC_UDP;
    flow.udp.size = sizeof flow.udp;
    flow.udp.val.dst_port = htobe16(Stream::first_port);
    flow.udp.mask.dst_port = 0xffff;
    const verbs::Provider& provider = end.device.provider();
    return {verbs::check_pointer(end.device.action("create_flow", "create a flow"),
                                 [&] { return provider.create_flow(end.qp->raw(), &flow.attr); }),
            {&provider}};
}

class BarePath final : public Path {
public:
    BarePath(const std::string& device, const PathOptions& options)
        : stream_{options.shape},
          batch_{options.batch},
          sender_{device, options, true},
          receiver_{device, options, false},
          flow_{install(receiver_)},
          sends_(options.packets),
          receives_(options.packets),
          wcs_(options.batch) {
        if (options.packets % options.batch != 0) throw std::invalid_argument{"batches must use up the buffers"};
        if (stream_.has_flows()) throw std::invalid_argument{"there is one rule, for one flow"};
        for (std::uint32_t i = 0; i < options.packets; ++i) {
            stream_.prepare({sender_.data(i), options.shape.bytes}, pv::MacAddress::broadcast());
            sends_[i].sg_list = &sender_.sges[i];
            sends_[i].num_sge = 1;
            sends_[i].opcode = IBV_WR_SEND;
            receives_[i] = {i, nullptr, &receiver_.sges[i], 1};
            ibv_recv_wr* bad = nullptr;
            if (ibv_post_recv(receiver_.qp->raw(), &receives_[i], &bad) != 0)
                throw std::runtime_error{"cannot post a receive"};
        }
    }

    void turn() override {
        send();
        const auto batch = static_cast<int>(batch_);
        if (receive() != batch) throw std::runtime_error{"a batch did not come as a whole"};
        if (ibv_poll_cq(sender_.cq.raw(), batch, wcs_.data()) != 1 || wcs_[0].status != IBV_WC_SUCCESS)
            throw std::runtime_error{"sends did not complete"};
    }
    void check() const override { stream_.check(); }

private:
    /// One doorbell, and one completion for the batch.
    void send() {
        for (std::uint32_t i = 0; i < batch_; ++i) {
            ibv_send_wr& wr = sends_[next_ + i];
            stream_.number(reinterpret_cast<std::uint8_t*>(wr.sg_list->addr));
            wr.next = i + 1 < batch_ ? &sends_[next_ + i + 1] : nullptr;
            wr.send_flags = i + 1 < batch_ ? 0 : IBV_SEND_SIGNALED;
        }
        ibv_send_wr* bad = nullptr;
        if (ibv_post_send(sender_.qp->raw(), &sends_[next_], &bad) != 0) throw std::runtime_error{"cannot post sends"};
        next_ = (next_ + batch_) % static_cast<std::uint32_t>(sends_.size());
    }
    int receive() {
        const int got = ibv_poll_cq(receiver_.cq.raw(), static_cast<int>(batch_), wcs_.data());
        ibv_recv_wr* chain = nullptr;
        ibv_recv_wr** end = &chain;
        for (int i = 0; i < got; ++i) {
            const ibv_wc& wc = wcs_[static_cast<std::size_t>(i)];
            if (wc.status != IBV_WC_SUCCESS) throw std::runtime_error{"a receive failed"};
            ibv_recv_wr& wr = receives_[wc.wr_id];
            stream_.verify(reinterpret_cast<const std::uint8_t*>(wr.sg_list->addr), wc.byte_len);
            *end = &wr;
            end = &wr.next;
        }
        *end = nullptr;
        ibv_recv_wr* bad = nullptr;
        if (chain && ibv_post_recv(receiver_.qp->raw(), chain, &bad) != 0)
            throw std::runtime_error{"cannot post receives"};
        return got;
    }

    Stream stream_;
    std::uint32_t batch_;
    BareEnd sender_;
    BareEnd receiver_;
    verbs::FlowHandle flow_;
    std::vector<ibv_send_wr> sends_;
    std::vector<ibv_recv_wr> receives_;
    std::vector<ibv_wc> wcs_;
    std::uint32_t next_ = 0;
};

}  // namespace

std::unique_ptr<Path> make_bare_path(const PathOptions& options) {
    return std::make_unique<BarePath>("wire:" + unique_name(), options);
}

}  // namespace bench
