// SPDX-License-Identifier: Apache-2.0
// Steering cases: frames and flows are mostly well-formed and from small pools, so that they often match.
#include "steering_case.hpp"

#include <arpa/inet.h>
#include <infiniband/verbs.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <sstream>

#include "../unit/classic_bpf.hpp"
#include "reference_steering.hpp"
#include "soft/link/packet_filter.hpp"
#include "soft/steering/counters.hpp"
#include "soft/steering/flow_table.hpp"

namespace {

using namespace pktverbs::soft;
using reference::Bytes;

/// The script's bytes; zeros after its end.
class Source {
public:
    explicit Source(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}

    bool at_end() const { return bytes_.empty(); }

    std::uint8_t byte() {
        if (bytes_.empty()) return 0;
        const std::uint8_t value = bytes_.front();
        bytes_ = bytes_.subspan(1);
        return value;
    }

    unsigned below(unsigned end) { return byte() % end; }

    /// Once in `times`.
    bool rarely(unsigned times) { return below(times) == times - 1; }

    template <class T, std::size_t size>
    T one_of(const T (&choices)[size]) {
        return choices[below(size)];
    }

private:
    std::span<const std::uint8_t> bytes_;
};

void append(Bytes& bytes, std::initializer_list<unsigned> more) {
    for (const unsigned byte : more) bytes.push_back(static_cast<std::uint8_t>(byte));
}

void append_number(Bytes& bytes, unsigned number) { append(bytes, {number >> 8 & 255, number & 255}); }

template <class T>
Bytes bytes_of(const T& object) {
    const auto* const first = reinterpret_cast<const std::uint8_t*>(&object);
    return {first, first + sizeof object};
}

// ---- pools that frames and flows draw from ----

using Mac = std::array<std::uint8_t, 6>;

Mac pick_mac(Source& source) {
    static constexpr Mac macs[] = {
        {0x02, 0, 0, 0, 0, 1},    {0x02, 0, 0, 0, 0, 2}, {0x01, 0, 0x5e, 0, 0, 1}, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
        {0x33, 0x33, 0, 0, 0, 1},
    };
    return source.one_of(macs);
}

unsigned pick_tci(Source& source) { return source.below(4) << 12 | source.below(3); }

unsigned pick_ether_type(Source& source) {
    static constexpr unsigned types[] = {0x0800, 0x0800, 0x0800, 0x86dd, 0x86dd, 0x0806, 0, 38, 0x0600};
    return source.one_of(types);
}

unsigned pick_protocol(Source& source) {
    static constexpr unsigned protocols[] = {17, 17, 17, 6, 6, 1, 58, 0};
    return source.one_of(protocols);
}

unsigned pick_port(Source& source) { return 1000 + source.below(source.rarely(4) ? 32 : 3); }

using Ipv4 = std::array<std::uint8_t, 4>;
Ipv4 pick_ipv4(Source& source) { return {10, 0, 0, static_cast<std::uint8_t>(source.below(3))}; }

using Ipv6 = std::array<std::uint8_t, 16>;
Ipv6 pick_ipv6(Source& source) {
    Ipv6 address{0xfe, 0x80};
    address[15] = static_cast<std::uint8_t>(source.below(2));
    address[8] = static_cast<std::uint8_t>(source.below(2));
    return address;
}

// ---- frames ----

/// Both return the protocol of the next header, and leave the length field at 0.
unsigned append_ipv4(Bytes& frame, Source& source) {
    const unsigned words = source.rarely(4) ? source.below(16) : 5;
    const unsigned version = source.rarely(16) ? source.below(16) : 4;
    append(frame, {version << 4 | words, source.below(3), 0, 0, 0, 0});
    append_number(frame, source.rarely(4) ? source.below(3) | source.below(4) << 13 : 0x4000);
    const unsigned protocol = pick_protocol(source);
    append(frame, {64 + source.below(2), protocol, 0, 0});
    for (const std::uint8_t byte : pick_ipv4(source)) frame.push_back(byte);
    for (const std::uint8_t byte : pick_ipv4(source)) frame.push_back(byte);
    for (unsigned i = 5; i < words; ++i) append(frame, {1, 1, 1, 1});
    return protocol;
}

unsigned append_ipv6(Bytes& frame, Source& source) {
    static constexpr unsigned extensions[] = {0, 43, 44, 51, 60, 44};
    unsigned headers = source.rarely(2) ? source.below(4) : 0;
    if (source.rarely(16)) headers = 14 + source.below(5);
    std::vector<unsigned> chain;
    for (unsigned i = 0; i < headers; ++i) chain.push_back(source.one_of(extensions));
    chain.push_back(source.rarely(16) ? 59 : pick_protocol(source));

    const unsigned version = source.rarely(16) ? source.below(16) : 6;
    const unsigned traffic_class = source.below(3) << 3;
    append(frame, {version << 4 | traffic_class >> 4, (traffic_class & 15) << 4, 0, source.below(3), 0, 0, chain[0],
                   64 + source.below(2)});
    for (const std::uint8_t byte : pick_ipv6(source)) frame.push_back(byte);
    for (const std::uint8_t byte : pick_ipv6(source)) frame.push_back(byte);
    for (unsigned i = 0; i < headers; ++i) {
        const unsigned length = source.rarely(4) ? source.below(4) : 0;
        const bool fragment = chain[i] == 44;
        append(frame, {chain[i + 1], length});
        append_number(frame, fragment && source.rarely(3) ? source.byte() : 0);
        append(frame, {0, 0, 0, 0});
        const unsigned units = chain[i] == 51 ? length : 2 * length;
        for (unsigned unit = 0; !fragment && unit < units; ++unit) append(frame, {0, 0, 0, 0});
    }
    return chain.back();
}

/// Usually the right value.
void append_length(Bytes& frame, std::size_t right, Source& source) {
    append_number(frame, static_cast<unsigned>(source.rarely(8) ? right + source.below(9) - 4 : right));
}
void write_length(Bytes& frame, std::size_t at, std::size_t right, Source& source) {
    Bytes field;
    append_length(field, right, source);
    std::copy(field.begin(), field.end(), frame.begin() + static_cast<std::ptrdiff_t>(at));
}

void append_transport(Bytes& frame, unsigned protocol, Source& source) {
    append_number(frame, pick_port(source));
    append_number(frame, pick_port(source));
    if (protocol == 6) {
        append(frame, {0, 0, 0, 0, 0, 0, 0, 0, (source.rarely(8) ? source.below(16) : 5) << 4, 0, 0, 0, 0, 0, 0, 0});
        frame.resize(frame.size() + source.below(2) * 4);
    } else {
        const unsigned payload = source.below(3);
        append_length(frame, 8 + payload, source);
        append(frame, {0, 0});
        frame.resize(frame.size() + payload);
    }
}

Bytes make_frame(Source& source) {
    Bytes frame;
    if (source.rarely(16)) {
        for (unsigned left = source.byte(); left > 0 && !source.at_end(); --left) frame.push_back(source.byte());
        return frame;
    }
    for (const std::uint8_t byte : pick_mac(source)) frame.push_back(byte);
    for (const std::uint8_t byte : pick_mac(source)) frame.push_back(byte);
    static constexpr unsigned tag_counts[] = {0, 0, 0, 0, 0, 1, 1, 2, 3, 7, 8, 9};
    for (unsigned tags = source.one_of(tag_counts); tags > 0; --tags) {
        append_number(frame, source.rarely(3) ? 0x88a8 : 0x8100);
        append_number(frame, pick_tci(source));
    }
    const unsigned type = pick_ether_type(source);
    append_number(frame, type);
    const std::size_t ip = frame.size();
    unsigned protocol = 0;
    if (type == 0x0800) protocol = append_ipv4(frame, source);
    if (type == 0x86dd) protocol = append_ipv6(frame, source);
    append_transport(frame, protocol, source);
    if (type == 0x0800) write_length(frame, ip + 2, frame.size() - ip, source);
    if (type == 0x86dd) write_length(frame, ip + 4, frame.size() - ip - 40, source);
    if (source.rarely(8)) frame.resize(std::min<std::size_t>(frame.size(), source.byte()));
    if (source.rarely(8)) frame.resize(frame.size() + source.below(32));  // padding
    return frame;
}

// ---- flows ----

/// Sets a field to a value, and its mask to nothing, everything, or anything.
template <class Field, class Value>
void ask(Source& source, Field& field, Field& mask, const Value& value) {
    static_assert(sizeof field == sizeof value);
    const unsigned how = source.below(8);
    if (how < 3) return;
    std::memcpy(&field, &value, sizeof field);
    std::memset(&mask, how < 7 ? 0xff : source.byte(), sizeof mask);
}

std::uint16_t wire(unsigned number) { return htons(static_cast<std::uint16_t>(number)); }
std::uint8_t octet(unsigned number) { return static_cast<std::uint8_t>(number); }

template <class Spec>
Spec new_spec(unsigned type) {
    Spec spec;
    std::memset(static_cast<void*>(&spec), 0, sizeof spec);
    spec.type = static_cast<ibv_flow_spec_type>(type);
    spec.size = sizeof spec;
    return spec;
}

Bytes eth_spec(Source& source) {
    auto spec = new_spec<ibv_flow_spec_eth>(IBV_FLOW_SPEC_ETH);
    ask(source, spec.val.dst_mac, spec.mask.dst_mac, pick_mac(source));
    ask(source, spec.val.src_mac, spec.mask.src_mac, pick_mac(source));
    ask(source, spec.val.ether_type, spec.mask.ether_type, wire(pick_ether_type(source)));
    ask(source, spec.val.vlan_tag, spec.mask.vlan_tag, wire(pick_tci(source)));
    if (source.rarely(4)) spec.mask.vlan_tag &= wire(0x0fff);
    return bytes_of(spec);
}

template <class Spec>
Spec ipv4_spec(Source& source, unsigned type) {
    auto spec = new_spec<Spec>(type);
    ask(source, spec.val.src_ip, spec.mask.src_ip, pick_ipv4(source));
    ask(source, spec.val.dst_ip, spec.mask.dst_ip, pick_ipv4(source));
    return spec;
}

Bytes ip_spec(Source& source) {
    switch (source.below(3)) {
        case 0:
            return bytes_of(ipv4_spec<ibv_flow_spec_ipv4>(source, IBV_FLOW_SPEC_IPV4));
        case 1: {
            auto spec = ipv4_spec<ibv_flow_spec_ipv4_ext>(source, IBV_FLOW_SPEC_IPV4_EXT);
            ask(source, spec.val.proto, spec.mask.proto, octet(pick_protocol(source)));
            ask(source, spec.val.tos, spec.mask.tos, octet(source.below(3)));
            ask(source, spec.val.ttl, spec.mask.ttl, octet(64 + source.below(2)));
            spec.val.flags = source.byte();
            if (source.rarely(16)) spec.mask.flags = source.byte();
            return bytes_of(spec);
        }
        default: {
            auto spec = new_spec<ibv_flow_spec_ipv6>(IBV_FLOW_SPEC_IPV6);
            ask(source, spec.val.src_ip, spec.mask.src_ip, pick_ipv6(source));
            ask(source, spec.val.dst_ip, spec.mask.dst_ip, pick_ipv6(source));
            ask(source, spec.val.flow_label, spec.mask.flow_label, htonl(source.below(3) | source.below(2) << 20));
            ask(source, spec.val.next_hdr, spec.mask.next_hdr, octet(pick_protocol(source)));
            ask(source, spec.val.traffic_class, spec.mask.traffic_class, octet(source.below(3) << 3));
            ask(source, spec.val.hop_limit, spec.mask.hop_limit, octet(64 + source.below(2)));
            return bytes_of(spec);
        }
    }
}

Bytes ports_spec(unsigned type, unsigned dst_port, unsigned dst_mask, unsigned src_port, unsigned src_mask) {
    auto spec = new_spec<ibv_flow_spec_tcp_udp>(type);
    spec.val.dst_port = wire(dst_port);
    spec.mask.dst_port = wire(dst_mask);
    spec.val.src_port = wire(src_port);
    spec.mask.src_port = wire(src_mask);
    return bytes_of(spec);
}

Bytes ports_spec(Source& source) {
    static constexpr unsigned masks[] = {0, 0, 0xffff, 0xffff, 0xffff, 0xfffe, 0x0001};
    const unsigned type = source.rarely(3) ? IBV_FLOW_SPEC_TCP : IBV_FLOW_SPEC_UDP;
    const unsigned dst_port = pick_port(source);
    const unsigned dst_mask = source.one_of(masks);
    const unsigned src_port = pick_port(source);
    return ports_spec(type, dst_port, dst_mask, src_port, source.one_of(masks));
}

/// The counters of the scripts' flows. They keep counting from script to script.
Counters* all_counters() {
    static Counters counters[] = {Counters{nullptr}, Counters{nullptr}};
    return counters;
}

Bytes count_spec(unsigned which) {
    auto spec = new_spec<ibv_flow_spec_counter_action>(IBV_FLOW_SPEC_ACTION_COUNT);
    spec.counters = all_counters() + which % 2;
    return bytes_of(spec);
}

Bytes action_spec(Source& source) {
    if (source.rarely(3)) return bytes_of(new_spec<ibv_flow_spec_action_drop>(IBV_FLOW_SPEC_ACTION_DROP));
    auto spec = new_spec<ibv_flow_spec_action_tag>(IBV_FLOW_SPEC_ACTION_TAG);
    spec.tag_id = source.below(3) << (source.rarely(8) ? 23 : 0);
    return bytes_of(spec);
}

Bytes foreign_spec(Source& source) {
    static constexpr unsigned types[] = {
        IBV_FLOW_SPEC_ESP,
        IBV_FLOW_SPEC_VXLAN_TUNNEL,
        IBV_FLOW_SPEC_GRE,
        IBV_FLOW_SPEC_MPLS,
        IBV_FLOW_SPEC_ACTION_HANDLE,
        IBV_FLOW_SPEC_ACTION_COUNT,
        IBV_FLOW_SPEC_INNER | 0x20,
        IBV_FLOW_SPEC_INNER | 0x41,
        IBV_FLOW_SPEC_INNER,
        IBV_FLOW_SPEC_INNER | 0x1000,
        0x33,
        0x1004,
    };
    Bytes bytes(24);
    const auto type = static_cast<std::uint32_t>(source.one_of(types));
    if (type == IBV_FLOW_SPEC_ACTION_COUNT) return count_spec(source.byte());
    const std::uint16_t size = 24;
    std::memcpy(bytes.data(), &type, sizeof type);
    std::memcpy(bytes.data() + sizeof type, &size, sizeof size);
    return bytes;
}

/// Puts the attribute in front, with the right size and count.
Bytes attribute_of(ibv_flow_attr_type type, unsigned priority, unsigned flags, const std::vector<Bytes>& specs) {
    ibv_flow_attr attr{};
    attr.type = type;
    attr.priority = static_cast<std::uint16_t>(priority);
    attr.flags = flags;
    attr.port = 1;
    attr.num_of_specs = static_cast<std::uint8_t>(specs.size());
    attr.size = sizeof attr;
    for (const Bytes& spec : specs) attr.size = static_cast<std::uint16_t>(attr.size + spec.size());
    Bytes bytes = bytes_of(attr);
    for (const Bytes& spec : specs) bytes.insert(bytes.end(), spec.begin(), spec.end());
    return bytes;
}

void corrupt(Bytes& attribute, Source& source) {
    if (source.rarely(2)) {
        attribute[source.below(static_cast<unsigned>(sizeof(ibv_flow_attr)))] = source.byte();
    } else {
        attribute[source.byte() % attribute.size()] = source.byte();
    }
    // The caller vouches for its size.
    std::uint16_t size;
    std::memcpy(&size, attribute.data() + offsetof(ibv_flow_attr, size), sizeof size);
    attribute.resize(std::max<std::size_t>(size, sizeof(ibv_flow_attr)));
}

Bytes make_attribute(Source& source) {
    static constexpr ibv_flow_attr_type types[] = {IBV_FLOW_ATTR_SNIFFER, IBV_FLOW_ATTR_MC_DEFAULT,
                                                   IBV_FLOW_ATTR_ALL_DEFAULT};
    const bool normal = !source.rarely(6);
    const ibv_flow_attr_type type = normal ? IBV_FLOW_ATTR_NORMAL : source.one_of(types);
    std::vector<Bytes> specs;
    if (normal || source.rarely(8)) {
        if (source.rarely(2)) specs.push_back(eth_spec(source));
        if (source.rarely(2)) specs.push_back(ip_spec(source));
        if (source.rarely(2)) specs.push_back(ports_spec(source));
        if (source.rarely(3)) specs.push_back(action_spec(source));
        if (source.rarely(16)) specs.push_back(foreign_spec(source));
        if (source.rarely(16)) specs.push_back(ip_spec(source));
        if (source.rarely(16)) specs.push_back(action_spec(source));
        if (!specs.empty()) std::rotate(specs.begin(), specs.begin() + source.below(3) % specs.size(), specs.end());
    }
    const unsigned flags = source.rarely(5) ? IBV_FLOW_ATTR_FLAGS_DONT_TRAP : 0;
    Bytes attribute = attribute_of(type, source.below(3), normal || source.rarely(4) ? flags : 0, specs);
    if (source.rarely(16)) corrupt(attribute, source);
    return attribute;
}

/// Both sides, in lockstep.
class Pair {
public:
    std::string difference() const { return difference_.str(); }

    void add(const Bytes& attribute, int queue_pair) {
        // A separate block, so that the address sanitizer sees a read past it.
        const auto block = std::make_unique<std::uint8_t[]>(attribute.size());
        std::copy(attribute.begin(), attribute.end(), block.get());
        FlowMatch match;
        const auto& attr = *reinterpret_cast<const ibv_flow_attr*>(block.get());
        const int error = read_flow_attr(attr, attr.size, match);
        const std::vector<int> expected = reference::complaints(attribute);
        const bool right =
            error == 0 ? expected.empty() : std::find(expected.begin(), expected.end(), error) != expected.end();
        if (!right) {
            difference_ << "reading a flow gives " << error << ", expected one of " << expected.size() << ":";
            for (const int each : expected) difference_ << ' ' << each;
        }
        if (error != 0 || !right) return;
        // A corrupted pointer would be the caller's mistake, and tests nothing.
        if (match.counters && match.counters != all_counters() && match.counters != all_counters() + 1) return;

        FlowTable::Handle handle = 0;
        const int added = table_.add(match, pointer(queue_pair), handle);
        if (added != 0) difference_ << "adding a flow gives " << added;
        steering_.add(attribute, queue_pair, handle);
        handles_.push_back(handle);
        compare_size();
    }

    void remove(unsigned which) {
        if (handles_.empty()) return;
        const auto handle = handles_.begin() + which % handles_.size();
        // Flows removed by remove_all() are still among the handles, but not in force.
        if (table_.remove(*handle) != steering_.remove(*handle))
            difference_ << "removing a flow reports the wrong result";
        handles_.erase(handle);
        compare_size();
    }

    void remove_all(int queue_pair) {
        table_.remove_all(pointer(queue_pair));
        steering_.remove_all(queue_pair);
        compare_size();
    }

    void steer(const Bytes& frame) {
        difference_ << compare_parsing(frame);
        const auto block = std::make_unique<std::uint8_t[]>(frame.size());
        std::copy(frame.begin(), frame.end(), block.get());
        const std::span<const std::uint8_t> bytes{block.get(), frame.size()};
        std::optional<reference::Outcome> recalled;
        if (const KnownFrames::Known* const known = table_.recall(bytes))
            recalled.emplace().copies.emplace(number(known->queue_pair), known->tag);
        const FrameKey key = parse_frame(frame);
        std::span<const Target> targets;
        Counters* const counters = all_counters();
        const std::uint64_t before[] = {counters[0].packets(), counters[1].packets()};
        const std::uint64_t bytes_before[] = {counters[0].bytes(), counters[1].bytes()};
        const Verdict verdict = table_.steer(key, static_cast<std::uint32_t>(frame.size()), targets);

        reference::Outcome outcome;
        outcome.dropped = verdict == Verdict::drop;
        for (const Target& target : targets) {
            if (!outcome.copies.emplace(number(target.queue_pair), target.tag).second) difference_ << "given twice";
        }
        for (int i = 0; i < 2; ++i) {
            const std::uint64_t packets = counters[i].packets() - before[i];
            if (packets != 0) outcome.counted[counters + i] = packets;
            if (counters[i].bytes() - bytes_before[i] != packets * frame.size()) difference_ << "bytes are miscounted";
        }
        if ((verdict == Verdict::deliver) == targets.empty()) difference_ << "the verdict and the targets disagree";
        const reference::Outcome expected = steering_.steer(frame);
        if (outcome != expected) difference_ << "steered to " << text(outcome) << ", expected " << text(expected);
        if (recalled && *recalled != expected)
            difference_ << "recalled as " << text(*recalled) << ", expected " << text(expected);
        // As the NIC does, which knows queue pairs for which it would be wrong.
        if (verdict == Verdict::deliver && targets.size() == 1) table_.remember(bytes, targets[0], nullptr);
        compare_filter(key, verdict);
    }

private:
    /// Never dereferenced.
    static QueuePair* pointer(int number) {
        return reinterpret_cast<QueuePair*>(static_cast<std::uintptr_t>(number) * 64);
    }
    static int number(QueuePair* pointer) { return static_cast<int>(reinterpret_cast<std::uintptr_t>(pointer) / 64); }

    static std::string text(const reference::Outcome& outcome) {
        std::ostringstream out;
        out << (outcome.dropped ? "drop" : "{");
        for (const auto& [queue_pair, tag] : outcome.copies) out << ' ' << queue_pair << " tag " << tag;
        out << " }";
        for (const auto& [counters, packets] : outcome.counted)
            out << " counted " << packets << " in " << static_cast<const Counters*>(counters) - all_counters();
        return out.str();
    }

    void compare_size() {
        if (table_.size() != steering_.size() || table_.empty() != (steering_.size() == 0)) {
            difference_ << "there are " << table_.size() << " flows, expected " << steering_.size();
        }
    }

    /// A link that withholds frames that no match wants must not change the table's result.
    void compare_filter(const FrameKey& key, Verdict verdict) {
        std::vector<const FlowMatch*> matches;
        table_.matches(matches);
        bool any = false;
        bool any_sure = false;
        for (const FlowMatch* const match : matches) {
            if (!match->matches(key)) continue;
            any = true;
            any_sure = any_sure || match->type == IBV_FLOW_ATTR_NORMAL || match->type == IBV_FLOW_ATTR_SNIFFER;
        }
        if (!any && verdict != Verdict::unmatched) difference_ << "steered, but no match is in force for it";
        if (any_sure && verdict == Verdict::unmatched) difference_ << "a match is in force, but it was not steered";
        if (matches.size() != table_.size()) difference_ << "a match is missing";
    }

    FlowTable table_;
    reference::Steering steering_;
    std::vector<FlowTable::Handle> handles_;
    std::ostringstream difference_;
};

int pick_queue_pair(Source& source) { return 1 + static_cast<int>(source.below(4)); }

/// Enough flows on the same bits to be hashed.
void add_many(Pair& pair, Source& source) {
    static constexpr unsigned masks[] = {0xffff, 0xffff, 0x00ff};
    const unsigned first = source.below(24);
    const unsigned count = 6 + source.below(16);
    const unsigned mask = source.one_of(masks);
    const unsigned type = source.rarely(4) ? IBV_FLOW_SPEC_TCP : IBV_FLOW_SPEC_UDP;
    const unsigned priority = source.below(3);
    const int queue_pair = pick_queue_pair(source);
    for (unsigned i = 0; i < count; ++i) {
        const unsigned port = 1000 + (first + i * 5) % 32;
        std::vector<Bytes> specs{ports_spec(type, port, mask, 0, 0)};
        if (i % 7 == 3) specs.push_back(action_spec(source));
        if (i % 7 >= 5) specs.push_back(count_spec(i));
        pair.add(attribute_of(IBV_FLOW_ATTR_NORMAL, priority, 0, specs), queue_pair);
    }
}

template <class Number>
void compare_number(std::ostringstream& out, const char* name, Number have, const std::optional<std::uint32_t>& want) {
    if (have != want.value_or(0)) out << name << " is " << std::uint32_t{have} << ", expected " << want.value_or(0);
}

template <std::size_t size>
void compare_bytes(std::ostringstream& out, const char* name, const std::uint8_t (&have)[size], Bytes want) {
    want.resize(size);
    if (!std::equal(want.begin(), want.end(), have)) out << name << " differs";
}

}  // namespace

std::string compare_parsing(std::span<const std::uint8_t> frame) {
    const auto block = std::make_unique<std::uint8_t[]>(frame.size());
    std::copy(frame.begin(), frame.end(), block.get());
    const FrameKey key = parse_frame({block.get(), frame.size()});
    const reference::Headers headers = reference::read_headers(frame);

    std::ostringstream out;
    compare_bytes(out, "dst_mac", key.dst_mac, headers.dst_mac);
    compare_bytes(out, "src_mac", key.src_mac, headers.src_mac);
    compare_bytes(out, "src_ip", key.src_ip, headers.src_ip);
    compare_bytes(out, "dst_ip", key.dst_ip, headers.dst_ip);
    compare_bytes(out, "reserved", key.reserved, {});
    compare_number(out, "ether_type", ntohs(key.ether_type), headers.ether_type);
    compare_number(out, "vlan_tci", ntohs(key.vlan_tci), headers.vlan_tci);
    compare_number(out, "src_port", ntohs(key.src_port), headers.src_port);
    compare_number(out, "dst_port", ntohs(key.dst_port), headers.dst_port);
    compare_number(out, "flow_label", ntohl(key.flow_label), headers.flow_label);
    compare_number(out, "protocol", key.protocol, headers.protocol);
    compare_number(out, "tos", key.tos, headers.tos);
    compare_number(out, "ttl", key.ttl, headers.ttl);
    const unsigned flags = (headers.vlan_tci ? 1U : 0U) | (headers.ip_version == 4 ? 2U : 0U) |
                           (headers.ip_version == 6 ? 4U : 0U) | (headers.dst_port ? 8U : 0U) |
                           (headers.fragment ? 16U : 0U);
    compare_number(out, "flags", key.flags, flags);
    return out.str();
}

std::string compare_filtering(std::span<const std::uint8_t> input) {
    using pktverbs::test::FilteredFrame;
    Source source{input};
    std::vector<Bytes> attributes;
    std::vector<FlowMatch> flows;
    for (unsigned left = source.below(7); left > 0; --left) {
        const Bytes attribute = make_attribute(source);
        if (!reference::complaints(attribute).empty()) continue;
        const auto block = std::make_unique<std::uint8_t[]>(attribute.size());
        std::copy(attribute.begin(), attribute.end(), block.get());
        const auto& attr = *reinterpret_cast<const ibv_flow_attr*>(block.get());
        FlowMatch match;
        if (const int error = read_flow_attr(attr, attr.size, match))
            return "a right flow gives " + std::to_string(error);
        attributes.push_back(attribute);
        flows.push_back(match);
    }
    std::vector<const FlowMatch*> pointers;
    for (const FlowMatch& flow : flows) pointers.push_back(&flow);
    const auto program = compile_packet_filter(pointers);
    if (!pktverbs::test::is_loadable(program)) return "the kernel would not load it";

    while (!source.at_end()) {
        const Bytes frame = make_frame(source);
        const bool wanted = std::any_of(attributes.begin(), attributes.end(),
                                        [&](const Bytes& attribute) { return reference::wants(attribute, frame); });
        const auto check = [&](const FilteredFrame& seen) -> std::string {
            const std::uint32_t taken = pktverbs::test::run_filter(program, seen);
            if (taken != 0 && taken < frame.size()) return "it cuts a frame short";
            if (wanted && taken == 0) return "it refuses what a flow wants";
            if (!wanted && taken != 0 && reference::is_plain(frame)) return "it accepts what no flow wants";
            return {};
        };
        if (std::string difference = check({frame, std::nullopt}); !difference.empty()) return difference;
        const std::optional<std::uint32_t> tci = reference::read_headers(frame).vlan_tci;
        if (!tci) continue;
        Bytes stripped = frame;
        stripped.erase(stripped.begin() + 12, stripped.begin() + 16);
        if (std::string difference = check({stripped, static_cast<std::uint16_t>(*tci)}); !difference.empty())
            return difference + " (tag beside it)";
    }
    return {};
}

std::string compare_steering(std::span<const std::uint8_t> input) {
    Source source{input};
    Pair pair;
    Bytes frame;
    while (!source.at_end() && pair.difference().empty()) {
        switch (source.below(16)) {
            case 0:
                pair.remove(source.byte());
                break;
            case 1:
                add_many(pair, source);
                break;
            case 2:
                pair.remove_all(pick_queue_pair(source));
                break;
            case 3:
            case 4:
            case 5:
            case 6:
            case 7: {
                // The same flow often goes to more than one queue pair.
                const Bytes attribute = make_attribute(source);
                pair.add(attribute, pick_queue_pair(source));
                if (source.rarely(3)) pair.add(attribute, pick_queue_pair(source));
                break;
            }
            case 8:
            case 9:
            case 10:
                // The last one, or one that differs in a bit or in its length.
                if (!frame.empty() && source.rarely(2)) {
                    std::uint8_t& byte = frame[source.byte() % std::min<std::size_t>(frame.size(), 64)];
                    byte = static_cast<std::uint8_t>(byte ^ 1U << source.below(8));
                }
                if (source.rarely(8)) frame.resize(std::min<std::size_t>(frame.size(), 30 + source.below(32)));
                pair.steer(frame);
                break;
            default:
                frame = make_frame(source);
                pair.steer(frame);
                break;
        }
    }
    return pair.difference();
}
