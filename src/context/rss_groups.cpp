// SPDX-License-Identifier: Apache-2.0
#include "context/rss_groups.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>

#include "context/queue_state.hpp"

#include <pktverbs/format.hpp>

namespace pktverbs {

RssGroups::RssGroups(const verbs::Port& port, const std::vector<std::unique_ptr<QueueState>>& queues, const Rss& rss,
                     const ibv_rss_caps& caps)
    : port_{port}, queues_{queues}, rss_{rss}, max_places_{std::max(caps.max_rwq_indirection_table_size, 1U)} {
    const bool can = (caps.supported_qpts & 1U << IBV_QPT_RAW_PACKET) != 0 &&
                     (caps.rx_hash_function & IBV_RX_HASH_FUNC_TOEPLITZ) != 0;
    if (!can)
        verbs::throw_message(EOPNOTSUPP, fmt::format("cannot spread over the queues of {}: it has no receive-side "
                                                     "scaling (give each queue rules of its own)",
                                                     port.name));
}

/// A device hashes one version of IP and one protocol above it, not either of two (create_rss_raw_qp_tir in the
/// kernel's drivers/infiniband/hw/mlx5/qp.c): the rule says which.
std::uint64_t RssGroups::fields_of(const FlowRule& rule) const {
    const FlowRule::Fields& f = rule.fields();
    const bool ipv6 = f.ipv6 || f.src_ipv6 || f.dst_ipv6;
    const bool ipv4 = f.ipv4 || f.src_ipv4 || f.dst_ipv4;
    const bool says_nothing = !ipv4 && !ipv6 && !f.udp && !f.tcp && !f.protocol && !f.ether_type;
    std::uint64_t fields = 0;
    if (rss_.src_ip) fields |= ipv6 ? IBV_RX_HASH_SRC_IPV6 : IBV_RX_HASH_SRC_IPV4;
    if (rss_.dst_ip) fields |= ipv6 ? IBV_RX_HASH_DST_IPV6 : IBV_RX_HASH_DST_IPV4;
    if (f.tcp) {
        if (rss_.src_port) fields |= IBV_RX_HASH_SRC_PORT_TCP;
        if (rss_.dst_port) fields |= IBV_RX_HASH_DST_PORT_TCP;
    } else if (f.udp || says_nothing) {
        if (rss_.src_port) fields |= IBV_RX_HASH_SRC_PORT_UDP;
        if (rss_.dst_port) fields |= IBV_RX_HASH_DST_PORT_UDP;
    }
    if (fields == 0)
        verbs::throw_message(EINVAL, fmt::format("cannot spread the frames of the flow rule '{}' on {}: it has none of "
                                                 "the fields that are to be hashed (ports need udp() or tcp())",
                                                 rule, port_.name));
    return fields;
}

ibv_rwq_ind_table* RssGroups::table_of(const Queues& queues) {
    const auto known = tables_.find(queues);
    if (known != tables_.end()) return known->second.get();
    // A table's places are a power of two: with other numbers of queues, more places even out the shares.
    constexpr std::size_t places_per_queue = 16;
    const std::size_t wanted =
        std::has_single_bit(queues.size()) ? queues.size() : std::bit_ceil(queues.size() * places_per_queue);
    const std::size_t places = std::min(wanted, std::size_t{std::bit_floor(max_places_)});
    if (places < queues.size())
        verbs::throw_message(EINVAL, fmt::format("cannot spread over {} queues of {}: its tables have {} places",
                                                 queues.size(), port_.name, places));
    std::vector<ibv_wq*> wqs(places);
    for (std::size_t i = 0; i < places; ++i) wqs[i] = queues_[queues[i % queues.size()]]->wq();
    ibv_rwq_ind_table_init_attr attr{};
    attr.log_ind_tbl_size = static_cast<std::uint32_t>(std::bit_width(places) - 1);
    attr.ind_tbl = wqs.data();
    verbs::TableHandle table{
        verbs::check_pointer(port_.action("create_rwq_ind_table", "make an indirection table"),
                             [&] { return port_.provider.create_rwq_ind_table(port_.context, &attr); }),
        {&port_.provider}};
    return tables_.emplace(queues, std::move(table)).first->second.get();
}

ibv_qp* RssGroups::target(const FlowRule& rule, std::span<const std::size_t> queues) {
    const std::lock_guard lock{mutex_};
    Queues chosen{queues.begin(), queues.end()};
    // Where there is nothing to choose, nothing is hashed, and any rule will do.
    const std::uint64_t fields = chosen.size() == 1 ? 0 : fields_of(rule);
    const auto known = queue_pairs_.find({chosen, fields});
    if (known != queue_pairs_.end()) return known->second.get();

    ibv_qp_init_attr_ex attr{};
    attr.qp_type = IBV_QPT_RAW_PACKET;
    attr.comp_mask = IBV_QP_INIT_ATTR_PD | IBV_QP_INIT_ATTR_IND_TABLE | IBV_QP_INIT_ATTR_RX_HASH;
    attr.pd = port_.domain;
    attr.rwq_ind_tbl = table_of(chosen);
    auto key = rss_.key;
    attr.rx_hash_conf = {.rx_hash_function = IBV_RX_HASH_FUNC_TOEPLITZ,
                         .rx_hash_key_len = Rss::key_bytes,
                         .rx_hash_key = key.data(),
                         .rx_hash_fields_mask = fields};
    verbs::QpHandle qp{
        verbs::check_pointer(port_.action("create_qp_ex", "create a queue pair that spreads over queues"),
                             [&] { return port_.provider.create_qp_ex(port_.context, &attr); }),
        {&port_.provider}};
    return queue_pairs_.emplace(std::pair{std::move(chosen), fields}, std::move(qp)).first->second.get();
}

std::vector<std::size_t> RssGroups::queues_of(const ibv_qp* queue_pair) {
    const std::lock_guard lock{mutex_};
    for (const auto& [choice, handle] : queue_pairs_)
        if (handle.get() == queue_pair) return choice.first;
    return {};
}

}  // namespace pktverbs
