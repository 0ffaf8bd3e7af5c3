// SPDX-License-Identifier: Apache-2.0
// BpfLabels: places in a BPF program that are jumped to before they are known.
#pragma once

#include <cstddef>
#include <vector>

namespace pktverbs::soft {

/// Positions are indexes of instructions.
class BpfLabels {
public:
    using Label = std::size_t;

    Label make() {
        places_.push_back(0);
        return places_.size() - 1;
    }
    void place(Label label, std::size_t at) noexcept { places_[label] = at; }
    void add_jump(std::size_t from, Label to) { jumps_.push_back({from, to}); }

    /// Calls set(from, distance) for each jump, once all labels have been placed.
    template <class Set>
    void resolve(Set&& set) const {
        for (const Jump& jump : jumps_) set(jump.from, places_[jump.to] - jump.from - 1);
    }

private:
    struct Jump {
        std::size_t from;
        Label to;
    };

    std::vector<std::size_t> places_;
    std::vector<Jump> jumps_;
};

}  // namespace pktverbs::soft
