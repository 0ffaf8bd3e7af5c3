// SPDX-License-Identifier: Apache-2.0
// Receive-side scaling: which work queue a frame goes to, checked by the test's own computation.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <random>

#include "work_queues.hpp"

namespace pktverbs::testing {
namespace {

/// Bit by bit, as in the definition.
std::uint32_t toeplitz(const Frame& input) {
    std::uint32_t sum = 0;
    for (std::size_t bit = 0; bit < 8 * input.size(); ++bit) {
        if ((input[bit / 8] >> (7 - bit % 8) & 1) == 0) continue;
        std::uint32_t window = 0;
        for (std::size_t i = bit; i < bit + 32; ++i) window = window << 1 | (rss_key[i / 8] >> (7 - i % 8) & 1U);
        sum ^= window;
    }
    return sum;
}

Frame join(const std::vector<Frame>& parts) {
    Frame all;
    for (const Frame& part : parts) all.insert(all.end(), part.begin(), part.end());
    return all;
}

struct Tuple {
    Frame src;  ///< 4 or 16 bytes
    Frame dst;
    Frame ports;  ///< source, destination
    std::uint8_t protocol = 17;
};

Frame ethernet(std::uint16_t type) {
    Frame header = frame_to(1, 14);
    header[12] = static_cast<std::uint8_t>(type >> 8);
    header[13] = static_cast<std::uint8_t>(type);
    return header;
}

/// 24 bytes of UDP, or of TCP with a header of 20.
Frame transport(const Tuple& tuple) {
    Frame rest(20);
    if (tuple.protocol == 17) rest[1] = 24;
    if (tuple.protocol == 6) rest[8] = 0x50;
    return join({tuple.ports, rest});
}

Frame ipv4_frame(const Tuple& tuple, std::uint16_t fragment = 0x4000) {
    Frame ip(12);
    ip[0] = 0x45;
    ip[3] = 20 + 24;
    ip[6] = static_cast<std::uint8_t>(fragment >> 8);
    ip[7] = static_cast<std::uint8_t>(fragment);
    ip[8] = 64;
    ip[9] = tuple.protocol;
    return join({ethernet(0x0800), ip, tuple.src, tuple.dst, transport(tuple)});
}

Frame ipv6_frame(const Tuple& tuple) {
    Frame ip(8);
    ip[0] = 0x60;
    ip[5] = 24;
    ip[6] = tuple.protocol;
    return join({ethernet(0x86dd), ip, tuple.src, tuple.dst, transport(tuple)});
}

class Tuples {
public:
    Tuple next(std::size_t address_bytes, std::uint8_t protocol) {
        return {bytes(address_bytes), bytes(address_bytes), bytes(4), protocol};
    }

private:
    Frame bytes(std::size_t count) {
        Frame made(count);
        for (std::uint8_t& byte : made) byte = static_cast<std::uint8_t>(random_());
        return made;
    }
    std::mt19937 random_{20260101};
};

/// Work queues, filled; table entry i is queue i, modulo the queues.
class Rss : public ::testing::Test {
protected:
    static constexpr std::uint32_t depth = 256;
    VerbsEnd end{{.completions = 4096, .all_default = false}};
    WireTap tap{"w"};
    std::vector<WqHandle> queues;
    TableHandle table;
    verbs::QpHandle qp;
    verbs::FlowHandle flow;
    std::map<std::uint32_t, std::size_t> index;  ///< by number
    Tuples tuples;

    void spread(std::size_t count, std::size_t table_size, std::uint64_t fields) {
        flow.reset();
        qp.reset();
        table.reset();
        queues.clear();
        index.clear();
        poll_all(end.recv_cq);
        for (std::size_t i = 0; i < count; ++i) {
            queues.push_back(make_wq(end, wq_attr(end, depth)));
            ASSERT_EQ(modify_wq(queues[i].get(), IBV_WQS_RDY), 0);
            for (std::uint32_t wr = 0; wr < depth; ++wr)
                ASSERT_EQ(post_wq(queues[i].get(), wr, {end.sge(2048 * (wr % 16), 2048)}), 0);
            index[queues[i]->wq_num] = i;
        }
        std::vector<ibv_wq*> places;
        for (std::size_t i = 0; i < table_size; ++i) places.push_back(queues[i % count].get());
        table = make_table(end, places);
        ASSERT_NE(table, nullptr);
        qp = make_qp(end, rss_attr(end, table, fields));
        ASSERT_NE(qp, nullptr);
        flow = end.make_flow(qp.get(), FlowAttr{IBV_FLOW_ATTR_ALL_DEFAULT});
        ASSERT_NE(flow, nullptr);
    }
    /// The queue that it went to.
    std::size_t queue_of(const Frame& frame) {
        tap.send(frame);
        const ibv_wc wc = poll_one(end.recv_cq);
        EXPECT_EQ(wc.status, IBV_WC_SUCCESS);
        EXPECT_EQ(wc.byte_len, frame.size());
        const auto found = index.find(wc.qp_num);
        EXPECT_NE(found, index.end());
        return found == index.end() ? ~std::size_t{0} : found->second;
    }
    std::size_t place(const Frame& input, std::size_t table_size) { return toeplitz(input) & (table_size - 1); }
};

TEST_F(Rss, SendsTheFramesOfAFlowTheSameWay) {
    for (const std::uint64_t fields : {ipv4_addresses | udp_ports, ipv4_addresses | tcp_ports, ipv4_addresses}) {
        spread(4, 16, fields);
        std::vector<Frame> frames;
        std::vector<std::size_t> ways;
        for (int i = 0; i < 20; ++i) {
            Tuple tuple = tuples.next(4, 17);
            if (i % 3 != 0) tuple.ports[3] = static_cast<std::uint8_t>(i);
            // Of each tuple all protocols, and neighbours that differ in one bit.
            for (const std::uint8_t protocol : {std::uint8_t{17}, std::uint8_t{6}}) {
                tuple.protocol = protocol;
                for (Frame* const field : {&tuple.src, &tuple.dst, &tuple.ports}) {
                    field->front() ^= 1;
                    frames.push_back(ipv4_frame(tuple));
                }
            }
        }
        for (const Frame& frame : frames) {
            ways.push_back(queue_of(frame));
            ASSERT_EQ(queue_of(frame), ways.back());
        }
        for (std::size_t i = frames.size(); i-- > 0;) ASSERT_EQ(queue_of(frames[i]), ways[i]) << i;
    }
}

TEST_F(Rss, SpreadsIpv4ByAddressesAndPorts) {
    spread(4, 16, ipv4_addresses | udp_ports);
    std::size_t got[4] = {};
    for (int i = 0; i < 200; ++i) {
        const Tuple tuple = tuples.next(4, 17);
        const std::size_t expected = place(join({tuple.src, tuple.dst, tuple.ports}), 16) % 4;
        ASSERT_EQ(queue_of(ipv4_frame(tuple)), expected) << i;
        ++got[expected];
    }
    for (const std::size_t count : got) EXPECT_GT(count, 25U);
}

TEST_F(Rss, SpreadsIpv6ByAddressesAndPorts) {
    spread(3, 8, ipv6_addresses | tcp_ports);
    for (int i = 0; i < 100; ++i) {
        const Tuple tuple = tuples.next(16, 6);
        ASSERT_EQ(queue_of(ipv6_frame(tuple)), place(join({tuple.src, tuple.dst, tuple.ports}), 8) % 3) << i;
    }
}

TEST_F(Rss, SpreadsByTheFieldsAskedFor) {
    struct Case {
        std::uint64_t fields;
        bool src, dst, src_port, dst_port;
    };
    for (const Case& asked :
         {Case{ipv4_addresses, true, true, false, false}, Case{IBV_RX_HASH_SRC_IPV4, true, false, false, false},
          Case{IBV_RX_HASH_DST_IPV4, false, true, false, false}, Case{udp_ports, false, false, true, true},
          Case{IBV_RX_HASH_DST_PORT_UDP, false, false, false, true},
          Case{IBV_RX_HASH_SRC_IPV4 | IBV_RX_HASH_SRC_PORT_UDP, true, false, true, false}}) {
        spread(4, 4, asked.fields);
        for (int i = 0; i < 20; ++i) {
            const Tuple tuple = tuples.next(4, 17);
            Frame input;
            if (asked.src) input = tuple.src;
            if (asked.dst) input = join({input, tuple.dst});
            if (asked.src_port) input.insert(input.end(), tuple.ports.begin(), tuple.ports.begin() + 2);
            if (asked.dst_port) input.insert(input.end(), tuple.ports.begin() + 2, tuple.ports.end());
            ASSERT_EQ(queue_of(ipv4_frame(tuple)), place(input, 4)) << asked.fields;
        }
    }
}

TEST_F(Rss, GivesTheFirstPlaceWhatHasNotTheFields) {
    spread(4, 4, ipv4_addresses | udp_ports);
    for (int i = 0; i < 20; ++i) {
        EXPECT_EQ(queue_of(ipv4_frame(tuples.next(4, 6))), 0U);
        EXPECT_EQ(queue_of(ipv4_frame(tuples.next(4, 1))), 0U);
        EXPECT_EQ(queue_of(ipv6_frame(tuples.next(16, 17))), 0U);
    }
    EXPECT_EQ(queue_of(frame_to(1)), 0U);
}

TEST_F(Rss, KeepsTheFragmentsOfADatagramTogether) {
    spread(4, 4, ipv4_addresses | udp_ports);
    for (int i = 0; i < 20; ++i) {
        const Tuple tuple = tuples.next(4, 17);
        EXPECT_EQ(queue_of(ipv4_frame(tuple, 0x2000)), 0U);  // the first fragment, which has the ports
        EXPECT_EQ(queue_of(ipv4_frame(tuple, 0x2005)), 0U);
        EXPECT_EQ(queue_of(ipv4_frame(tuple, 0x0005)), 0U);
    }
    spread(4, 4, ipv4_addresses);
    for (int i = 0; i < 20; ++i) {
        const Tuple tuple = tuples.next(4, 17);
        const std::size_t expected = place(join({tuple.src, tuple.dst}), 4);
        for (const std::uint16_t fragment : std::initializer_list<std::uint16_t>{0x2000, 0x2005, 0x0005})
            EXPECT_EQ(queue_of(ipv4_frame(tuple, fragment)), expected);
    }
}

TEST_F(Rss, MayHashNothingWithOnePlace) {
    spread(1, 1, 0);
    EXPECT_EQ(queue_of(ipv4_frame(tuples.next(4, 17))), 0U);
    EXPECT_EQ(queue_of(frame_to(1)), 0U);
}

TEST_F(Rss, ShowsTheFlowsTag) {
    spread(2, 2, ipv4_addresses);
    ibv_cq_init_attr_ex init{};
    init.cqe = 8;
    init.wc_flags = IBV_WC_EX_WITH_FLOW_TAG | IBV_WC_EX_WITH_QP_NUM;
    ibv_cq_ex* const extended = ibv_create_cq_ex(end.context.get(), &init);
    const verbs::CqHandle owned{ibv_cq_ex_to_cq(extended), {&end.verbs}};
    ibv_wq_init_attr attr = wq_attr(end);
    attr.cq = owned.get();
    const WqHandle wq = make_wq(end, attr);
    ASSERT_EQ(modify_wq(wq.get(), IBV_WQS_RDY), 0);
    ASSERT_EQ(post_wq(wq.get(), 1, {end.sge(0, 2048)}), 0);
    const TableHandle other_table = make_table(end, {wq.get()});
    const verbs::QpHandle other = make_qp(end, rss_attr(end, other_table));
    const auto tagged = end.make_flow(other.get(), to_mac(1).add(tag_spec(0x4321)));
    tap.send(frame_to(1));
    ibv_poll_cq_attr poll{};
    ASSERT_EQ(ibv_start_poll(extended, &poll), 0);
    EXPECT_EQ(ibv_wc_read_flow_tag(extended), 0x4321U);
    EXPECT_EQ(ibv_wc_read_qp_num(extended), wq->wq_num);
    ibv_end_poll(extended);
}

TEST_F(Rss, DropsOnlyWhatAFullQueueShouldHave) {
    spread(2, 2, ipv4_addresses);
    Frame first;
    Frame second;
    while (first.empty() || second.empty()) {
        const Tuple tuple = tuples.next(4, 17);
        (place(join({tuple.src, tuple.dst}), 2) == 0 ? first : second) = ipv4_frame(tuple);
    }
    for (std::uint32_t i = 0; i < depth + 10; ++i) tap.send(first);
    EXPECT_EQ(end.drops().out_of_buffer, 10U);
    tap.send(second);
    EXPECT_EQ(end.drops().total(), 10U);
    const auto all = poll_all(end.recv_cq);
    ASSERT_EQ(all.size(), depth + 1);
    EXPECT_EQ(all.back().qp_num, queues[1]->wq_num);
    ASSERT_EQ(modify_wq(queues[0].get(), IBV_WQS_ERR), 0);
    poll_all(end.recv_cq);
    tap.send(first);
    EXPECT_EQ(end.drops().not_ready, 1U);
    EXPECT_EQ(queue_of(second), 1U);
}

TEST_F(Rss, LeavesTheQueuePairInServiceWhenOneQueueFails) {
    spread(2, 2, ipv4_addresses);
    const WqHandle small = make_wq(end);
    ASSERT_EQ(post_wq(small.get(), 1, {end.sge(0, 14)}), 0);
    const TableHandle mixed = make_table(end, {small.get(), queues[1].get()});
    const verbs::QpHandle other = make_qp(end, rss_attr(end, mixed));
    flow.reset();
    const auto others = end.make_flow(other.get(), FlowAttr{IBV_FLOW_ATTR_ALL_DEFAULT});
    tap.send(frame_to(1));
    EXPECT_WC(poll_one(end.recv_cq), 1U, IBV_WC_LOC_LEN_ERR);
    Tuple tuple;
    do tuple = tuples.next(4, 17);
    while (place(join({tuple.src, tuple.dst}), 2) != 1);
    EXPECT_EQ(queue_of(ipv4_frame(tuple)), 1U);
}

TEST_F(Rss, SharesFramesWithOtherQueuePairs) {
    spread(2, 2, ipv4_addresses);
    flow = end.make_flow(qp.get(), to_mac(1));
    const auto shared = end.make_flow(end.qp.get(), to_mac(1));
    const verbs::QpHandle same_queues = make_qp(end, rss_attr(end, table, udp_ports));
    const auto sniffer = end.make_flow(same_queues.get(), FlowAttr{IBV_FLOW_ATTR_SNIFFER});
    end.fill(1);
    const Tuple tuple = tuples.next(4, 17);
    tap.send(ipv4_frame(tuple));
    const auto all = poll_all(end.recv_cq);
    ASSERT_EQ(all.size(), 3U);
    std::map<std::uint32_t, int> copies;
    for (const ibv_wc& wc : all) ++copies[wc.qp_num];
    std::map<std::uint32_t, int> expected{{end.qp->qp_num, 1}};
    ++expected[queues[place(join({tuple.src, tuple.dst}), 2)]->wq_num];
    ++expected[queues[place(tuple.ports, 2)]->wq_num];
    EXPECT_EQ(copies, expected);
}

/// A queue pair that spreads frames, and what it refuses.
class RssQueuePair : public ::testing::Test {
protected:
    VerbsEnd end{{.all_default = false}};
    WqHandle wq = make_wq(end);
    TableHandle table = make_table(end, {wq.get(), wq.get()});

    int errno_of(ibv_qp_init_attr_ex attr) {
        errno = 0;
        EXPECT_EQ(ibv_create_qp_ex(end.context.get(), &attr), nullptr);
        return errno;
    }
    ibv_qp_init_attr_ex attr(std::uint64_t fields = ipv4_addresses) { return rss_attr(end, table, fields); }
};

TEST_F(RssQueuePair, HasNoStateAndNoQueues) {
    const verbs::QpHandle qp = make_qp(end, attr());
    ASSERT_NE(qp, nullptr);
    EXPECT_EQ(qp->qp_num, 0U);
    EXPECT_EQ(qp->qp_type, IBV_QPT_RAW_PACKET);
    EXPECT_EQ(step(qp.get(), IBV_QPS_INIT, IBV_QP_PORT), ENOSYS);
    EXPECT_EQ(step(qp.get(), IBV_QPS_RESET), ENOSYS);
    ibv_qp_attr state{};
    ibv_qp_init_attr init{};
    EXPECT_EQ(end.verbs.query_qp(qp.get(), &state, IBV_QP_STATE, &init), ENOSYS);
    EXPECT_EQ(end.post_send(1, {end.sge(0, 60)}, 0, qp.get()), EINVAL);
    EXPECT_EQ(end.post_recv(1, {end.sge(0, 60)}, qp.get()), EINVAL);
}

TEST_F(RssQueuePair, RefusesContradictions) {
    EXPECT_EQ(errno_of(attr(ipv4_addresses | ipv6_addresses)), EINVAL);
    EXPECT_EQ(errno_of(attr(udp_ports | tcp_ports)), EINVAL);
    EXPECT_EQ(errno_of(attr(0)), EINVAL);
    EXPECT_EQ(errno_of(attr(ipv4_addresses | IBV_RX_HASH_INNER)), EOPNOTSUPP);
    EXPECT_EQ(errno_of(attr(IBV_RX_HASH_IPSEC_SPI)), EOPNOTSUPP);
    ibv_qp_init_attr_ex wrong = attr();
    wrong.rx_hash_conf.rx_hash_function = 0;
    EXPECT_EQ(errno_of(wrong), EOPNOTSUPP);
    wrong = attr();
    wrong.rx_hash_conf.rx_hash_key_len = 16;
    EXPECT_EQ(errno_of(wrong), EINVAL);
}

TEST_F(RssQueuePair, RefusesWhatItHasNot) {
    ibv_qp_init_attr_ex wrong = attr();
    wrong.send_cq = end.send_cq.get();
    EXPECT_EQ(errno_of(wrong), EINVAL);
    wrong = attr();
    wrong.recv_cq = end.recv_cq.get();
    EXPECT_EQ(errno_of(wrong), EINVAL);
    wrong = attr();
    wrong.cap.max_recv_wr = 1;
    EXPECT_EQ(errno_of(wrong), EINVAL);
    wrong = attr();
    wrong.cap.max_send_wr = 1;
    EXPECT_EQ(errno_of(wrong), EINVAL);
    wrong = attr();
    wrong.comp_mask |= IBV_QP_INIT_ATTR_SEND_OPS_FLAGS;
    EXPECT_EQ(errno_of(wrong), EINVAL);
    wrong = attr();
    wrong.comp_mask |= IBV_QP_INIT_ATTR_CREATE_FLAGS;
    wrong.create_flags = IBV_QP_CREATE_BLOCK_SELF_MCAST_LB;
    EXPECT_EQ(errno_of(wrong), EINVAL);
    wrong = attr();
    wrong.qp_type = IBV_QPT_UD;
    EXPECT_EQ(errno_of(wrong), EOPNOTSUPP);
}

TEST_F(RssQueuePair, NeedsATableAndAHash) {
    ibv_qp_init_attr_ex wrong = attr();
    wrong.comp_mask &= ~std::uint32_t{IBV_QP_INIT_ATTR_RX_HASH};
    EXPECT_EQ(errno_of(wrong), EINVAL);
    wrong = attr();
    wrong.comp_mask &= ~std::uint32_t{IBV_QP_INIT_ATTR_IND_TABLE};
    EXPECT_EQ(errno_of(wrong), EINVAL);
    wrong = attr();
    wrong.rwq_ind_tbl = nullptr;
    EXPECT_EQ(errno_of(wrong), EINVAL);
    VerbsEnd other;
    const WqHandle others = make_wq(other);
    const TableHandle foreign = make_table(other, {others.get()});
    wrong.rwq_ind_tbl = foreign.get();
    EXPECT_EQ(errno_of(wrong), EINVAL);
}

TEST_F(RssQueuePair, UsesItsDomain) {
    verbs::PdHandle pd{end.verbs.alloc_pd(end.context.get()), {&end.verbs}};
    ibv_qp_init_attr_ex init = attr();
    init.pd = pd.get();
    verbs::QpHandle qp = make_qp(end, init);
    ASSERT_NE(qp, nullptr);
    EXPECT_EQ(end.verbs.dealloc_pd(pd.get()), EBUSY);
    qp.reset();
    EXPECT_EQ(end.verbs.dealloc_pd(pd.release()), 0);
}

}  // namespace
}  // namespace pktverbs::testing
