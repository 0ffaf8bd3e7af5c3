// SPDX-License-Identifier: Apache-2.0
// Handle: owns one verbs object, and destroys it with the provider that made it.
#pragma once

#include <memory>

#include <pktverbs/verbs/provider.hpp>

namespace pktverbs::verbs {

/// Destroys a verbs object with one slot of a provider's table. A failure of that verb is ignored, as a destructor
/// cannot report it.
template <class Object, int (*Provider::*slot)(Object*)>
struct Destroyer {
    const Provider* provider = nullptr;  ///< the provider that made the object
    /// Destroys the object.
    void operator()(Object* object) const noexcept { (provider->*slot)(object); }
};

/// Owns one verbs object.
template <class Object, int (*Provider::*slot)(Object*)>
using Handle = std::unique_ptr<Object, Destroyer<Object, slot>>;

using ContextHandle = Handle<ibv_context, &Provider::close_device>;
using PdHandle = Handle<ibv_pd, &Provider::dealloc_pd>;
using MrHandle = Handle<ibv_mr, &Provider::dereg_mr>;
using AhHandle = Handle<ibv_ah, &Provider::destroy_ah>;
using SrqHandle = Handle<ibv_srq, &Provider::destroy_srq>;
using CompChannelHandle = Handle<ibv_comp_channel, &Provider::destroy_comp_channel>;
using CqHandle = Handle<ibv_cq, &Provider::destroy_cq>;
using QpHandle = Handle<ibv_qp, &Provider::destroy_qp>;
using CountersHandle = Handle<ibv_counters, &Provider::destroy_counters>;
using WqHandle = Handle<ibv_wq, &Provider::destroy_wq>;
using TableHandle = Handle<ibv_rwq_ind_table, &Provider::destroy_rwq_ind_table>;
using FlowHandle = Handle<ibv_flow, &Provider::destroy_flow>;

}  // namespace pktverbs::verbs
