// SPDX-License-Identifier: Apache-2.0
// Refusal: why a peer's offer can't be used, in words for the peer.
#pragma once

#include <stdexcept>

namespace pktverbs::soft::memif {

class Refusal : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

}  // namespace pktverbs::soft::memif
