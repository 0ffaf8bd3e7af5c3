// SPDX-License-Identifier: Apache-2.0
// Path: a way of frames from a sender to a receiver in one thread, by name.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "stream.hpp"

namespace bench {

struct PathOptions {
    Shape shape = {};
    std::uint32_t batch = 32;     ///< frames of one turn
    std::uint32_t packets = 256;  ///< buffers at each end
};

/// Both ends of a link. A turn is the whole cycle of one batch: acquire, number, post, steer, copy, complete, poll,
/// verify, release.
class Path {
public:
    virtual ~Path() = default;
    /// Throws if a frame is missing.
    virtual void turn() = 0;
    /// Throws unless all frames came as they were sent.
    virtual void check() const = 0;
};

/// Two Contexts, on one wire ("wire"), pipe ("pipe") or memif socket ("memif").
std::unique_ptr<Path> make_context_path(const std::string& link, const PathOptions& options);
/// Verbs on a wire, written by hand as a careful program would.
std::unique_ptr<Path> make_bare_path(const PathOptions& options);
/// Two Contexts on a wire, one of which receives into a ring by arrival, whose blocks are then read.
std::unique_ptr<Path> make_ring_path(const PathOptions& options);

}  // namespace bench
