// SPDX-License-Identifier: Apache-2.0
// resolve: the addresses that an argument names.
#pragma once

#include <pktverbs/messages/address.hpp>

#include <string>
#include <system_error>
#include <vector>

#include "bad_use.hpp"

namespace example {

/// Text that is no address is bad use; an unknown name is not.
inline std::vector<pktverbs::messages::Address> resolve(const std::string& text) {
    try {
        return pktverbs::messages::Address::resolve(text);
    } catch (const std::system_error& error) {
        if (error.code() == std::errc::invalid_argument) throw BadUse{error.what()};
        throw;
    }
}

}  // namespace example
