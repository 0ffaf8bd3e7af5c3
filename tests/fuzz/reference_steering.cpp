// SPDX-License-Identifier: Apache-2.0
// Shares nothing with src/soft, so that a mistake is not made twice.
#include "reference_steering.hpp"

#include <infiniband/verbs.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>
#include <stdexcept>

namespace reference {

namespace {

/// Takes bytes from the front; throws at the end.
class Reader {
public:
    struct End : std::runtime_error {
        End() : std::runtime_error("the frame ends here") {}
    };

    explicit Reader(Bytes bytes) : bytes_(std::move(bytes)) {}

    std::size_t left() const { return bytes_.size(); }
    void keep(std::size_t count) { bytes_.resize(std::min(count, bytes_.size())); }

    Bytes take(std::size_t count) {
        if (count > bytes_.size()) throw End{};
        const auto end = bytes_.begin() + static_cast<std::ptrdiff_t>(count);
        Bytes taken(bytes_.begin(), end);
        bytes_.erase(bytes_.begin(), end);
        return taken;
    }

    std::uint32_t number(std::size_t bytes) {
        std::uint32_t result = 0;
        for (const std::uint8_t byte : take(bytes)) result = result * 256 + byte;
        return result;
    }

private:
    Bytes bytes_;
};

/// The 16-bit length field for all of `there` bytes: 0 if they don't fit.
std::size_t said(std::uint32_t field, std::size_t there) { return field == 0 && there >= 65536 ? there : field; }

/// The bytes, out of `there` from the header on, up to the packet's end by its length; all of them, if that is
/// impossible.
std::size_t up_to(std::size_t end, std::size_t header, std::size_t there) {
    return header <= end && end <= there ? end : there;
}

/// `rest` ends where IP does.
void read_ports(Reader rest, Headers& headers) {
    const std::size_t header = headers.protocol == 17U ? 8 : 20;
    if ((headers.protocol != 6U && headers.protocol != 17U) || rest.left() < header) return;
    headers.src_port = rest.number(2);
    headers.dst_port = rest.number(2);
}

void read_ipv4(Reader packet, Headers& headers) {
    if (packet.left() < 20) return;
    Reader fields = packet;
    const std::uint32_t version_and_length = fields.number(1);
    if (version_and_length / 16 != 4) return;
    const std::size_t length = version_and_length % 16 * 4;
    const std::uint32_t tos = fields.number(1);
    const std::size_t total = said(fields.number(2), packet.left());
    if (length < 20 || packet.left() < length) return;
    packet.keep(up_to(total, length, packet.left()));

    headers.ip_version = 4;
    headers.tos = tos;
    fields.take(2);  // identification
    const std::uint32_t fragment = fields.number(2);
    const std::uint32_t offset = fragment % 8192;
    headers.fragment = offset != 0 || (fragment & 0x2000) != 0;
    headers.ttl = fields.number(1);
    headers.protocol = fields.number(1);
    fields.take(2);  // checksum
    headers.src_ip = fields.take(4);
    headers.dst_ip = fields.take(4);
    packet.take(length);
    if (!headers.fragment) read_ports(packet, headers);
}

void read_ipv6(Reader packet, Headers& headers) {
    if (packet.left() < 40) return;
    const std::uint32_t first = packet.number(4);
    if (first >> 28 != 6) return;
    const std::uint32_t length_field = packet.number(2);
    const std::size_t payload = said(length_field, packet.left() - 34);  // this much of the header is present
    packet.keep(up_to(34 + payload, 34, packet.left()));
    headers.ip_version = 6;
    headers.tos = first >> 20 & 255;
    headers.flow_label = first % (1U << 20);
    std::uint32_t next = packet.number(1);
    headers.ttl = packet.number(1);
    headers.src_ip = packet.take(16);
    headers.dst_ip = packet.take(16);

    static const std::set<std::uint32_t> extensions{0, 43, 44, 51, 60};
    bool rest_is_payload = true;
    try {
        for (int i = 0; extensions.count(next) != 0; ++i) {
            if (i == 16 || !rest_is_payload) return;
            const std::uint32_t type = next;
            Reader header{packet};
            next = header.number(1);
            const std::uint32_t length = header.number(1);
            if (type == 44) {
                const std::uint32_t place = header.number(2);
                packet.take(8);
                rest_is_payload = place / 8 == 0;
                if (!rest_is_payload || place % 2 == 1) headers.fragment = true;
            } else if (type == 51) {
                packet.take(std::max<std::size_t>(8, (length + 2) * 4));
            } else {
                packet.take((length + 1) * 8);
            }
        }
    } catch (const Reader::End&) {
        return;
    }
    headers.protocol = next;
    if (!headers.fragment) read_ports(packet, headers);
}

// ---- flow attributes ----

struct Spec {
    std::uint32_t type;
    std::uint16_t size;
    Bytes bytes;
};

template <class T>
T as(const Bytes& bytes) {
    T result;
    if (bytes.size() < sizeof result) throw std::logic_error("a spec is too short");
    std::memcpy(static_cast<void*>(&result), bytes.data(), sizeof result);
    return result;
}

/// Without the type, which may be no member of its enum.
ibv_flow_attr head(const Bytes& attribute) {
    Bytes bytes(attribute.begin(), attribute.begin() + sizeof(ibv_flow_attr));
    std::fill_n(bytes.begin() + offsetof(ibv_flow_attr, type), 4, std::uint8_t{0});
    return as<ibv_flow_attr>(bytes);
}

std::uint32_t attribute_type(const Bytes& attribute) {
    std::uint32_t type;
    std::memcpy(&type, attribute.data() + offsetof(ibv_flow_attr, type), sizeof type);
    return type;
}

/// As many specs as are complete.
std::vector<Spec> specs_of(const Bytes& attribute) {
    std::vector<Spec> specs;
    std::size_t at = sizeof(ibv_flow_attr);
    const std::size_t end = std::min<std::size_t>(attribute.size(), head(attribute).size);
    while (specs.size() < head(attribute).num_of_specs && at + 8 <= end) {
        Spec spec;
        std::memcpy(&spec.type, attribute.data() + at, 4);
        std::memcpy(&spec.size, attribute.data() + at + 4, 2);
        const std::size_t bytes = std::min<std::size_t>(spec.size, end - at);
        spec.bytes.assign(attribute.begin() + static_cast<std::ptrdiff_t>(at),
                          attribute.begin() + static_cast<std::ptrdiff_t>(at + bytes));
        specs.push_back(spec);
        if (spec.size < 8 || spec.size > end - at) break;
        at += spec.size;
    }
    return specs;
}

struct Known {
    std::size_t size;
    int layer;  ///< two of one layer do not go together
};
const std::map<std::uint32_t, Known> known_specs{
    {IBV_FLOW_SPEC_ETH, {sizeof(ibv_flow_spec_eth), 2}},
    {IBV_FLOW_SPEC_IPV4, {sizeof(ibv_flow_spec_ipv4), 3}},
    {IBV_FLOW_SPEC_IPV4_EXT, {sizeof(ibv_flow_spec_ipv4_ext), 3}},
    {IBV_FLOW_SPEC_IPV6, {sizeof(ibv_flow_spec_ipv6), 3}},
    {IBV_FLOW_SPEC_TCP, {sizeof(ibv_flow_spec_tcp_udp), 4}},
    {IBV_FLOW_SPEC_UDP, {sizeof(ibv_flow_spec_tcp_udp), 4}},
    {IBV_FLOW_SPEC_ACTION_TAG, {sizeof(ibv_flow_spec_action_tag), 5}},
    {IBV_FLOW_SPEC_ACTION_DROP, {sizeof(ibv_flow_spec_action_drop), 6}},
    {IBV_FLOW_SPEC_ACTION_COUNT, {sizeof(ibv_flow_spec_counter_action), 7}},
};
const std::set<std::uint32_t> refused_specs{
    IBV_FLOW_SPEC_ESP,
    IBV_FLOW_SPEC_VXLAN_TUNNEL,
    IBV_FLOW_SPEC_GRE,
    IBV_FLOW_SPEC_MPLS,
    IBV_FLOW_SPEC_ACTION_HANDLE,
    0x120,
    0x130,
    0x131,
    0x132,
    0x134,
    0x140,
    0x141,
    0x150,
    0x151,
    0x160,
};

const Spec* find(const std::vector<Spec>& specs, std::uint32_t type) {
    const auto found = std::find_if(specs.begin(), specs.end(), [&](const Spec& spec) { return spec.type == type; });
    return found == specs.end() ? nullptr : &*found;
}

std::uint32_t swap16(std::uint16_t wire) {
    std::uint8_t bytes[2];
    std::memcpy(bytes, &wire, 2);
    return bytes[0] * 256U + bytes[1];
}

std::uint32_t swap32(std::uint32_t wire) {
    std::uint8_t bytes[4];
    std::memcpy(bytes, &wire, 4);
    return bytes[0] * 16777216U + bytes[1] * 65536U + bytes[2] * 256U + bytes[3];
}

/// Whether a field has the required value; a missing one counts as 0.
bool fits(std::optional<std::uint32_t> field, std::uint32_t value, std::uint32_t mask) {
    return (field.value_or(0) & mask) == (value & mask);
}

bool fits(const Bytes& field, const void* value, const void* mask, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) {
        const std::uint8_t have = i < field.size() ? field[i] : 0;
        const std::uint8_t want = static_cast<const std::uint8_t*>(value)[i];
        const std::uint8_t bits = static_cast<const std::uint8_t*>(mask)[i];
        if ((have & bits) != (want & bits)) return false;
    }
    return true;
}

/// With `any_ports`, a flow with ports matches any ports of the frame.
bool spec_fits(const Headers& headers, const Spec& spec, bool any_ports = false) {
    switch (spec.type) {
        case IBV_FLOW_SPEC_ETH: {
            const auto eth = as<ibv_flow_spec_eth>(spec.bytes);
            const std::uint32_t tci_mask = swap16(eth.mask.vlan_tag);
            return fits(headers.dst_mac, eth.val.dst_mac, eth.mask.dst_mac, 6) &&
                   fits(headers.src_mac, eth.val.src_mac, eth.mask.src_mac, 6) &&
                   fits(headers.ether_type, swap16(eth.val.ether_type), swap16(eth.mask.ether_type)) &&
                   (tci_mask == 0 || headers.vlan_tci.has_value()) &&
                   fits(headers.vlan_tci, swap16(eth.val.vlan_tag), tci_mask);
        }
        case IBV_FLOW_SPEC_IPV4: {
            const auto ip = as<ibv_flow_spec_ipv4>(spec.bytes);
            return headers.ip_version == 4 && fits(headers.src_ip, &ip.val.src_ip, &ip.mask.src_ip, 4) &&
                   fits(headers.dst_ip, &ip.val.dst_ip, &ip.mask.dst_ip, 4);
        }
        case IBV_FLOW_SPEC_IPV4_EXT: {
            const auto ip = as<ibv_flow_spec_ipv4_ext>(spec.bytes);
            return headers.ip_version == 4 && fits(headers.src_ip, &ip.val.src_ip, &ip.mask.src_ip, 4) &&
                   fits(headers.dst_ip, &ip.val.dst_ip, &ip.mask.dst_ip, 4) &&
                   fits(headers.protocol, ip.val.proto, ip.mask.proto) && fits(headers.tos, ip.val.tos, ip.mask.tos) &&
                   fits(headers.ttl, ip.val.ttl, ip.mask.ttl);
        }
        case IBV_FLOW_SPEC_IPV6: {
            const auto ip = as<ibv_flow_spec_ipv6>(spec.bytes);
            return headers.ip_version == 6 && fits(headers.src_ip, ip.val.src_ip, ip.mask.src_ip, 16) &&
                   fits(headers.dst_ip, ip.val.dst_ip, ip.mask.dst_ip, 16) &&
                   fits(headers.flow_label, swap32(ip.val.flow_label), swap32(ip.mask.flow_label) % (1U << 20)) &&
                   fits(headers.protocol, ip.val.next_hdr, ip.mask.next_hdr) &&
                   fits(headers.tos, ip.val.traffic_class, ip.mask.traffic_class) &&
                   fits(headers.ttl, ip.val.hop_limit, ip.mask.hop_limit);
        }
        case IBV_FLOW_SPEC_TCP:
        case IBV_FLOW_SPEC_UDP: {
            const auto ports = as<ibv_flow_spec_tcp_udp>(spec.bytes);
            if (headers.protocol != (spec.type == IBV_FLOW_SPEC_TCP ? 6U : 17U)) return false;
            const std::uint32_t dst_mask = swap16(ports.mask.dst_port);
            const std::uint32_t src_mask = swap16(ports.mask.src_port);
            if (any_ports || (dst_mask == 0 && src_mask == 0)) return true;
            return headers.dst_port.has_value() && fits(headers.dst_port, swap16(ports.val.dst_port), dst_mask) &&
                   fits(headers.src_port, swap16(ports.val.src_port), src_mask);
        }
        default:
            return true;
    }
}

bool has_flag(const Bytes& attribute, std::uint32_t flag) { return (head(attribute).flags & flag) != 0; }

bool has_drop(const Bytes& attribute) { return find(specs_of(attribute), IBV_FLOW_SPEC_ACTION_DROP) != nullptr; }

std::uint32_t tag_of(const Bytes& attribute) {
    const std::vector<Spec> specs = specs_of(attribute);
    const Spec* const tag = find(specs, IBV_FLOW_SPEC_ACTION_TAG);
    return tag == nullptr ? 0 : as<ibv_flow_spec_action_tag>(tag->bytes).tag_id;
}

const void* counters_of(const Bytes& attribute) {
    const std::vector<Spec> specs = specs_of(attribute);
    const Spec* const count = find(specs, IBV_FLOW_SPEC_ACTION_COUNT);
    return count == nullptr ? nullptr : as<ibv_flow_spec_counter_action>(count->bytes).counters;
}

bool flow_fits(const Bytes& attribute, const Headers& headers, bool any_ports = false) {
    const std::vector<Spec> specs = specs_of(attribute);
    return std::all_of(specs.begin(), specs.end(),
                       [&](const Spec& spec) { return spec_fits(headers, spec, any_ports); });
}

template <class Filter>
Bytes masked(const Filter& value, const Filter& mask) {
    Bytes result(2 * sizeof value);
    std::memcpy(result.data(), &value, sizeof value);
    std::memcpy(result.data() + sizeof value, &mask, sizeof mask);
    for (std::size_t i = 0; i < sizeof value; ++i) {
        result[i] = static_cast<std::uint8_t>(result[i] & result[sizeof value + i]);
    }
    return result;
}

/// Everything that decides what a flow matches: two flows match the same by their specs exactly if these are equal.
std::map<int, Bytes> what_it_matches(const Bytes& attribute) {
    std::map<int, Bytes> result;
    std::uint8_t protocol = 0;
    for (const Spec& spec : specs_of(attribute)) {
        if (spec.type == IBV_FLOW_SPEC_TCP) protocol = 6;
        if (spec.type == IBV_FLOW_SPEC_UDP) protocol = 17;
    }
    // The protocol may come from the IP spec or from the ports' spec, and either address form is IPv4.
    std::uint8_t protocol_mask = protocol == 0 ? std::uint8_t{0} : std::uint8_t{0xff};
    for (const Spec& spec : specs_of(attribute)) {
        switch (spec.type) {
            case IBV_FLOW_SPEC_ETH: {
                const auto eth = as<ibv_flow_spec_eth>(spec.bytes);
                Bytes bits = masked(eth.val, eth.mask);
                if (std::any_of(bits.begin(), bits.end(), [](std::uint8_t byte) { return byte != 0; }))
                    result[2] = bits;
                break;
            }
            case IBV_FLOW_SPEC_IPV4: {
                const auto ip = as<ibv_flow_spec_ipv4>(spec.bytes);
                ibv_flow_ipv4_ext_filter value{};
                ibv_flow_ipv4_ext_filter mask{};
                value.src_ip = ip.val.src_ip;
                value.dst_ip = ip.val.dst_ip;
                mask.src_ip = ip.mask.src_ip;
                mask.dst_ip = ip.mask.dst_ip;
                result[4] = masked(value, mask);
                break;
            }
            case IBV_FLOW_SPEC_IPV4_EXT: {
                auto ip = as<ibv_flow_spec_ipv4_ext>(spec.bytes);
                if (protocol == 0) protocol = ip.val.proto & ip.mask.proto;
                protocol_mask |= ip.mask.proto;
                ip.mask.proto = 0;
                result[4] = masked(ip.val, ip.mask);
                break;
            }
            case IBV_FLOW_SPEC_IPV6: {
                auto ip = as<ibv_flow_spec_ipv6>(spec.bytes);
                if (protocol == 0) protocol = ip.val.next_hdr & ip.mask.next_hdr;
                protocol_mask |= ip.mask.next_hdr;
                Bytes bits;
                for (const Bytes& part : {masked(ip.val.src_ip, ip.mask.src_ip), masked(ip.val.dst_ip, ip.mask.dst_ip),
                                          masked(ip.val.traffic_class, ip.mask.traffic_class),
                                          masked(ip.val.hop_limit, ip.mask.hop_limit)}) {
                    bits.insert(bits.end(), part.begin(), part.end());
                }
                const std::uint32_t label_mask = swap32(ip.mask.flow_label) % (1U << 20);
                const std::uint32_t label = swap32(ip.val.flow_label) & label_mask;
                const Bytes label_bits = masked(label, label_mask);
                bits.insert(bits.end(), label_bits.begin(), label_bits.end());
                result[6] = bits;
                break;
            }
            case IBV_FLOW_SPEC_TCP:
            case IBV_FLOW_SPEC_UDP: {
                const auto ports = as<ibv_flow_spec_tcp_udp>(spec.bytes);
                if (ports.mask.dst_port != 0 || ports.mask.src_port != 0) result[7] = masked(ports.val, ports.mask);
                break;
            }
            default:
                break;
        }
    }
    if (protocol_mask != 0) result[8] = {protocol, protocol_mask};
    return result;
}

bool alike(const Bytes& a, const Bytes& b) {
    return attribute_type(a) == attribute_type(b) && head(a).priority == head(b).priority &&
           head(a).flags == head(b).flags && has_drop(a) == has_drop(b) && what_it_matches(a) == what_it_matches(b);
}

}  // namespace

Headers read_headers(std::span<const std::uint8_t> frame) {
    Headers headers;
    Reader rest{Bytes(frame.begin(), frame.end())};
    if (rest.left() < 14) return headers;
    headers.dst_mac = rest.take(6);
    headers.src_mac = rest.take(6);
    headers.ether_type = rest.number(2);
    for (int tags = 0; tags < 8; ++tags) {
        if (headers.ether_type != 0x8100U && headers.ether_type != 0x88a8U) break;
        headers.ether_type.reset();
        if (rest.left() < 4) return headers;
        const std::uint32_t tci = rest.number(2);
        if (tags == 0) headers.vlan_tci = tci;
        headers.ether_type = rest.number(2);
    }
    if (*headers.ether_type <= 1500) headers.ether_type.reset();  // a length
    if (headers.ether_type == 0x0800U) read_ipv4(rest, headers);
    if (headers.ether_type == 0x86ddU) read_ipv6(rest, headers);
    return headers;
}

std::vector<int> complaints(const Bytes& attribute) {
    std::vector<int> errors;
    const auto complain_if = [&](bool wrong, int error) {
        if (wrong) errors.push_back(error);
    };
    const ibv_flow_attr attr = head(attribute);
    const std::uint32_t type = attribute_type(attribute);
    complain_if(attr.comp_mask != 0, EINVAL);
    complain_if(type > 3, EINVAL);
    complain_if(attr.port != 1, EINVAL);
    complain_if((attr.flags | 6) != 6, EINVAL);
    complain_if((attr.flags & 4) != 0, EOPNOTSUPP);
    complain_if(type != 0 && ((attr.flags & 2) != 0 || attr.num_of_specs != 0), EINVAL);

    const std::vector<Spec> specs = specs_of(attribute);
    complain_if(attr.size < sizeof attr || specs.size() < attr.num_of_specs, EINVAL);
    std::map<int, int> layers;
    for (const Spec& spec : specs) {
        complain_if(refused_specs.count(spec.type) != 0, EOPNOTSUPP);
        const auto known = known_specs.find(spec.type);
        complain_if(known == known_specs.end() && refused_specs.count(spec.type) == 0, EINVAL);
        if (known == known_specs.end()) return errors;
        complain_if(spec.size != known->second.size || spec.bytes.size() != spec.size, EINVAL);
        if (spec.bytes.size() != known->second.size) return errors;
        complain_if(++layers[known->second.layer] > 1, EINVAL);
        if (spec.type == IBV_FLOW_SPEC_ACTION_TAG) {
            complain_if(as<ibv_flow_spec_action_tag>(spec.bytes).tag_id >> 24 != 0, EINVAL);
        }
        if (spec.type == IBV_FLOW_SPEC_ACTION_COUNT) {
            complain_if(as<ibv_flow_spec_counter_action>(spec.bytes).counters == nullptr, EINVAL);
        }
        if (spec.type == IBV_FLOW_SPEC_IPV4_EXT) {
            complain_if(as<ibv_flow_spec_ipv4_ext>(spec.bytes).mask.flags != 0, EOPNOTSUPP);
        }
    }
    if (!errors.empty()) return errors;

    complain_if((attr.flags & 2) != 0 && layers[6] != 0, EINVAL);
    // No spec may exclude what another requires.
    Headers implied;
    bool tells_ether_type = false;
    if (find(specs, IBV_FLOW_SPEC_IPV4) != nullptr || find(specs, IBV_FLOW_SPEC_IPV4_EXT) != nullptr) {
        implied.ether_type = 0x0800;
        tells_ether_type = true;
    }
    if (find(specs, IBV_FLOW_SPEC_IPV6) != nullptr) {
        implied.ether_type = 0x86dd;
        tells_ether_type = true;
    }
    if (const Spec* const spec = find(specs, IBV_FLOW_SPEC_ETH); spec != nullptr && tells_ether_type) {
        const auto eth = as<ibv_flow_spec_eth>(spec->bytes);
        complain_if(!fits(implied.ether_type, swap16(eth.val.ether_type), swap16(eth.mask.ether_type)), EINVAL);
    }
    if (layers[4] != 0) {
        const std::uint32_t protocol = find(specs, IBV_FLOW_SPEC_TCP) != nullptr ? 6 : 17;
        if (const Spec* const spec = find(specs, IBV_FLOW_SPEC_IPV4_EXT)) {
            const auto ip = as<ibv_flow_spec_ipv4_ext>(spec->bytes);
            complain_if(!fits(protocol, ip.val.proto, ip.mask.proto), EINVAL);
        }
        if (const Spec* const spec = find(specs, IBV_FLOW_SPEC_IPV6)) {
            const auto ip = as<ibv_flow_spec_ipv6>(spec->bytes);
            complain_if(!fits(protocol, ip.val.next_hdr, ip.mask.next_hdr), EINVAL);
        }
    }
    return errors;
}

bool wants(const Bytes& attribute, std::span<const std::uint8_t> frame) {
    if (has_drop(attribute) && counters_of(attribute) == nullptr) return false;
    const Headers headers = read_headers(frame);
    if (attribute_type(attribute) == IBV_FLOW_ATTR_MC_DEFAULT)
        return !headers.dst_mac.empty() && headers.dst_mac[0] % 2 == 1;
    return flow_fits(attribute, headers, headers.fragment);
}

bool is_plain(std::span<const std::uint8_t> frame) {
    const auto is_tag = [&](std::size_t at) {
        const int type = frame[at] * 256 + frame[at + 1];
        return type == 0x8100 || type == 0x88a8;
    };
    if (frame.size() < 14) return false;
    std::size_t ip = 14;
    if (is_tag(12)) {
        if (frame.size() < 18 || is_tag(16)) return false;
        ip = 18;
    }
    const Headers headers = read_headers(frame);
    const bool is_ip = headers.ether_type == 0x0800U || headers.ether_type == 0x86ddU;
    if (is_ip && headers.ip_version == 0) return false;
    // An impossible length leaves more open than the filter has to decide.
    const auto number = [&](std::size_t at) { return frame[at] * 256U + frame[at + 1]; };
    const std::size_t there = frame.size() - ip;
    if (headers.ip_version == 4 && up_to(number(ip + 2), frame[ip] % 16U * 4, there) != number(ip + 2)) return false;
    if (headers.ip_version == 6 && 40 + number(ip + 4) > there) return false;
    // All of IANA's extension headers (www.iana.org/assignments/ipv6-parameters).
    static const std::set<std::uint32_t> extensions{0, 43, 44, 50, 51, 60, 135, 139, 140, 253, 254};
    if (headers.ip_version == 6 && extensions.count(frame[ip + 6]) != 0) return false;
    const bool has_transport = headers.protocol == 6U || headers.protocol == 17U;
    return !is_ip || !has_transport || headers.fragment || headers.src_port.has_value();
}

void Steering::add(const Bytes& attribute, int queue_pair, std::uint64_t handle) {
    flows_.push_back({attribute, queue_pair, handle});
}

bool Steering::remove(std::uint64_t handle) {
    return 0 != flows_.remove_if([&](const Flow& flow) { return flow.handle == handle; });
}

void Steering::remove_all(int queue_pair) {
    flows_.remove_if([&](const Flow& flow) { return flow.queue_pair == queue_pair; });
}

Outcome Steering::steer(std::span<const std::uint8_t> frame) const {
    const Headers headers = read_headers(frame);
    Outcome outcome;
    const auto give = [&](const Flow& flow) { outcome.copies.emplace(flow.queue_pair, tag_of(flow.attribute)); };
    const auto count = [&](const Flow& flow) {
        if (const void* const counters = counters_of(flow.attribute)) ++outcome.counted[counters];
    };
    const auto give_all = [&](std::uint32_t type) {
        bool any = false;
        for (const Flow& flow : flows_) {
            if (attribute_type(flow.attribute) != type) continue;
            give(flow);
            any = true;
        }
        return any;
    };

    give_all(IBV_FLOW_ATTR_SNIFFER);
    std::vector<const Flow*> in_order;
    for (const Flow& flow : flows_) {
        if (attribute_type(flow.attribute) == IBV_FLOW_ATTR_NORMAL) in_order.push_back(&flow);
    }
    std::stable_sort(in_order.begin(), in_order.end(), [](const Flow* a, const Flow* b) {
        return head(a->attribute).priority < head(b->attribute).priority;
    });
    bool steered = false;
    for (const Flow* const flow : in_order) {
        if (!flow_fits(flow->attribute, headers)) continue;
        steered = true;
        if (has_flag(flow->attribute, IBV_FLOW_ATTR_FLAGS_DONT_TRAP)) {
            count(*flow);
            give(*flow);
            continue;
        }
        const bool drops = has_drop(flow->attribute);
        if (drops) outcome.dropped = outcome.copies.empty();
        for (const Flow* const other : in_order) {
            if (!alike(other->attribute, flow->attribute)) continue;
            count(*other);
            if (!drops) give(*other);
        }
        return outcome;
    }
    if (steered) return outcome;
    const bool multicast = !headers.dst_mac.empty() && headers.dst_mac[0] % 2 == 1;
    if (multicast && give_all(IBV_FLOW_ATTR_MC_DEFAULT)) return outcome;
    give_all(IBV_FLOW_ATTR_ALL_DEFAULT);
    return outcome;
}

}  // namespace reference
