// SPDX-License-Identifier: Apache-2.0
// Stats: sums and text of counters.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <string_view>
#include <tuple>

#include <pktverbs/stats.hpp>

namespace pktverbs {
namespace {

// ibv_wc_status without IBV_WC_, in its order.
constexpr std::string_view status_names[] = {"SUCCESS",
                                             "LOC_LEN_ERR",
                                             "LOC_QP_OP_ERR",
                                             "LOC_EEC_OP_ERR",
                                             "LOC_PROT_ERR",
                                             "WR_FLUSH_ERR",
                                             "MW_BIND_ERR",
                                             "BAD_RESP_ERR",
                                             "LOC_ACCESS_ERR",
                                             "REM_INV_REQ_ERR",
                                             "REM_ACCESS_ERR",
                                             "REM_OP_ERR",
                                             "RETRY_EXC_ERR",
                                             "RNR_RETRY_EXC_ERR",
                                             "LOC_RDD_VIOL_ERR",
                                             "REM_INV_RD_REQ_ERR",
                                             "REM_ABORT_ERR",
                                             "INV_EECN_ERR",
                                             "INV_EEC_STATE_ERR",
                                             "FATAL_ERR",
                                             "RESP_TIMEOUT_ERR",
                                             "GENERAL_ERR",
                                             "TM_ERR",
                                             "TM_RNDV_INCOMPLETE"};
static_assert(std::size(status_names) == std::tuple_size_v<Stats::ByStatus>);
static_assert(status_names[IBV_WC_WR_FLUSH_ERR] == "WR_FLUSH_ERR");
static_assert(status_names[IBV_WC_GENERAL_ERR] == "GENERAL_ERR");

void add(Stats::ByStatus& sum, const Stats::ByStatus& other) noexcept {
    std::transform(sum.begin(), sum.end(), other.begin(), sum.begin(), std::plus<>{});
}

void add(verbs::DeviceDrops& sum, const verbs::DeviceDrops& other) noexcept {
    sum.out_of_buffer += other.out_of_buffer;
    sum.unmatched += other.unmatched;
    sum.by_rule += other.by_rule;
    sum.not_ready += other.not_ready;
    sum.oversize += other.oversize;
    sum.link += other.link;
    sum.unsent += other.unsent;
}

void append_unless_zero(std::string& text, std::string_view group, std::string_view name, std::uint64_t count) {
    if (count != 0) fmt::format_to(std::back_inserter(text), " {}{} {}", group, name, count);
}

void append_errors(std::string& text, std::string_view group, const Stats::ByStatus& errors) {
    for (std::size_t i = 0; i < errors.size(); ++i) append_unless_zero(text, group, status_names[i], errors[i]);
}

}  // namespace

Stats& Stats::operator+=(const Stats& other) noexcept {
    recv_packets += other.recv_packets;
    recv_bytes += other.recv_bytes;
    add(recv_errors, other.recv_errors);
    sent_packets += other.sent_packets;
    sent_bytes += other.sent_bytes;
    add(send_errors, other.send_errors);
    empty_wakeups += other.empty_wakeups;
    starvations += other.starvations;
    refused_posts += other.refused_posts;
    largest_batch = std::max(largest_batch, other.largest_batch);
    posted_now += other.posted_now;
    in_flight += other.in_flight;
    add(drops, other.drops);
    return *this;
}

std::string Stats::to_string() const {
    std::string text =
        fmt::format("recv_packets {} recv_bytes {} sent_packets {} sent_bytes {} posted_now {} in_flight {}",
                    recv_packets, recv_bytes, sent_packets, sent_bytes, posted_now, in_flight);
    append_unless_zero(text, "", "largest_batch", largest_batch);
    append_unless_zero(text, "", "empty_wakeups", empty_wakeups);
    append_unless_zero(text, "", "starvations", starvations);
    append_unless_zero(text, "", "refused_posts", refused_posts);
    append_errors(text, "recv_errors.", recv_errors);
    append_errors(text, "send_errors.", send_errors);
    append_unless_zero(text, "drops.", "out_of_buffer", drops.out_of_buffer);
    append_unless_zero(text, "drops.", "unmatched", drops.unmatched);
    append_unless_zero(text, "drops.", "by_rule", drops.by_rule);
    append_unless_zero(text, "drops.", "not_ready", drops.not_ready);
    append_unless_zero(text, "drops.", "oversize", drops.oversize);
    append_unless_zero(text, "drops.", "link", drops.link);
    append_unless_zero(text, "drops.", "unsent", drops.unsent);
    return text;
}

}  // namespace pktverbs
