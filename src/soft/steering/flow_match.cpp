// SPDX-License-Identifier: Apache-2.0
// Reads verbs' flow attributes into a FlowMatch.
#include "soft/steering/flow_match.hpp"

#include <arpa/inet.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include <pktverbs/net/ipv4.hpp>

namespace pktverbs::soft {

namespace {

constexpr std::uint32_t max_tag = (1U << 24) - 1;  // a completion reports 24 bits, as on mlx5

/// Types are compared as numbers: an enum that holds an unknown value must not be read as an enum.
enum SpecType : std::uint32_t {
    spec_eth = IBV_FLOW_SPEC_ETH,
    spec_ipv4 = IBV_FLOW_SPEC_IPV4,
    spec_ipv6 = IBV_FLOW_SPEC_IPV6,
    spec_ipv4_ext = IBV_FLOW_SPEC_IPV4_EXT,
    spec_tcp = IBV_FLOW_SPEC_TCP,
    spec_udp = IBV_FLOW_SPEC_UDP,
    spec_tag = IBV_FLOW_SPEC_ACTION_TAG,
    spec_drop = IBV_FLOW_SPEC_ACTION_DROP,
    spec_count = IBV_FLOW_SPEC_ACTION_COUNT,
};

/// The caller's packed structures may put a spec at any address, and the type may have any value.
template <class T>
T copy_of(const std::uint8_t* bytes) noexcept {
    T value;
    std::memcpy(&value, bytes, sizeof value);
    return value;
}

/// The only right size of a spec that the soft device knows, 0 for others.
std::size_t size_of(std::uint32_t type) noexcept {
    switch (type) {
        case spec_eth:
            return sizeof(ibv_flow_spec_eth);
        case spec_ipv4:
            return sizeof(ibv_flow_spec_ipv4);
        case spec_ipv6:
            return sizeof(ibv_flow_spec_ipv6);
        case spec_ipv4_ext:
            return sizeof(ibv_flow_spec_ipv4_ext);
        case spec_tcp:
        case spec_udp:
            return sizeof(ibv_flow_spec_tcp_udp);
        case spec_tag:
            return sizeof(ibv_flow_spec_action_tag);
        case spec_drop:
            return sizeof(ibv_flow_spec_action_drop);
        case spec_count:
            return sizeof(ibv_flow_spec_counter_action);
        default:
            return 0;
    }
}

/// Part of verbs, but not of this device.
bool is_foreign(std::uint32_t type) noexcept {
    constexpr std::uint32_t inner = IBV_FLOW_SPEC_INNER;
    switch (type & ~inner) {
        case IBV_FLOW_SPEC_ESP:
        case IBV_FLOW_SPEC_VXLAN_TUNNEL:
        case IBV_FLOW_SPEC_GRE:
        case IBV_FLOW_SPEC_MPLS:
            return true;
        case spec_eth:
        case spec_ipv4:
        case spec_ipv6:
        case spec_ipv4_ext:
        case spec_tcp:
        case spec_udp:
            return (type & inner) != 0;
        case IBV_FLOW_SPEC_ACTION_HANDLE:
            return (type & inner) == 0;
        default:
            return false;
    }
}

/// Collects one flow's specs; checks the combination once all are in.
class SpecReader {
public:
    explicit SpecReader(FlowMatch& match) noexcept : match_(match) {}

    /// `spec` has as many bytes as its type requires.
    int read(std::uint32_t type, const std::uint8_t* spec) noexcept {
        switch (type) {
            case spec_eth:
                return once(layer2_) ? read_eth(copy_of<ibv_flow_spec_eth>(spec)) : EINVAL;
            case spec_ipv4:
                return once(layer3_) ? read_ipv4(copy_of<ibv_flow_spec_ipv4>(spec)) : EINVAL;
            case spec_ipv4_ext:
                return once(layer3_) ? read_ipv4_ext(copy_of<ibv_flow_spec_ipv4_ext>(spec)) : EINVAL;
            case spec_ipv6:
                return once(layer3_) ? read_ipv6(copy_of<ibv_flow_spec_ipv6>(spec)) : EINVAL;
            case spec_tcp:
                return once(layer4_) ? read_ports(copy_of<ibv_flow_spec_tcp_udp>(spec), net::ip_protocol::tcp) : EINVAL;
            case spec_udp:
                return once(layer4_) ? read_ports(copy_of<ibv_flow_spec_tcp_udp>(spec), net::ip_protocol::udp) : EINVAL;
            case spec_tag:
                return once(tag_) ? read_tag(copy_of<ibv_flow_spec_action_tag>(spec)) : EINVAL;
            case spec_drop:
                return once(match_.drop) ? 0 : EINVAL;
            case spec_count:
                return once(count_) ? read_count(copy_of<ibv_flow_spec_counter_action>(spec)) : EINVAL;
            default:
                return EINVAL;
        }
    }

    int finish() noexcept {
        if (contradicts_ether_type()) return EINVAL;
        if (protocol_ != 0) {
            if (((match_.value.protocol ^ protocol_) & match_.mask.protocol) != 0) return EINVAL;
            match_.value.protocol = protocol_;
            match_.mask.protocol = 0xff;
        }
        FrameKey::Words value = match_.value.words();
        const FrameKey::Words mask = match_.mask.words();
        for (std::size_t i = 0; i < value.size(); ++i) value[i] &= mask[i];
        match_.value = std::bit_cast<FrameKey>(value);
        return 0;
    }

private:
    static bool once(bool& seen) noexcept {
        if (seen) return false;
        return seen = true;
    }

    void require(FrameKey::Flag flag) noexcept {
        match_.value.flags = static_cast<std::uint8_t>(match_.value.flags | flag);
        match_.mask.flags = static_cast<std::uint8_t>(match_.mask.flags | flag);
    }

    static void put_eth(FrameKey& key, const ibv_flow_eth_filter& filter) noexcept {
        std::memcpy(key.dst_mac, filter.dst_mac, sizeof key.dst_mac);
        std::memcpy(key.src_mac, filter.src_mac, sizeof key.src_mac);
        key.ether_type = filter.ether_type;
        key.vlan_tci = filter.vlan_tag;
    }

    int read_eth(const ibv_flow_spec_eth& spec) noexcept {
        put_eth(match_.value, spec.val);
        put_eth(match_.mask, spec.mask);
        if (spec.mask.vlan_tag != 0) require(FrameKey::has_vlan);
        return 0;
    }

    template <class Filter>
    static void put_ipv4(FrameKey& key, const Filter& filter) noexcept {
        std::memcpy(key.src_ip, &filter.src_ip, sizeof filter.src_ip);
        std::memcpy(key.dst_ip, &filter.dst_ip, sizeof filter.dst_ip);
    }

    int read_ipv4(const ibv_flow_spec_ipv4& spec) noexcept {
        put_ipv4(match_.value, spec.val);
        put_ipv4(match_.mask, spec.mask);
        require(FrameKey::is_ipv4);
        return 0;
    }

    static void put_ipv4_ext(FrameKey& key, const ibv_flow_ipv4_ext_filter& filter) noexcept {
        put_ipv4(key, filter);
        key.protocol = filter.proto;
        key.tos = filter.tos;
        key.ttl = filter.ttl;
    }

    int read_ipv4_ext(const ibv_flow_spec_ipv4_ext& spec) noexcept {
        if (spec.mask.flags != 0) return EOPNOTSUPP;
        put_ipv4_ext(match_.value, spec.val);
        put_ipv4_ext(match_.mask, spec.mask);
        require(FrameKey::is_ipv4);
        return 0;
    }

    static void put_ipv6(FrameKey& key, const ibv_flow_ipv6_filter& filter) noexcept {
        std::memcpy(key.src_ip, filter.src_ip, sizeof key.src_ip);
        std::memcpy(key.dst_ip, filter.dst_ip, sizeof key.dst_ip);
        key.flow_label = filter.flow_label & htonl(0x000fffff);
        key.protocol = filter.next_hdr;
        key.tos = filter.traffic_class;
        key.ttl = filter.hop_limit;
    }

    int read_ipv6(const ibv_flow_spec_ipv6& spec) noexcept {
        put_ipv6(match_.value, spec.val);
        put_ipv6(match_.mask, spec.mask);
        require(FrameKey::is_ipv6);
        return 0;
    }

    int read_ports(const ibv_flow_spec_tcp_udp& spec, std::uint8_t protocol) noexcept {
        protocol_ = protocol;
        match_.value.src_port = spec.val.src_port;
        match_.value.dst_port = spec.val.dst_port;
        match_.mask.src_port = spec.mask.src_port;
        match_.mask.dst_port = spec.mask.dst_port;
        if (spec.mask.src_port != 0 || spec.mask.dst_port != 0) require(FrameKey::has_ports);
        return 0;
    }

    int read_tag(const ibv_flow_spec_action_tag& spec) noexcept {
        if (spec.tag_id > max_tag) return EINVAL;
        match_.tag = spec.tag_id;
        return 0;
    }

    int read_count(const ibv_flow_spec_counter_action& spec) noexcept {
        match_.counters = spec.counters;
        return match_.counters ? 0 : EINVAL;
    }

    bool contradicts_ether_type() const noexcept {
        const auto excluded = [&](std::uint16_t type) {
            return ((match_.value.ether_type ^ htons(type)) & match_.mask.ether_type) != 0;
        };
        return ((match_.mask.flags & FrameKey::is_ipv4) != 0 && excluded(0x0800)) ||
               ((match_.mask.flags & FrameKey::is_ipv6) != 0 && excluded(0x86dd));
    }

    FlowMatch& match_;
    std::uint8_t protocol_ = 0;
    bool layer2_ = false;
    bool layer3_ = false;
    bool layer4_ = false;
    bool tag_ = false;
    bool count_ = false;
};

/// `bytes` holds the attribute, followed by the specs.
int read_specs(std::span<const std::uint8_t> bytes, std::size_t count, FlowMatch& match) noexcept {
    SpecReader reader{match};
    for (std::span<const std::uint8_t> rest = bytes; count > 0; --count) {
        // Type and size lead every spec, and none is smaller than the drop action.
        if (rest.size() < sizeof(ibv_flow_spec_action_drop)) return EINVAL;
        const auto type = copy_of<std::uint32_t>(rest.data());
        const auto size = copy_of<std::uint16_t>(rest.data() + offsetof(ibv_flow_spec_action_drop, size));
        if (is_foreign(type)) return EOPNOTSUPP;
        if (size != size_of(type) || size > rest.size()) return EINVAL;  // an unknown type: no size is right
        if (const int error = reader.read(type, rest.data())) return error;
        rest = rest.subspan(size);
    }
    return reader.finish();
}

}  // namespace

bool FlowMatch::matches(const FrameKey& key) const noexcept {
    const FrameKey::Words key_words = key.words();
    const FrameKey::Words mask_words = mask.words();
    const FrameKey::Words value_words = value.words();
    std::uint64_t difference = 0;
    for (std::size_t i = 0; i < key_words.size(); ++i) difference |= (key_words[i] & mask_words[i]) ^ value_words[i];
    return difference == 0;
}

bool FlowMatch::misses(const FrameKey& fragment) const noexcept {
    if ((fragment.flags & FrameKey::is_fragment) == 0 || !wants_frames() || matches(fragment)) return false;
    FlowMatch others = *this;
    others.value.src_port = others.value.dst_port = others.mask.src_port = others.mask.dst_port = 0;
    others.value.flags = static_cast<std::uint8_t>(others.value.flags & ~FrameKey::has_ports);
    others.mask.flags = static_cast<std::uint8_t>(others.mask.flags & ~FrameKey::has_ports);
    return others.matches(fragment);
}

int read_flow_attr(const ibv_flow_attr& attr, std::size_t readable, FlowMatch& match) noexcept {
    if (readable < sizeof attr) return EINVAL;
    const auto* const bytes = reinterpret_cast<const std::uint8_t*>(&attr);
    const auto type = copy_of<std::uint32_t>(bytes + offsetof(ibv_flow_attr, type));
    constexpr std::uint32_t dont_trap = IBV_FLOW_ATTR_FLAGS_DONT_TRAP;
    constexpr std::uint32_t egress = IBV_FLOW_ATTR_FLAGS_EGRESS;

    if (attr.comp_mask != 0 || type > IBV_FLOW_ATTR_SNIFFER || attr.port != 1) return EINVAL;
    if ((attr.flags & ~(dont_trap | egress)) != 0) return EINVAL;
    if ((attr.flags & egress) != 0) return EOPNOTSUPP;

    FlowMatch read;
    read.type = static_cast<ibv_flow_attr_type>(type);
    read.priority = attr.priority;
    read.dont_trap = (attr.flags & dont_trap) != 0;
    if (type != IBV_FLOW_ATTR_NORMAL && (read.dont_trap || attr.num_of_specs != 0)) return EINVAL;
    const std::span<const std::uint8_t> specs{bytes + sizeof attr, readable - sizeof attr};
    if (const int error = read_specs(specs, attr.num_of_specs, read)) return error;
    if (read.dont_trap && read.drop) return EINVAL;
    match = read;
    return 0;
}

}  // namespace pktverbs::soft
