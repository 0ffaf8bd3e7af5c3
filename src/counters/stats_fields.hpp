// SPDX-License-Identifier: Apache-2.0
// The one table of counters: sums, text, JSON and metrics all come from it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string_view>
#include <variant>

#include <pktverbs/counters/stats.hpp>

namespace pktverbs {

struct StatsField {
    enum class Kind : std::uint8_t {
        counter,  ///< only rises
        gauge,    ///< the current number; queues add up
        largest,  ///< the largest so far; of two queues, the larger one
    };
    using Member = std::variant<std::uint64_t Stats::*, std::uint32_t Stats::*, Stats::ByStatus Stats::*,
                                verbs::DeviceDrops Stats::*>;

    std::string_view name;
    Member member;
    Kind kind = Kind::counter;
    std::string_view unit;  ///< the end of the name, or empty
    std::string_view help;
    bool always = false;  ///< in text, even while it is 0
};

inline constexpr StatsField stats_fields[] = {
    {"recv_packets", &Stats::recv_packets, {}, "packets", "Whole frames handed out.", true},
    {"recv_bytes", &Stats::recv_bytes, {}, "bytes", "Bytes of whole frames handed out.", true},
    {"sent_packets", &Stats::sent_packets, {}, "packets", "Packets sent, completed without an error.", true},
    {"sent_bytes", &Stats::sent_bytes, {}, "bytes", "Bytes of packets sent.", true},
    {"posted_now", &Stats::posted_now, StatsField::Kind::gauge, "", "Receive packets with the NIC.", true},
    {"in_flight", &Stats::in_flight, StatsField::Kind::gauge, "", "Packets posted to send and not completed.", true},
    {"largest_batch", &Stats::largest_batch, StatsField::Kind::largest, "", "Most packets that one recv gave.", false},
    {"empty_wakeups", &Stats::empty_wakeups, {}, "", "Wake-ups that found nothing.", false},
    {"starvations", &Stats::starvations, {}, "", "Times that no receive packet was left with the NIC.", false},
    {"refused_posts", &Stats::refused_posts, {}, "", "Packets that the device refused to take.", false},
    {"recv_errors", &Stats::recv_errors, {}, "", "Failed receive completions.", false},
    {"send_errors", &Stats::send_errors, {}, "", "Failed send completions.", false},
    {"drops", &Stats::drops, {}, "", "Frames that the device dropped.", false},
};

struct DropField {
    std::string_view reason;
    std::uint64_t verbs::DeviceDrops::*member;
};

inline constexpr DropField drop_fields[] = {
    {"out_of_buffer", &verbs::DeviceDrops::out_of_buffer},
    {"unmatched", &verbs::DeviceDrops::unmatched},
    {"fragments", &verbs::DeviceDrops::fragments},
    {"by_rule", &verbs::DeviceDrops::by_rule},
    {"not_ready", &verbs::DeviceDrops::not_ready},
    {"oversize", &verbs::DeviceDrops::oversize},
    {"link", &verbs::DeviceDrops::link},
    {"unsent", &verbs::DeviceDrops::unsent},
};

// A counter in the structure that is missing from the table does not compile: there must be as many names on the left
// as members.
consteval std::size_t count_members(const Stats& stats) {
    [[maybe_unused]] const auto& [a, b, c, d, e, f, g, h, i, j, k, l, m] = stats;
    return 13;
}
static_assert(std::size(stats_fields) == count_members(Stats{}));
consteval std::size_t count_members(const verbs::DeviceDrops& drops) {
    [[maybe_unused]] const auto& [a, b, c, d, e, f, g, h] = drops;
    return 8;
}
static_assert(std::size(drop_fields) == count_members(verbs::DeviceDrops{}));

/// An ibv_wc_status without IBV_WC_: "LOC_LEN_ERR". `status` is below the size of Stats::ByStatus.
std::string_view status_name(std::size_t status) noexcept;

/// Calls `visit(part, number)` for each number of a field: the part is a status, a reason or empty. IBV_WC_SUCCESS is
/// not an error and is left out.
template <class Visit>
void visit_numbers(const StatsField& field, const Stats& stats, Visit&& visit) {
    if (const auto* wide = std::get_if<std::uint64_t Stats::*>(&field.member)) visit(std::string_view{}, stats.**wide);
    if (const auto* narrow = std::get_if<std::uint32_t Stats::*>(&field.member))
        visit(std::string_view{}, std::uint64_t{stats.**narrow});
    if (const auto* errors = std::get_if<Stats::ByStatus Stats::*>(&field.member))
        for (std::size_t i = 1; i < (stats.**errors).size(); ++i) visit(status_name(i), (stats.**errors)[i]);
    if (const auto* drops = std::get_if<verbs::DeviceDrops Stats::*>(&field.member))
        for (const DropField& drop : drop_fields) visit(drop.reason, stats.**drops.*drop.member);
}

}  // namespace pktverbs
