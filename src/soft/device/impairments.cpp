// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/soft/impairments.hpp>

#include <cerrno>

#include <fmt/core.h>

#include <pktverbs/verbs/error.hpp>

#include "soft/link/faulty.hpp"
#include "soft/nic/nic.hpp"

namespace pktverbs::soft {
namespace {

ImpairedLink& impaired_link(ibv_context* context) {
    constexpr std::string_view what = "impair the frames of a device";
    Nic* const nic = find_nic(context);
    if (!nic) verbs::throw_error(EOPNOTSUPP, what, "it is no soft device");
    auto* const link = dynamic_cast<ImpairedLink*>(&nic->link());
    if (!link)
        verbs::throw_error(EOPNOTSUPP, what,
                           "only one opened with a key for that in its device string can change: add loss=0");
    return *link;
}

}  // namespace

void set_impairments(ibv_context* context, const Impairments& impairments) {
    ImpairedLink& link = impaired_link(context);
    if (const auto mistake = find_mistake(impairments); !mistake.empty())
        verbs::throw_message(EINVAL, fmt::format("cannot impair the frames of a device: {}", mistake));
    link.set_impairments(impairments);
}

ImpairmentCounters impairment_counters(ibv_context* context) { return impaired_link(context).impairment_counters(); }

}  // namespace pktverbs::soft
