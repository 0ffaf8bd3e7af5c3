// SPDX-License-Identifier: Apache-2.0
// InterfaceCounters: what the kernel and a driver count as lost on an interface, from a start on.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <pktverbs/counters/counters.hpp>

#include "interface/ethtool.hpp"
#include "interface/interface.hpp"

namespace pktverbs {

/// What can't be read is not there; nothing throws but for want of memory.
class InterfaceCounters {
public:
    /// Null: of no interface.
    explicit InterfaceCounters(std::shared_ptr<const Interface> interface);

    /// Those that have risen since then.
    std::vector<Counters::OfInterface> read() const;

private:
    std::vector<Counters::OfInterface> read_all() const;

    std::shared_ptr<const Interface> interface_;
    Ethtool ethtool_;
    std::map<std::pair<std::string, std::string>, std::uint64_t> before_;
};

}  // namespace pktverbs
