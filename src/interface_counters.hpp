// SPDX-License-Identifier: Apache-2.0
// InterfaceCounters: what the kernel and a driver count as lost on an interface, from a start on.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <pktverbs/counters.hpp>

#include "base/ethtool.hpp"
#include "base/file_descriptor.hpp"

namespace pktverbs {

/// Keeps to the network namespace of the thread that made it. What can't be read is not there; nothing throws but for
/// want of memory.
class InterfaceCounters {
public:
    /// An empty name: of no interface.
    explicit InterfaceCounters(const std::string& interface);

    /// Those that have risen since then.
    std::vector<Counters::OfInterface> read() const;

private:
    std::vector<Counters::OfInterface> read_all() const;
    void append_kernel(std::vector<Counters::OfInterface>& all) const;

    int index_ = 0;
    FileDescriptor netlink_;
    Ethtool ethtool_;
    mutable std::mutex mutex_;  ///< one question at a time
    std::map<std::pair<std::string, std::string>, std::uint64_t> before_;
};

}  // namespace pktverbs
