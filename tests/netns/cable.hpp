// SPDX-License-Identifier: Apache-2.0
// Constants of the tests over a VethPair.
#pragma once

#include <chrono>
#include <cstdint>

namespace pktverbs::test {

constexpr std::chrono::seconds patience{20};  ///< a test that needs it has failed
constexpr std::uint16_t port = 7148;

}  // namespace pktverbs::test
