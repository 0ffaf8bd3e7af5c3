// SPDX-License-Identifier: Apache-2.0
// Path: a way of frames from a sender to a receiver in one thread, by name.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "stream.hpp"

namespace bench {

struct PathOptions {
    Shape shape = {};
    std::uint32_t batch = 32;     ///< frames of one turn
    std::uint32_t packets = 256;  ///< buffers at each end, and of each queue
    std::uint32_t queues = 1;     ///< that a Context receives from, with one thread; batches go to them in turn
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

/// For a wire, a pipe or a socket: no other path has it, nor another process.
std::string unique_name();

/// Two Contexts, on one wire ("wire"), pipe ("pipe") or memif socket ("memif").
std::unique_ptr<Path> make_context_path(const std::string& link, const PathOptions& options);
/// Verbs on a wire, written by hand as a careful program would.
std::unique_ptr<Path> make_bare_path(const PathOptions& options);
/// Two Contexts on a wire, one of which receives into a ring by arrival, whose blocks are then read.
std::unique_ptr<Path> make_ring_path(const PathOptions& options);

/// A path by its text: "wire", "pipe", "memif", "bare" or "ring", and what is not as in PathOptions and Shape:
/// "wire,bytes=8192,batch=1,steering=mixed".
class NamedPath {
public:
    /// Throws std::invalid_argument.
    explicit NamedPath(const std::string& text);
    std::unique_ptr<Path> make() const;
    const PathOptions& options() const noexcept { return options_; }

private:
    std::string link_;
    PathOptions options_;
};

}  // namespace bench
