// SPDX-License-Identifier: Apache-2.0
#include "soft/nic/object_entry.hpp"

#include <mutex>
#include <utility>

namespace pktverbs::soft {

ObjectEntry::ObjectEntry(ObjectTable& table, Kind kind, std::vector<ObjectEntry*> parents)
    : table_{table}, kind_{kind}, parents_{std::move(parents)} {
    std::erase(parents_, nullptr);
    const std::lock_guard lock{table_.mutex_};
    number_ = table_.add(kind);
    for (ObjectEntry* const parent : parents_) ++parent->users_;
}

ObjectEntry::~ObjectEntry() {
    const std::lock_guard lock{table_.mutex_};
    remove();
}

void ObjectEntry::use(ObjectEntry& parent) {
    const std::lock_guard lock{table_.mutex_};
    parents_.push_back(&parent);
    ++parent.users_;
}

bool ObjectEntry::in_use() const noexcept {
    const std::lock_guard lock{table_.mutex_};
    return users_ > 0;
}

bool ObjectEntry::remove_unused() noexcept {
    const std::lock_guard lock{table_.mutex_};
    if (users_ > 0) return false;
    remove();
    return true;
}

/// With the table locked.
void ObjectEntry::remove() noexcept {
    if (!std::exchange(is_there_, false)) return;
    table_.remove(kind_);
    for (ObjectEntry* const parent : parents_) --parent->users_;
}

}  // namespace pktverbs::soft
