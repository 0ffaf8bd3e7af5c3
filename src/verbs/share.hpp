// SPDX-License-Identifier: Apache-2.0
// share: turns a handle into a shared one that keeps its parent.
#pragma once

#include <memory>
#include <utility>

#include <pktverbs/verbs/handle.hpp>

namespace pktverbs::verbs {

/// The parent is released after the object has been destroyed, also when an owner is assigned to: members are assigned
/// in order of declaration, the parent first.
template <class Object, int (*Provider::*slot)(Object*), class Parent>
std::shared_ptr<Object> share(std::unique_ptr<Object, Destroyer<Object, slot>> handle, Parent parent) {
    struct End {
        Destroyer<Object, slot> destroy;
        Parent parent;
        void operator()(Object* object) const noexcept { destroy(object); }
    };
    End end{handle.get_deleter(), std::move(parent)};
    return {handle.release(), std::move(end)};
}

}  // namespace pktverbs::verbs
