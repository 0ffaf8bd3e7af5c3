// SPDX-License-Identifier: Apache-2.0
// FlowTable: the flows in force on one soft device, and where they steer a frame.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "soft/steering/flow_match.hpp"
#include "soft/steering/known_frames.hpp"
#include "soft/steering/target.hpp"

namespace pktverbs::soft {

class Counters;
class QueuePair;

enum class Verdict {
    deliver,    ///< delivered to the targets, at least one
    drop,       ///< a flow drops it
    unmatched,  ///< no flow matches it
};

/// Not thread-safe; the device locks. A change costs the time of a search; the first frame after it waits for all flows
/// to be compiled, which costs a sort of them.
class FlowTable {
public:
    /// A flow's name: its priority, and how many were made before it. Flows are tried in this order.
    using Handle = std::uint64_t;

    /// Counters in `match` must be this device's. Returns 0, or ENOMEM and changes nothing. A queue pair may have the
    /// same flow several times and keeps it until the last is removed, as mlx5's kernel driver counts references
    /// (find_flow_rule() in drivers/net/ethernet/mellanox/mlx5/core/fs_core.c).
    /// `spreads`: the queue pair's frames go to one of several queues, by a ReceiveHash.
    int add(const FlowMatch& match, QueuePair* queue_pair, Handle& handle, bool spreads = false) noexcept;
    /// False if there is no such flow.
    bool remove(Handle handle) noexcept;
    void remove_all(QueuePair* queue_pair) noexcept;

    bool empty() const noexcept { return flows_.empty(); }
    std::size_t size() const noexcept { return flows_.size(); }
    /// Of a flow in force; stays where it is until that is removed.
    const FlowMatch& match(Handle handle) const { return flows_.at(handle).match; }
    /// All flows in force; the pointers are valid until the next change.
    void matches(std::vector<const FlowMatch*>& all) const;

    /// Sniffers always get the frame. Normal flows are tried by priority, lowest number first, then in order of
    /// creation: one with DONT_TRAP gets a copy, the first other one takes the frame (or drops it), and with it those
    /// of the same match, priority and action on other queue pairs. A frame that no normal flow matched goes to the
    /// multicast defaults, if it is multicast and there are any, or else to the all-defaults. A queue pair gets it
    /// once, with the tag of its first flow in this order. `targets` is valid until the next call. Counters of flows
    /// that get, take or drop it count a frame of `bytes`.
    Verdict steer(const FrameKey& key, std::uint32_t bytes, std::span<const Target>& targets) noexcept;
    /// Where steer() would give this frame alone, and count nothing, if that is known without parsing it: a frame of
    /// the same flow was remembered since the flows changed. Or null.
    const KnownFrames::Known* recall(const FrameHead& frame) const noexcept { return known_.recall(frame); }
    const KnownFrames::Known* recall(std::span<const std::uint8_t> frame) const noexcept {
        return known_.recall(frame);
    }
    /// The same for many frames, until the flows change.
    KnownFrames::Reader reader() const noexcept { return KnownFrames::Reader{known_}; }
    /// For a frame that steer() has just given to one target, and to that queue of it. Not if it counted that.
    void remember(std::span<const std::uint8_t> frame, const Target& target, ReceiveQueue* queue) noexcept {
        if (!has_effects_) known_.remember(frame, target, queue);
    }
    /// Like steer(), but counts nothing.
    void find_targets(const FrameKey& key, std::span<const Target>& targets) noexcept;
    /// Whether a flow would have matched if this were not a fragment: FlowMatch::misses(). Linear in the flows.
    bool misses(const FrameKey& fragment) const noexcept;

private:
    struct Flow {
        FlowMatch match;
        QueuePair* queue_pair;
        bool spreads;
    };
    /// One word of a match with bits to compare.
    struct Term {
        std::uint64_t mask;
        std::uint64_t value;
        std::uint32_t word;
    };
    /// Normal flows with one match, made ready for steer(). A drop rule has no targets.
    struct Rule {
        std::uint32_t first_term;
        std::uint32_t first_target;
        std::uint32_t target_count;
        std::uint32_t first_counters;  ///< if it counts: a list that ends with null
        std::uint32_t order;
        std::uint8_t term_count;
        bool dont_trap;
        bool counts;
    };
    /// Many rules that compare the same bits, found by a hash of them. Of two rules with the same value the first
    /// always hides the other, whatever lies between them in order, so there is one for each value.
    struct RuleSet {
        Rule mask;            ///< only its terms are used
        std::uint32_t order;  ///< of its first rule
        std::uint32_t first_slot;
        std::uint32_t slot_count;  ///< a power of two, at least twice the rules
    };

    template <bool counting>
    Verdict walk(const FrameKey& key, std::uint32_t bytes, std::span<const Target>& targets) noexcept;

    void reserve(std::size_t flows);
    void outdate() noexcept;
    void compile() noexcept;
    void compile_rules() noexcept;
    void compile_same_mask(std::span<const std::uint32_t> flows) noexcept;
    Rule make_rule(std::span<const std::uint32_t> flows) noexcept;
    Rule make_terms(const FrameKey& mask, const FrameKey& value) noexcept;
    void make_set(std::size_t first, const FrameKey& mask) noexcept;

    bool rule_matches(const Rule& rule, const FrameKey& key) const noexcept;
    std::uint32_t hash(const Rule& mask, const FrameKey& key) const noexcept;
    const Rule* find_in_sets(const FrameKey& key) const noexcept;
    std::span<const Target> targets_of(const Rule& rule) const noexcept;
    std::span<const Target> defaults(const FrameKey& key) const noexcept;
    void count(const Rule& rule, std::uint32_t bytes) const noexcept;
    std::size_t copy(std::span<const Target> targets, std::size_t copied) noexcept;

    std::map<Handle, Flow> flows_;
    Handle made_ = 0;
    bool outdated_ = false;  ///< what follows, and must be compiled

    // compile() makes these from flows_ and must not fail: all have room for capacity_ flows.
    std::size_t capacity_ = 0;
    std::vector<const Flow*> ordered_;
    std::vector<std::uint32_t> by_match_;  ///< into ordered_
    std::vector<Term> terms_;
    std::vector<Target> targets_;
    std::vector<Counters*> counters_;  ///< for rules that count, each list ends with null
    std::vector<Rule> scanned_;        ///< in order
    std::vector<Rule> hashed_;
    std::vector<RuleSet> sets_;
    std::vector<std::uint32_t> slots_;  ///< into hashed_
    std::vector<Target> sniffers_;
    std::vector<Target> multicast_defaults_;
    std::vector<Target> all_defaults_;
    std::vector<Target> copies_;  ///< for one steer()

    KnownFrames known_;
    bool has_effects_ = false;  ///< the last steer() counted, or copied
};

}  // namespace pktverbs::soft
