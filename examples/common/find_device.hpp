// SPDX-License-Identifier: Apache-2.0
// find_device: the device that an argument names.
#pragma once

#include <fmt/core.h>

#include <cerrno>
#include <cstdio>
#include <string_view>
#include <system_error>

#include <pktverbs/device.hpp>
#include "bad_use.hpp"

namespace example {

/// A malformed device string is bad use. Notes about the choice of device go to stderr.
inline pktverbs::Device find_device(std::string_view text) {
    try {
        auto device = pktverbs::find_device(text);
        if (!device.note.empty()) fmt::print(stderr, "{}\n", device.note);
        return device;
    } catch (const std::system_error& error) {
        if (error.code().value() == EINVAL) throw BadUse{error.what()};
        throw;
    }
}

}  // namespace example
