// SPDX-License-Identifier: Apache-2.0
// SoftDevice: what the soft provider opens.
#pragma once

#include <infiniband/verbs.h>

#include <memory>

#include <pktverbs/verbs/device.hpp>

#include "soft/link/link_kind.hpp"
#include "soft/link/link_string.hpp"

namespace pktverbs::soft {

struct SoftDevice : ibv_device {
    SoftDevice() : ibv_device{} {}
    LinkPort port;
};

/// The device that the string names: every open is a further NIC there, in the network namespace of the thread that
/// calls this. Frames that arrive meet the string's faults. Throws std::system_error: EINVAL, ENODEV.
verbs::Device make_device(const LinkString& string);
/// The one on an interface that no string named.
verbs::Device make_device(std::shared_ptr<const Interface> interface);

}  // namespace pktverbs::soft
