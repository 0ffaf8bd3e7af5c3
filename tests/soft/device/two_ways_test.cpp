// SPDX-License-Identifier: Apache-2.0
// The two ways of frames through the device: in runs, from lists to posted receives (between two ends of a wire
// straight from the one to the other), and one by one, through the send queue and the flow table. Random scripts are
// played in two worlds, one for each way, and show the same in both.
#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <ostream>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "ip_frame.hpp"
#include "net/internet_checksum.hpp"
#include "rounds.hpp"
#include "soft/nic/queue_pair.hpp"
#include "work_queues.hpp"

namespace pktverbs::testing {
namespace {

using Random = std::mt19937;

enum class Way { quick, general };

/// Something that a program sees.
struct Sight {
    char what;
    std::array<std::uint64_t, 12> values;
    bool operator==(const Sight&) const = default;
};
void PrintTo(const Sight& sight, std::ostream* out) {
    *out << sight.what;
    for (const std::uint64_t value : sight.values) *out << ' ' << value;
}
using Sights = std::vector<Sight>;

constexpr std::size_t slot_bytes = 2048;
constexpr std::uint32_t max_sges = 2;
constexpr std::uint32_t max_inline = 64;

// Where the memory of a sender has which frames.
constexpr unsigned good_slots = 28;
constexpr unsigned too_long_slot = 30;

Frame draw_frame(unsigned slot, Random& random) {
    IpFrame frame;
    frame.src_port = static_cast<std::uint16_t>(9001 + random() % 3);
    frame.dst_port = 7001;
    frame.id = static_cast<std::uint16_t>(random());
    frame.payload = Frame(random() % 200, static_cast<std::uint8_t>(random()));
    if (slot >= 8) frame.dst_port = 7002;
    if (slot >= 12 && slot < 16) frame.tcp = true;
    if (slot >= 16) frame.dst_mac[5] = 3;
    switch (slot) {
        case 20:
            return frame_to(3, 60 + random() % 100);
        case 21: {
            IpFrame other = IpFrame::v6();
            other.dst_port = 7001;
            return other.bytes();
        }
        case 22:
            frame.tags = {0x81, 0, 0, 5};
            frame.dst_port = 7001;
            break;
        case 23:
            frame.fragment = 0x2000;
            frame.dst_port = 7001;
            break;
        case 24:
            frame.options = {1, 1, 1, 1};
            break;
        case 25:
            frame.dst_mac[5] = 4;
            frame.dst_port = 8000;
            break;
        case 26:
            frame.payload.resize(1480);
            break;
        case 27:
            frame.dst_mac[0] = 3;
            frame.padding = Frame(30);
            break;
        case too_long_slot:
            frame.payload.resize(1600);
            break;
        default:
            break;
    }
    return frame.bytes();
}

FlowAttr to_udp_port(std::uint16_t port, std::uint16_t priority) {
    auto spec = udp_spec();
    spec.val.dst_port = htons(port);
    spec.mask.dst_port = 0xffff;
    return FlowAttr{}.add(spec).priority(priority);
}

FlowAttr to_tcp_port(std::uint16_t port, std::uint16_t priority) {
    auto spec = tcp_spec();
    spec.val.dst_port = htons(port);
    spec.mask.dst_port = 0xffff;
    return FlowAttr{}.add(spec).priority(priority);
}

FlowAttr from_udp_port(std::uint16_t port) {
    auto spec = udp_spec();
    spec.val.src_port = htons(port);
    spec.mask.src_port = 0xffff;
    return FlowAttr{}.add(spec);
}

/// A sender and two receivers at a wire, and a tap. The first receiver has three queue pairs. In every other script the
/// second receiver and the tap are at another wire.
class World {
public:
    World(Way way, const std::string& name, unsigned seed) : way_{way}, name_{name}, seed_{seed} {
        Random random{seed};
        for (unsigned slot = 0; slot <= too_long_slot; ++slot) {
            Frame frame = draw_frame(slot, random);
            if (random() % 2 == 0) fill_checksums(frame, {});  // for the receiver that verifies them
            frame_bytes_[slot] = tx.put(slot * slot_bytes, frame).length;
        }
        for (VerbsEnd* end : {&tx, &rx, &other}) set_blocking(end->context->async_fd, false);
        for (std::size_t i = 0; i < ports_.size(); ++i) make_port(i, i == 2 ? 8 : 256);
    }

    Sights step(unsigned number) {
        seen_.clear();
        Random random{seed_ * 1000 + number};
        switch (random() % 20) {
            case 0:
            case 1:
            case 2:
            case 3:
                post_receives(random);
                break;
            case 4:
            case 5:
            case 6:
                poll(random, 1 + random() % 300);
                break;
            case 7:
                poll(random, 1 + random() % 4);
                break;
            case 8:
                see('a', ibv_req_notify_cq(cq(random() % 5), random() % 3 == 0));
                break;
            case 9:
                resize(random);
                break;
            case 10:
                change_state(random);
                break;
            case 11:
                change_flows(random);
                break;
            case 12:
                change_memory(random);
                break;
            case 13:
                if (random() % 3 == 0) wire.set_link(false);
                break;
            case 14:
                if (random() % 3 == 0) make_port(random() % 3, 1U << random() % 8);
                break;
            case 15:
                tap.send(tx.copy(random() % good_slots * slot_bytes, 60));
                break;
            default:
                send(random);
                if (random() % 2 == 0) wire.set_link(true);
        }
        look();
        return seen_;
    }

    std::vector<std::uint8_t> memory() const {
        auto all = rx.memory;
        all.insert(all.end(), other.memory.begin(), other.memory.end());
        return all;
    }

private:
    /// A queue pair with a completion queue of its own; the second one's is extended.
    struct Port {
        verbs::CqHandle cq;
        verbs::QpHandle qp;
        verbs::FlowHandle flows[2];
    };

    template <class... Values>
    void see(char what, Values... values) {
        seen_.push_back({what, {static_cast<std::uint64_t>(values)...}});
    }

    static EndOptions end_options(const std::string& wire, int completions = 256) {
        return {.send_depth = 4,
                .recv_depth = 128,
                .sges = max_sges,
                .completions = completions,
                .all_default = false,
                .wire = wire};
    }

    verbs::FlowHandle make_flow(VerbsEnd& end, ibv_qp* qp, FlowAttr attr) {
        if (way_ == Way::general) attr.add(count_spec(&end == &rx ? rx_counters_.get() : other_counters_.get()));
        verbs::FlowHandle flow = end.make_flow(qp, attr);
        EXPECT_NE(flow, nullptr);
        return flow;
    }

    void make_port(std::size_t index, std::uint32_t entries) {
        Port& port = ports_[index];
        take_events(rx);
        extra_flows_.clear();
        for (verbs::FlowHandle& flow : port.flows) flow.reset();
        port.qp.reset();
        port.cq.reset();
        if (index == 1) {
            ibv_cq_init_attr_ex init{};
            init.cqe = entries;
            init.channel = rx.channel.get();
            init.wc_flags =
                std::uint64_t{IBV_WC_STANDARD_FLAGS} | IBV_WC_EX_WITH_COMPLETION_TIMESTAMP | IBV_WC_EX_WITH_FLOW_TAG;
            port.cq = {ibv_cq_ex_to_cq(ibv_create_cq_ex(rx.context.get(), &init)), {&rx.verbs}};
        } else {
            port.cq = rx.make_cq(static_cast<int>(entries), rx.channel.get());
        }
        ibv_qp_init_attr attr{};
        attr.send_cq = attr.recv_cq = port.cq.get();
        attr.cap = {4, index == 2 ? 16U : 128U, 1, max_sges, 0};
        attr.qp_type = IBV_QPT_RAW_PACKET;
        port.qp = {rx.verbs.create_qp(rx.pd.get(), &attr), {&rx.verbs}};
        bring_to(port.qp.get(), IBV_QPS_RTS);
        const auto make = [&](int which, FlowAttr flow, std::uint32_t tag) {
            port.flows[which] = make_flow(rx, port.qp.get(), flow.add(tag_spec(tag)));
        };
        if (index == 0) make(0, to_udp_port(7001, 1), 100);
        if (index == 1) make(0, to_udp_port(7002, 1), 101);
        if (index == 1) make(1, to_tcp_port(7002, 1), 102);
        if (index == 2) make(0, to_mac(3, 2), 103);
    }

    /// Of the sender, of the three queue pairs, of the other receiver.
    ibv_cq* cq(std::size_t index) {
        if (index == 0) return tx.send_cq.get();
        return index == 4 ? other.recv_cq.get() : ports_[index - 1].cq.get();
    }
    ibv_qp* qp(std::size_t index) {
        if (index == 0) return sender_.get();
        return index == 4 ? other.qp.get() : ports_[index - 1].qp.get();
    }

    void post_receives(Random& random) {
        const std::size_t to = 1 + random() % 4;
        const VerbsEnd& end = to == 4 ? other : rx;
        const bool all_good = random() % 2 == 0;
        std::vector<std::array<ibv_sge, max_sges + 1>> sges(1 + random() % 100);
        std::vector<ibv_recv_wr> wrs(sges.size());
        for (std::size_t i = 0; i < wrs.size(); ++i) {
            const std::size_t at = random() % 32 * slot_bytes;
            sges[i][0] = end.sge(at, slot_bytes);
            wrs[i] = {++last_id_, i + 1 < wrs.size() ? &wrs[i + 1] : nullptr, sges[i].data(), 1};
            if (all_good) continue;
            switch (random() % 40) {
                case 0:
                    sges[i][0].length = 50;
                    break;
                case 1:
                    sges[i][0].lkey += 1;
                    break;
                case 2:
                    sges[i][0].length = 0;
                    break;
                case 3:
                    wrs[i].num_sge = 0;
                    break;
                case 4:
                    sges[i][0].lkey = read_only_->lkey;
                    break;
                case 5:
                case 6:
                    sges[i][0].lkey = extra_lkey_;
                    break;
                case 7:
                    wrs[i].num_sge = random() % 4 == 0 ? static_cast<int>(max_sges + 1) : -1;
                    break;
                case 8:
                    sges[i][0].addr += rx.memory.size() - at - 60;
                    break;
                default:
                    if (random() % 4 != 0) break;
                    wrs[i].num_sge = 2;
                    sges[i][0].length = static_cast<std::uint32_t>(random() % 60);
                    sges[i][1] = end.sge(at + 60, static_cast<std::uint32_t>(random() % 1900));
            }
        }
        ibv_recv_wr* bad = nullptr;
        const int error = ibv_post_recv(qp(to), wrs.data(), &bad);
        see('r', to, error, bad ? bad - wrs.data() : -1);
    }

    void send(Random& random) {
        if (state_of(sender_.get()) != IBV_QPS_RTS && random() % 3 != 0) renew(sender_.get());
        const bool all_good = random() % 3 != 0;
        const std::size_t count = 1 + random() % (random() % 3 == 0 ? 150 : 20);
        std::vector<std::array<ibv_sge, max_sges + 1>> sges(count);
        std::vector<ibv_send_wr> wrs(count);
        const std::size_t unsignalled = random() % 4;
        std::size_t slot = random() % good_slots;
        for (std::size_t i = 0; i < count; ++i) {
            if (random() % 4 == 0) slot = random() % good_slots;
            if (random() % 2 == 0 && slot < 16) slot = slot / 8 * 8 + random() % 8;
            sges[i][0] = tx.sge(slot * slot_bytes, frame_bytes_[slot]);
            wrs[i] = {};
            wrs[i].wr_id = ++last_id_;
            wrs[i].next = i + 1 < count ? &wrs[i + 1] : nullptr;
            wrs[i].sg_list = sges[i].data();
            wrs[i].num_sge = 1;
            wrs[i].opcode = IBV_WR_SEND;
            wrs[i].send_flags = random() % 4 < unsignalled ? 0 : IBV_SEND_SIGNALED;
            if (!all_good) disturb(wrs[i], random);
        }
        std::size_t bad = count;
        const int error = way_ == Way::quick ? post_list(wrs, bad) : build_each(wrs, bad);
        see('s', error, bad);
    }

    void disturb(ibv_send_wr& wr, Random& random) {
        ibv_sge& sge = *wr.sg_list;
        switch (random() % 200) {
            case 0:
                sge.lkey += 1;
                break;
            case 1:
                sge.length = static_cast<std::uint32_t>(random() % 15);
                break;
            case 2:
                sge = tx.sge(too_long_slot * slot_bytes, frame_bytes_[too_long_slot]);
                break;
            case 3:
                wr.num_sge = max_sges + 1;
                break;
            case 4:
                sge.addr -= slot_bytes * good_slots;
                break;
            case 5:
            case 6:
            case 7:
                sge.lkey = tx_extra_lkey_;
                break;
            case 8:
            case 9:
                wr.send_flags |= IBV_SEND_INLINE;
                break;
            case 10:
            case 11:
                wr.send_flags |= IBV_SEND_INLINE;
                sge.length = std::min(sge.length, max_inline);
                break;
            case 12:
            case 13:
            case 14:
                wr.send_flags |= IBV_SEND_IP_CSUM;
                break;
            case 15:
            case 16:
            case 17:
            case 18: {
                const auto head = static_cast<std::uint32_t>(random() % sge.length);
                wr.sg_list[1] = {sge.addr + head, sge.length - head, sge.lkey};
                sge.length = head;
                wr.num_sge = 2;
                break;
            }
            default:
                break;
        }
    }

    int post_list(std::vector<ibv_send_wr>& wrs, std::size_t& bad_index) {
        ibv_send_wr* bad = nullptr;
        const int error = ibv_post_send(sender_.get(), wrs.data(), &bad);
        if (bad) bad_index = static_cast<std::size_t>(bad - wrs.data());
        return error;
    }

    /// As ibv_post_send(3), but through the send queue.
    int build_each(const std::vector<ibv_send_wr>& wrs, std::size_t& bad_index) {
        for (std::size_t i = 0; i < wrs.size(); ++i) {
            const int error = build(wrs[i]);
            if (error == 0) continue;
            bad_index = i;
            return error;
        }
        return 0;
    }
    int build(const ibv_send_wr& wr) {
        if (static_cast<std::uint32_t>(wr.num_sge) > max_sges) return EINVAL;
        ibv_qp_ex* const to = soft::QueuePair::of(sender_.get()).extended();
        const auto count = static_cast<std::size_t>(wr.num_sge);
        ibv_wr_start(to);
        to->wr_id = wr.wr_id;
        to->wr_flags = wr.send_flags;
        ibv_wr_send(to);
        if ((wr.send_flags & IBV_SEND_INLINE) != 0) {
            std::vector<ibv_data_buf> pieces;
            for (std::size_t i = 0; i < count; ++i)
                pieces.push_back({reinterpret_cast<void*>(wr.sg_list[i].addr), wr.sg_list[i].length});
            ibv_wr_set_inline_data_list(to, count, pieces.data());
        } else {
            ibv_wr_set_sge_list(to, count, wr.sg_list);
        }
        return ibv_wr_complete(to);
    }

    void poll(Random& random, std::size_t most) {
        const std::size_t index = random() % 5;
        if (index == 2 && random() % 3 != 0) return poll_extended(cq(index), most);
        std::vector<ibv_wc> wcs(most);
        const int got = ibv_poll_cq(cq(index), static_cast<int>(most), wcs.data());
        see('p', index, got);
        wcs.resize(static_cast<std::size_t>(std::max(got, 0)));
        for (const ibv_wc& wc : wcs)
            see('c', wc.wr_id, wc.status, wc.opcode, wc.vendor_err, wc.byte_len, wc.imm_data, wc.qp_num, wc.src_qp,
                wc.wc_flags, wc.pkey_index, wc.slid, wc.sl + wc.dlid_path_bits);
    }
    void poll_extended(ibv_cq* polled, std::size_t most) {
        ibv_cq_ex* const extended = reinterpret_cast<ibv_cq_ex*>(polled);
        ibv_poll_cq_attr attr{};
        int error = ibv_start_poll(extended, &attr);
        see('x', error);
        if (error != 0) return;
        for (; error == 0 && most > 0; --most) {
            see('e', extended->wr_id, extended->status, ibv_wc_read_opcode(extended), ibv_wc_read_byte_len(extended),
                ibv_wc_read_qp_num(extended), ibv_wc_read_wc_flags(extended), ibv_wc_read_flow_tag(extended),
                ibv_wc_read_completion_ts(extended) != 0);
            error = ibv_next_poll(extended);
        }
        see('n', error);
        ibv_end_poll(extended);
    }

    void resize(Random& random) {
        const std::size_t index = random() % 5;
        const int error = rx.verbs.resize_cq(cq(index), static_cast<int>(random() % 400));
        see('z', index, error, cq(index)->cqe);
    }

    static void renew(ibv_qp* renewed, ibv_qp_state to = IBV_QPS_RTS) {
        ASSERT_EQ(step_to(renewed, IBV_QPS_RESET), 0);
        bring_to(renewed, to);
    }
    static int step_to(ibv_qp* stepped, ibv_qp_state to) { return testing::step(stepped, to); }

    void change_state(Random& random) {
        constexpr ibv_qp_state states[] = {IBV_QPS_RESET, IBV_QPS_RTS, IBV_QPS_SQD, IBV_QPS_ERR};
        const std::size_t index = random() % 5;
        if (random() % 2 == 0) return renew(qp(index), random() % 3 == 0 ? IBV_QPS_INIT : IBV_QPS_RTS);
        see('m', index, step_to(qp(index), states[random() % std::size(states)]));
    }

    void change_flows(Random& random) {
        if (extra_flows_.size() == 3 || random() % 3 == 0) {
            if (!extra_flows_.empty()) extra_flows_.erase(extra_flows_.begin());
            return;
        }
        const auto port = static_cast<std::uint16_t>(9001 + random() % 3);
        FlowAttr attr = from_udp_port(port);
        switch (random() % 4) {
            case 0:
                attr.add(drop_spec());
                break;
            case 1:
                attr.flags(IBV_FLOW_ATTR_FLAGS_DONT_TRAP);
                break;
            default:
                attr.add(tag_spec(static_cast<std::uint32_t>(random() % 1000)));
        }
        extra_flows_.push_back(make_flow(rx, ports_[random() % 3].qp.get(), attr));
    }

    void change_memory(Random& random) {
        const bool of_sender = random() % 2 == 0;
        VerbsEnd& end = of_sender ? tx : rx;
        verbs::MrHandle& region = of_sender ? tx_extra_ : extra_;
        if (region) return region.reset();
        region = {end.verbs.reg_mr(end.pd.get(), end.memory.data(), end.memory.size(), IBV_ACCESS_LOCAL_WRITE),
                  {&end.verbs}};
        (of_sender ? tx_extra_lkey_ : extra_lkey_) = region->lkey;
        see('k', of_sender, region->lkey);
    }

    void take_events(VerbsEnd& end) {
        ibv_async_event event{};
        while (end.verbs.get_async_event(end.context.get(), &event) == 0) {
            std::size_t queue = 0;
            if (event.event_type == IBV_EVENT_CQ_ERR)
                while (cq(queue) != event.element.cq) ++queue;
            see('v', event.event_type, queue);
            end.verbs.ack_async_event(&event);
        }
        see('V', readable(end.context->async_fd));
    }
    void take_notes(VerbsEnd& end) {
        see('f', readable(end.channel->fd));
        ibv_cq* of = nullptr;
        void* context = nullptr;
        while (end.verbs.get_cq_event(end.channel.get(), &of, &context) == 0) {
            std::size_t queue = 0;
            while (cq(queue) != of) ++queue;
            see('F', queue);
            end.verbs.ack_cq_events(of, 1);
        }
    }

    void look() {
        for (VerbsEnd* end : {&tx, &rx, &other}) {
            take_events(*end);
            take_notes(*end);
            const auto drops = end->drops();
            see('d', drops.out_of_buffer, drops.unmatched, drops.fragments, drops.by_rule, drops.not_ready,
                drops.oversize, drops.link, drops.unsent);
        }
        const auto counters = wire.counters();
        see('w', counters.sent, counters.offered, counters.delivered, counters.lost, counters.duplicated,
            counters.link_down, counters.held);
        for (std::size_t i = 0; i < 5; ++i) see('q', i, state_of(qp(i)));
        for (const Frame& frame : tap.receive())
            see('t', frame.size(),
                std::hash<std::string_view>{}({reinterpret_cast<const char*>(frame.data()), frame.size()}));
    }

    struct DestroyCounters {
        void operator()(ibv_counters* counters) const { EXPECT_EQ(ibv_destroy_counters(counters), 0); }
    };
    using CountersHandle = std::unique_ptr<ibv_counters, DestroyCounters>;
    static CountersHandle make_counters(VerbsEnd& end) {
        ibv_counters_init_attr init{};
        CountersHandle made{ibv_create_counters(end.context.get(), &init)};
        ibv_counter_attach_attr packets{IBV_COUNTER_PACKETS, 0, 0};
        EXPECT_EQ(ibv_attach_counters_point_flow(made.get(), &packets, nullptr), 0);
        return made;
    }

    verbs::QpHandle make_sender() {
        ibv_qp_init_attr_ex attr{};
        attr.qp_type = IBV_QPT_RAW_PACKET;
        attr.send_cq = attr.recv_cq = tx.send_cq.get();
        attr.cap = {128, 1, max_sges, 1, max_inline};
        attr.comp_mask = IBV_QP_INIT_ATTR_PD | IBV_QP_INIT_ATTR_SEND_OPS_FLAGS;
        attr.pd = tx.pd.get();
        attr.send_ops_flags = IBV_QP_EX_WITH_SEND;
        attr.sq_sig_all = seed_ % 8 == 1;
        verbs::QpHandle made = make_qp(tx, attr);
        bring_to(made.get(), IBV_QPS_RTS);
        return made;
    }

    const Way way_;
    const std::string name_;
    const unsigned seed_;
    Sights seen_;
    std::uint64_t last_id_ = 0;
    std::array<std::uint32_t, too_long_slot + 1> frame_bytes_{};

    const std::string others_wire_ = seed_ % 2 == 1 ? name_ + " of others" : name_;

    Wire wire{name_};
    WireTap tap{others_wire_};
    VerbsEnd tx{name_, end_options("mtu=1500", seed_ % 8 == 2 ? 32 : 256)};
    VerbsEnd rx{name_, end_options(seed_ % 4 == 3 ? "mtu=1500&checksums=verify" : "mtu=1500")};
    VerbsEnd other{others_wire_, end_options("mtu=1000")};
    verbs::QpHandle sender_ = make_sender();
    verbs::MrHandle tx_extra_;
    std::uint32_t tx_extra_lkey_ = 0;
    verbs::MrHandle read_only_{rx.verbs.reg_mr(rx.pd.get(), rx.memory.data(), rx.memory.size(), 0), {&rx.verbs}};
    verbs::MrHandle extra_;
    std::uint32_t extra_lkey_ = 0;
    CountersHandle rx_counters_ = make_counters(rx);
    CountersHandle other_counters_ = make_counters(other);
    verbs::FlowHandle other_flow_ = make_flow(other, other.qp.get(), FlowAttr{});
    std::array<Port, 3> ports_;
    std::vector<verbs::FlowHandle> extra_flows_;
};

void play(const std::string& name, unsigned first_seed, unsigned scripts) {
    constexpr unsigned steps = 90;
    for (unsigned seed = first_seed; seed < first_seed + scripts; ++seed) {
        World quick{Way::quick, name + "quick", seed};
        World general{Way::general, name + "general", seed};
        for (unsigned step = 0; step < steps; ++step) {
            const Sights seen = quick.step(step);
            const Sights wanted = general.step(step);
            for (std::size_t i = 0; i < std::min(seen.size(), wanted.size()); ++i)
                ASSERT_EQ(seen[i], wanted[i]) << "sight " << i << " of step " << step << ", seed " << seed;
            ASSERT_EQ(seen.size(), wanted.size()) << "step " << step << ", seed " << seed;
            ASSERT_EQ(quick.memory() == general.memory(), true) << "memory after step " << step << ", seed " << seed;
        }
    }
}

TEST(TwoWays, ShowTheSame) { play("", 1, short_or_long(rounds(120U), 10'000U)); }

/// Nothing that both use is theirs alone.
TEST(TwoWays, ShowTheSameInTwoThreads) {
    std::thread others{[] { play("other ", 100'001, short_or_long(rounds(20U), 500U)); }};
    play("", 200'001, short_or_long(rounds(20U), 500U));
    others.join();
}

}  // namespace
}  // namespace pktverbs::testing
