// SPDX-License-Identifier: Apache-2.0
// What is said of a device string that opens nothing.
#pragma once

#include <cerrno>
#include <string_view>

#include <fmt/core.h>

#include <pktverbs/verbs/error.hpp>

namespace pktverbs::verbs {

/// It cannot be parsed: throws std::system_error (EINVAL). `forms` lists the strings that can.
[[noreturn]] inline void refuse_device_string(std::string_view text, std::string_view reason, std::string_view forms) {
    throw_message(EINVAL,
                  fmt::format("cannot read the device string \"{}\": {} (the forms are {})", text, reason, forms));
}

/// The device that it names does not exist: throws std::system_error (ENODEV).
[[noreturn]] inline void no_device_for(std::string_view text, std::string_view reason) {
    throw_message(ENODEV, fmt::format("cannot find a device for \"{}\": {}", text, reason));
}

}  // namespace pktverbs::verbs
