// SPDX-License-Identifier: Apache-2.0
// Keeps flows, and compiles them into the tables that steer() walks.
#include "soft/steering/flow_table.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <new>

#include "soft/steering/counters.hpp"
#include "soft/steering/receive_hash.hpp"

namespace pktverbs::soft {

namespace {

constexpr std::uint32_t no_rule = ~0U;
/// With this many rules on the same bits, hashing beats trying one after the other.
constexpr std::size_t hash_from = 8;
/// The most selective words come first: ports, destination, source, then the rest.
constexpr std::uint32_t word_order[] = {6, 4, 2, 0, 1, 7, 5, 3};

std::uint64_t word(const FrameKey& key, std::uint32_t index) noexcept {
    std::uint64_t value;
    std::memcpy(&value, reinterpret_cast<const std::uint8_t*>(&key) + 8 * std::size_t{index}, sizeof value);
    return value;
}

void push_once(std::vector<Target>& targets, std::size_t from, Target target) noexcept {
    for (std::size_t i = from; i < targets.size(); ++i) {
        if (targets[i].queue_pair == target.queue_pair) return;
    }
    targets.push_back(target);
}

/// The elements at the front that are equivalent to the first one.
template <class Same>
std::span<const std::uint32_t> leading_run(std::span<const std::uint32_t> flows, Same same) noexcept {
    std::size_t size = 1;
    while (size < flows.size() && same(flows[0], flows[size])) ++size;
    return flows.first(size);
}

}  // namespace

int FlowTable::add(const FlowMatch& match, QueuePair* queue_pair, Handle& handle, bool spreads) noexcept {
    constexpr std::size_t spread_room = 1024;  // for one rule's frames with different addresses and ports
    try {
        if (spreads) known_.make_room(spread_room);
        reserve(flows_.size() + 1);
        handle = Handle{match.priority} << 48 | ++made_;
        flows_.emplace_hint(flows_.upper_bound(handle), handle, Flow{match, queue_pair, spreads});
    } catch (const std::bad_alloc&) {
        return ENOMEM;
    }
    outdate();
    return 0;
}

bool FlowTable::remove(Handle handle) noexcept {
    if (flows_.erase(handle) == 0) return false;
    outdate();
    return true;
}

void FlowTable::remove_all(QueuePair* queue_pair) noexcept {
    if (std::erase_if(flows_, [&](const auto& one) { return one.second.queue_pair == queue_pair; }) != 0) outdate();
}

void FlowTable::outdate() noexcept {
    known_.close();
    outdated_ = true;
}

void FlowTable::matches(std::vector<const FlowMatch*>& all) const {
    all.clear();
    for (const auto& [handle, flow] : flows_) all.push_back(&flow.match);
}

template <bool counting>
Verdict FlowTable::walk(const FrameKey& key, std::uint32_t bytes, std::span<const Target>& targets) noexcept {
    if (outdated_) [[unlikely]]
        compile();
    std::size_t copied = 0;
    if (!sniffers_.empty()) [[unlikely]]
        copied = copy(sniffers_, copied);

    const Rule* taken = sets_.empty() ? nullptr : find_in_sets(key);
    bool copied_by_rule = false;
    bool counted = false;
    for (const Rule& rule : scanned_) {
        if (taken != nullptr && taken->order < rule.order) break;
        if (!rule_matches(rule, key)) continue;
        if (!rule.dont_trap) [[likely]] {
            taken = &rule;
            break;
        }
        if (counting && rule.counts) {
            count(rule, bytes);
            counted = true;
        }
        copied = copy(targets_of(rule), copied);
        copied_by_rule = true;
    }

    std::span<const Target> last;
    if (taken != nullptr) [[likely]] {
        if (counting && taken->counts) [[unlikely]] {
            count(*taken, bytes);
            counted = true;
        }
        last = targets_of(*taken);
    } else if (!copied_by_rule) {
        last = defaults(key);
    }
    if constexpr (counting) has_effects_ = counted || copied != 0;
    if (copied == 0) [[likely]] {
        targets = last;
    } else {
        targets = {copies_.data(), copy(last, copied)};
    }
    if (!targets.empty()) [[likely]]
        return Verdict::deliver;
    return taken != nullptr ? Verdict::drop : Verdict::unmatched;
}

Verdict FlowTable::steer(const FrameKey& key, std::uint32_t bytes, std::span<const Target>& targets) noexcept {
    return walk<true>(key, bytes, targets);
}

void FlowTable::find_targets(const FrameKey& key, std::span<const Target>& targets) noexcept {
    walk<false>(key, 0, targets);
}

bool FlowTable::misses(const FrameKey& fragment) const noexcept {
    return std::ranges::any_of(flows_, [&](const auto& one) { return one.second.match.misses(fragment); });
}

inline bool FlowTable::rule_matches(const Rule& rule, const FrameKey& key) const noexcept {
    const Term* const first = terms_.data() + rule.first_term;
    for (const Term* term = first; term != first + rule.term_count; ++term) {
        if ((word(key, term->word) & term->mask) != term->value) return false;
    }
    return true;
}

inline std::uint32_t FlowTable::hash(const Rule& mask, const FrameKey& key) const noexcept {
    constexpr std::uint64_t odd = 0x9e3779b97f4a7c15;  // 2^64 over the golden ratio
    std::uint64_t mixed = 0;
    for (const Term& term : std::span{terms_}.subspan(mask.first_term, mask.term_count)) {
        mixed = std::rotl((mixed ^ (word(key, term.word) & term.mask)) * odd, 32);
    }
    return static_cast<std::uint32_t>(mixed);
}

const FlowTable::Rule* FlowTable::find_in_sets(const FrameKey& key) const noexcept {
    const Rule* first = nullptr;
    for (const RuleSet& set : sets_) {
        if (first != nullptr && first->order < set.order) continue;
        const std::span<const std::uint32_t> slots = std::span{slots_}.subspan(set.first_slot, set.slot_count);
        for (std::uint32_t slot = hash(set.mask, key);; ++slot) {
            const std::uint32_t index = slots[slot & (set.slot_count - 1)];
            if (index == no_rule) break;
            if (!rule_matches(hashed_[index], key)) continue;
            if (first == nullptr || hashed_[index].order < first->order) first = &hashed_[index];
            break;
        }
    }
    return first;
}

inline std::span<const Target> FlowTable::targets_of(const Rule& rule) const noexcept {
    return {targets_.data() + rule.first_target, rule.target_count};
}

void FlowTable::count(const Rule& rule, std::uint32_t bytes) const noexcept {
    for (Counters* const* at = &counters_[rule.first_counters]; *at != nullptr; ++at) (*at)->count(bytes);
}

std::span<const Target> FlowTable::defaults(const FrameKey& key) const noexcept {
    const bool multicast = (key.dst_mac[0] & 1) != 0;
    return multicast && !multicast_defaults_.empty() ? multicast_defaults_ : all_defaults_;
}

/// Appends the targets that the first `copied` of copies_ lack. Returns the new count.
std::size_t FlowTable::copy(std::span<const Target> targets, std::size_t copied) noexcept {
    for (const Target& target : targets) {
        const auto end = copies_.begin() + static_cast<std::ptrdiff_t>(copied);
        const bool has_it =
            std::any_of(copies_.begin(), end, [&](const Target& has) { return has.queue_pair == target.queue_pair; });
        if (!has_it) copies_[copied++] = target;
    }
    return copied;
}

void FlowTable::reserve(std::size_t flows) {
    if (flows <= capacity_) return;
    const std::size_t room = std::max<std::size_t>(2 * capacity_, 8);
    ordered_.reserve(room);
    by_match_.reserve(room);
    terms_.reserve(2 * room * FrameKey::Words{}.size());  // the rules' terms and the sets' masks
    targets_.reserve(room);
    counters_.reserve(2 * room);
    scanned_.reserve(room);
    hashed_.reserve(room);
    sets_.reserve(room / hash_from);
    slots_.reserve(4 * room);
    sniffers_.reserve(room);
    multicast_defaults_.reserve(room);
    all_defaults_.reserve(room);
    copies_.resize(room);
    known_.make_room(room);
    capacity_ = room;
}

void FlowTable::compile() noexcept {
    outdated_ = false;
    FrameKey looked{};
    ordered_.clear();
    for (const auto& [handle, flow] : flows_) {
        looked |= flow.match.mask;
        if (flow.spreads) looked |= ReceiveHash::fields();
        ordered_.push_back(&flow);
    }
    known_.look_at(looked);

    by_match_.clear();
    sniffers_.clear();
    multicast_defaults_.clear();
    all_defaults_.clear();
    for (std::uint32_t i = 0; i < ordered_.size(); ++i) {
        const Target target{ordered_[i]->queue_pair, ordered_[i]->match.tag};
        switch (ordered_[i]->match.type) {
            case IBV_FLOW_ATTR_NORMAL:
                by_match_.push_back(i);
                break;
            case IBV_FLOW_ATTR_SNIFFER:
                push_once(sniffers_, 0, target);
                break;
            case IBV_FLOW_ATTR_MC_DEFAULT:
                push_once(multicast_defaults_, 0, target);
                break;
            case IBV_FLOW_ATTR_ALL_DEFAULT:
                push_once(all_defaults_, 0, target);
                break;
        }
    }
    compile_rules();
}

void FlowTable::compile_rules() noexcept {
    terms_.clear();
    targets_.clear();
    counters_.clear();
    scanned_.clear();
    hashed_.clear();
    sets_.clear();
    slots_.clear();
    const auto match = [&](std::uint32_t flow) -> const FlowMatch& { return ordered_[flow]->match; };
    const auto same_mask = [&](std::uint32_t a, std::uint32_t b) { return match(a).mask == match(b).mask; };
    const auto first_other =
        std::partition(by_match_.begin(), by_match_.end(), [&](std::uint32_t flow) { return !match(flow).dont_trap; });
    std::sort(by_match_.begin(), first_other, [&](std::uint32_t a, std::uint32_t b) {
        if (const int order = std::memcmp(&match(a).mask, &match(b).mask, sizeof(FrameKey))) return order < 0;
        if (const int order = std::memcmp(&match(a).value, &match(b).value, sizeof(FrameKey))) return order < 0;
        return a < b;
    });
    for (std::span<const std::uint32_t> rest{by_match_.begin(), first_other}; !rest.empty();) {
        const auto run = leading_run(rest, same_mask);
        compile_same_mask(run);
        rest = rest.subspan(run.size());
    }
    // Flows with DONT_TRAP are not merged: each may be the first of its queue pair.
    for (auto flow = first_other; flow != by_match_.end(); ++flow) scanned_.push_back(make_rule({&*flow, 1}));
    std::ranges::sort(scanned_, {}, &Rule::order);
}

void FlowTable::compile_same_mask(std::span<const std::uint32_t> flows) noexcept {
    const auto same_value = [&](std::uint32_t a, std::uint32_t b) {
        return ordered_[a]->match.value == ordered_[b]->match.value;
    };
    const std::size_t first = hashed_.size();
    for (auto rest = flows; !rest.empty();) {
        const auto run = leading_run(rest, same_value);
        hashed_.push_back(make_rule(run));
        rest = rest.subspan(run.size());
    }
    const auto rules = hashed_.begin() + static_cast<std::ptrdiff_t>(first);
    if (hashed_.size() - first >= hash_from) {
        make_set(first, ordered_[flows.front()]->match.mask);
    } else {
        scanned_.insert(scanned_.end(), rules, hashed_.end());
        hashed_.erase(rules, hashed_.end());
    }
}

/// Takes flows that match the same frames, in order. All but the first are in force only if they share with it.
FlowTable::Rule FlowTable::make_rule(std::span<const std::uint32_t> flows) noexcept {
    const FlowMatch& match = ordered_[flows.front()]->match;
    Rule rule = make_terms(match.mask, match.value);
    rule.first_target = static_cast<std::uint32_t>(targets_.size());
    rule.order = flows.front();
    rule.dont_trap = match.dont_trap;
    rule.first_counters = static_cast<std::uint32_t>(counters_.size());
    for (const std::uint32_t index : flows) {
        const Flow& flow = *ordered_[index];
        const bool shares = flow.match.priority == match.priority && flow.match.drop == match.drop;
        if (shares && !match.drop) push_once(targets_, rule.first_target, {flow.queue_pair, flow.match.tag});
        if (shares && flow.match.counters) counters_.push_back(static_cast<Counters*>(flow.match.counters));
    }
    rule.counts = counters_.size() != rule.first_counters;
    if (rule.counts) counters_.push_back(nullptr);
    rule.target_count = static_cast<std::uint32_t>(targets_.size()) - rule.first_target;
    return rule;
}

FlowTable::Rule FlowTable::make_terms(const FrameKey& mask, const FrameKey& value) noexcept {
    Rule rule{};
    rule.first_term = static_cast<std::uint32_t>(terms_.size());
    for (const std::uint32_t index : word_order) {
        if (word(mask, index) != 0) terms_.push_back({word(mask, index), word(value, index), index});
    }
    rule.term_count = static_cast<std::uint8_t>(terms_.size() - rule.first_term);
    return rule;
}

/// For the rules in hashed_ from `first` on.
void FlowTable::make_set(std::size_t first, const FrameKey& mask) noexcept {
    RuleSet set{};
    set.mask = make_terms(mask, mask);
    set.order = no_rule;
    set.first_slot = static_cast<std::uint32_t>(slots_.size());
    set.slot_count = static_cast<std::uint32_t>(std::bit_ceil(2 * (hashed_.size() - first)));
    slots_.resize(slots_.size() + set.slot_count, no_rule);
    const std::span<std::uint32_t> slots = std::span{slots_}.subspan(set.first_slot);
    for (std::size_t i = first; i < hashed_.size(); ++i) {
        set.order = std::min(set.order, hashed_[i].order);
        std::uint32_t slot = hash(set.mask, ordered_[hashed_[i].order]->match.value);
        while (slots[slot & (set.slot_count - 1)] != no_rule) ++slot;
        slots[slot & (set.slot_count - 1)] = static_cast<std::uint32_t>(i);
    }
    sets_.push_back(set);
}

}  // namespace pktverbs::soft
