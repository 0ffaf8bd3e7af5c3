// SPDX-License-Identifier: Apache-2.0
// ObjectEntry: an object's entry in the table of its device.
#pragma once

#include <cstdint>
#include <vector>

#include "soft/nic/object_table.hpp"

namespace pktverbs::soft {

/// Counts an object in the table, and as a user of the objects that it was made from, from its constructor to its
/// destructor. An object declares its entry first: so it uses the others until all its other members have ended.
class ObjectEntry {
public:
    using Kind = ObjectTable::Kind;

    /// `parents`: entries of the objects that this one uses; one may occur several times, and null ones are skipped.
    /// Throws std::bad_alloc, also if the device has as many objects of that kind as it can have.
    ObjectEntry(ObjectTable& table, Kind kind, std::vector<ObjectEntry*> parents = {});
    ~ObjectEntry();
    ObjectEntry(const ObjectEntry&) = delete;
    ObjectEntry& operator=(const ObjectEntry&) = delete;

    /// Of a domain; or of a queue pair or work queue, which share numbers. 0 for all others.
    std::uint32_t number() const noexcept { return number_; }
    /// Uses one more object. Throws std::bad_alloc.
    void use(ObjectEntry& parent);
    bool in_use() const noexcept;
    /// Does the destructor's work now, unless the object is in use. Returns whether it did.
    bool remove_unused() noexcept;

private:
    void remove() noexcept;

    ObjectTable& table_;
    const Kind kind_;
    bool is_there_ = true;
    int users_ = 0;
    std::uint32_t number_ = 0;
    std::vector<ObjectEntry*> parents_;
};

}  // namespace pktverbs::soft
