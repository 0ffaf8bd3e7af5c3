// SPDX-License-Identifier: Apache-2.0
#include "soft/link/xdp/program.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <utility>

#include "soft/link/ebpf_code.hpp"
#include "soft/link/xdp/key_maker.hpp"

// Once the frame's key is made, it is compared with one flow after the other, as FlowMatch::matches() does.

namespace pktverbs::soft::xdp {

using namespace ebpf;

namespace {

bool matches_all(const FlowMatch& flow) noexcept { return flow.mask == FrameKey{}; }

/// r2: 0 if the flow, which looks at something, matches.
void add_difference(Code& code, const FlowMatch& flow) {
    const FrameKey::Words masks = flow.mask.words();
    const FrameKey::Words values = flow.value.words();
    bool is_first = true;
    for (std::size_t word = 0; word < masks.size(); ++word) {
        if (masks[word] == 0) continue;
        const Register part = is_first ? r2 : r1;
        code.load(eight_bytes, part, r10, word_at(8 * word));
        if (~masks[word] != 0) {
            code.set_wide(r3, masks[word]);
            code.calculate(BPF_AND, part, r3);
        }
        if (values[word] != 0) {
            code.set_wide(r3, values[word]);
            code.calculate(BPF_XOR, part, r3);
        }
        if (!is_first) code.calculate(BPF_OR, r2, r1);
        is_first = false;
    }
}

/// Goes to `next` unless one of the flows matches. With one branch for all: after each, the verifier looks at the whole
/// program (bpf_update_live_stack() in kernel/bpf/liveness.c).
void add_match(Code& code, std::span<const FlowMatch* const> flows, Code::Label next) {
    add_difference(code, *flows.front());
    if (flows.size() == 1) return code.jump_if(BPF_JNE, r2, 0, next);
    for (const FlowMatch* flow : flows) {
        if (flow != flows.front()) add_difference(code, *flow);
        // 1 if r2 is not 0.
        code.set(r1, r2);
        code.calculate(BPF_NEG, r1, 0);
        code.calculate(BPF_OR, r1, r2);
        code.calculate(BPF_RSH, r1, 63);
        if (flow == flows.front())
            code.set(r9, r1);
        else
            code.calculate(BPF_AND, r9, r1);
    }
    code.jump_if(BPF_JNE, r9, 0, next);
}

/// Where matched frames go. Shared by few flows, as jumps don't reach far; but shared, as the verifier looks at all
/// code for each end that it reaches (bpf_update_live_stack() in kernel/bpf/liveness.c).
class Ends {
public:
    static constexpr int max_flows = 256;  // of up to 50 instructions each

    Ends(Code& code, int sockets, xdp_action otherwise)
        : code_{code}, sockets_{sockets}, otherwise_{otherwise}, take_{code.label()}, drop_{code.label()} {}

    void add_jump(bool takes) {
        (takes ? is_take_used_ : is_drop_used_) = true;
        code_.jump(takes ? take_ : drop_);
    }
    /// Adds those that are used: behind an end or a jump.
    void add() {
        code_.place(take_);
        if (is_take_used_) {
            code_.set_map(r1, sockets_);
            code_.set(r2, r7);
            code_.set(r3, static_cast<std::int32_t>(otherwise_));
            code_.call(BPF_FUNC_redirect_map);
            code_.exit();
        }
        code_.place(drop_);
        if (is_drop_used_) code_.finish(XDP_DROP);
    }

private:
    Code& code_;
    const int sockets_;
    const xdp_action otherwise_;
    const Code::Label take_;
    const Code::Label drop_;
    bool is_take_used_ = false;
    bool is_drop_used_ = false;
};

/// In order; of those with the same match, only the first can be reached.
std::vector<const FlowMatch*> reachable(std::span<const FlowMatch* const> flows) {
    std::vector<const FlowMatch*> kept;
    for (const FlowMatch* flow : flows) {
        bool is_never = flow->type != IBV_FLOW_ATTR_NORMAL;
        for (std::size_t i = 0; i < FrameKey::Words{}.size(); ++i)
            is_never |= (flow->value.words()[i] & ~flow->mask.words()[i]) != 0;
        if (!is_never) kept.push_back(flow);
    }
    auto sorted = kept;
    const auto compare = [](const FlowMatch* a, const FlowMatch* b) {
        if (const int order = std::memcmp(&a->mask, &b->mask, sizeof(FrameKey))) return order;
        return std::memcmp(&a->value, &b->value, sizeof(FrameKey));
    };
    std::ranges::stable_sort(sorted, [&](const auto* a, const auto* b) { return compare(a, b) < 0; });
    const auto is_same = [&](const FlowMatch* a, const FlowMatch* b) { return compare(a, b) == 0; };
    sorted.erase(std::unique(sorted.begin(), sorted.end(), is_same), sorted.end());
    std::ranges::sort(sorted);
    std::erase_if(kept, [&](const FlowMatch* flow) { return !std::ranges::binary_search(sorted, flow); });
    return kept;
}

/// Flows that are compared together: what is done with their frames is the same.
std::span<const FlowMatch* const> leading_group(std::span<const FlowMatch* const> flows) noexcept {
    constexpr std::size_t max = 16;
    std::size_t size = 1;
    while (size < std::min(max, flows.size()) && !matches_all(*flows[size]) &&
           flows[size]->wants_frames() == flows.front()->wants_frames())
        ++size;
    return flows.first(size);
}

}  // namespace

std::vector<bpf_insn> compile_program(std::span<const FlowMatch* const> flows, int sockets, xdp_action otherwise) {
    Code code;
    if (flows.empty()) {
        code.finish(XDP_PASS);
        return std::move(code).take();
    }
    add_key_maker(code);
    std::optional<Ends> ends{std::in_place, code, sockets, otherwise};
    std::size_t in_reach = 0;
    const std::vector<const FlowMatch*> all = reachable(flows);
    for (std::span<const FlowMatch* const> rest{all}; !rest.empty();) {
        if (matches_all(*rest.front())) {
            ends->add_jump(rest.front()->wants_frames());
            ends->add();
            return std::move(code).take();
        }
        const auto group = leading_group(rest);
        rest = rest.subspan(group.size());
        const auto next = code.label();
        add_match(code, group, next);
        ends->add_jump(group.front()->wants_frames());
        in_reach += group.size();
        if (in_reach >= Ends::max_flows) {
            ends->add();
            ends.emplace(code, sockets, otherwise);
            in_reach = 0;
        }
        code.place(next);
    }
    const auto any = [&](ibv_flow_attr_type type) {
        return std::ranges::any_of(flows, [type](const FlowMatch* flow) { return flow->type == type; });
    };
    if (any(IBV_FLOW_ATTR_ALL_DEFAULT)) {
        ends->add_jump(true);
    } else {
        const auto next = code.label();
        if (any(IBV_FLOW_ATTR_MC_DEFAULT)) {
            load_part(code, one_byte, offsetof(FrameKey, dst_mac));
            code.calculate(BPF_AND, r1, 1);
            code.jump_if(BPF_JEQ, r1, 0, next);
            ends->add_jump(true);
        }
        code.place(next);
        code.finish(XDP_PASS);
    }
    ends->add();
    return std::move(code).take();
}

}  // namespace pktverbs::soft::xdp
