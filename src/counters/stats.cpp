// SPDX-License-Identifier: Apache-2.0
// Stats: counters, summed and as text.
#include <fmt/core.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <string_view>
#include <tuple>

#include <pktverbs/counters/stats.hpp>

#include "counters/stats_fields.hpp"

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

template <class Number>
void add(Number& sum, Number number, StatsField::Kind kind) noexcept {
    sum = kind == StatsField::Kind::largest ? std::max(sum, number) : sum + number;
}

void add(Stats::ByStatus& sum, const Stats::ByStatus& other, StatsField::Kind) noexcept {
    std::transform(sum.begin(), sum.end(), other.begin(), sum.begin(), std::plus<>{});
}

void add(verbs::DeviceDrops& sum, const verbs::DeviceDrops& other, StatsField::Kind) noexcept {
    for (const DropField& drop : drop_fields) sum.*drop.member += other.*drop.member;
}

}  // namespace

std::string_view status_name(std::size_t status) noexcept { return status_names[status]; }

Stats& Stats::operator+=(const Stats& other) noexcept {
    for (const StatsField& field : stats_fields)
        std::visit([&](auto member) { add(this->*member, other.*member, field.kind); }, field.member);
    return *this;
}

std::string Stats::to_string() const {
    std::string text;
    for (const StatsField& field : stats_fields)
        visit_numbers(field, *this, [&](std::string_view part, std::uint64_t number) {
            if (number == 0 && !field.always) return;
            text +=
                fmt::format("{}{}{}{} {}", text.empty() ? "" : " ", field.name, part.empty() ? "" : ".", part, number);
        });
    return text;
}

}  // namespace pktverbs
