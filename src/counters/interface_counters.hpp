// SPDX-License-Identifier: Apache-2.0
// InterfaceCounters: the losses that the kernel and a driver count on an interface, since construction.
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

/// Counters that can't be read are left out; only std::bad_alloc is thrown.
class InterfaceCounters {
public:
    /// Null: no interface.
    explicit InterfaceCounters(std::shared_ptr<const Interface> interface);

    /// The counters that have risen since construction.
    std::vector<Counters::OfInterface> read() const;

private:
    std::vector<Counters::OfInterface> read_all() const;

    std::shared_ptr<const Interface> interface_;
    Ethtool ethtool_;
    std::map<std::pair<std::string, std::string>, std::uint64_t> before_;
};

}  // namespace pktverbs
