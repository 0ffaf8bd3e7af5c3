// SPDX-License-Identifier: Apache-2.0
// Port: an opened device, with everything needed to make objects from it.
#pragma once

#include <infiniband/verbs.h>

#include <string_view>

#include <pktverbs/verbs/error.hpp>
#include <pktverbs/verbs/open_device.hpp>
#include <pktverbs/verbs/provider.hpp>

namespace pktverbs::verbs {

/// Owns nothing: the opened device and its protection domain must outlive it.
struct Port {
    const Provider& provider;
    std::string_view name;  ///< for errors
    ibv_context* context;
    ibv_pd* domain;

    /// Without a protection domain.
    static Port of(const OpenDevice& device) noexcept {
        return {device.provider(), device.device().name, device.raw(), nullptr};
    }

    Action action(std::string_view verb, std::string_view what) const noexcept { return {verb, what, name}; }
};

}  // namespace pktverbs::verbs
