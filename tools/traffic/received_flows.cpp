// SPDX-License-Identifier: Apache-2.0
#include "received_flows.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include <pktverbs/format.hpp>
#include <pktverbs/net/net.hpp>
#include "traffic/stream.hpp"

namespace tool {

namespace {

namespace net = pktverbs::net;

template <class Address>
void put(std::array<std::uint8_t, 16>& to, const Address& address) noexcept {
    const auto& bytes = address.bytes();
    std::copy(bytes.begin(), bytes.end(), to.begin());
}

FlowKey key_of(const net::Headers<>& headers) noexcept {
    FlowKey key;
    key.ether_type = headers.ether_type();
    key.protocol = headers.protocol();
    if (const auto tags = headers.vlan_count(); tags > 0) {
        key.is_tagged = true;
        key.vlan = headers.vlan(tags - 1).id();
    }
    if (const auto ip = headers.ipv4()) {
        put(key.src, ip.src());
        put(key.dst, ip.dst());
    } else if (const auto ip6 = headers.ipv6()) {
        put(key.src, ip6.src());
        put(key.dst, ip6.dst());
    } else if (const auto ethernet = headers.ethernet()) {
        put(key.src, ethernet.src());
        put(key.dst, ethernet.dst());
    }
    if (const auto udp = headers.udp()) {
        key.sport = udp.src_port();
        key.dport = udp.dst_port();
    } else if (const auto tcp = headers.tcp()) {
        key.sport = tcp.src_port();
        key.dport = tcp.dst_port();
    }
    return key;
}

template <class Address>
std::string address_text(const std::array<std::uint8_t, 16>& from) {
    typename Address::Bytes bytes;
    std::copy_n(from.begin(), bytes.size(), bytes.begin());
    return fmt::format("{}", Address{bytes});
}

}  // namespace

std::string FlowKey::to_string() const {
    const auto end = [&](const std::array<std::uint8_t, 16>& address, std::uint16_t port) {
        const bool has_port = protocol == net::ip_protocol::udp || protocol == net::ip_protocol::tcp;
        const bool is_ipv6 = ether_type == net::ether_type::ipv6;
        const auto text = is_ipv6                               ? address_text<pktverbs::Ipv6Address>(address)
                          : ether_type == net::ether_type::ipv4 ? address_text<pktverbs::Ipv4Address>(address)
                                                                : address_text<pktverbs::MacAddress>(address);
        if (!has_port) return text;
        return fmt::format(fmt::runtime(is_ipv6 ? "[{}]:{}" : "{}:{}"), text, port);
    };
    std::string text = fmt::format("{} > {}", end(src, sport), end(dst, dport));
    if (protocol == net::ip_protocol::udp)
        text += " udp";
    else if (protocol == net::ip_protocol::tcp)
        text += " tcp";
    else if (protocol != 0)
        text += fmt::format(" protocol {}", protocol);
    else
        text += fmt::format(" type {:#06x}", ether_type);
    if (is_tagged) text += fmt::format(" vlan {}", vlan);
    return text;
}

std::size_t FlowKeyHash::operator()(const FlowKey& key) const noexcept {
    // The ends of addresses, and ports, differ most.
    const auto tail = [](const std::array<std::uint8_t, 16>& address) {
        return net::load<std::uint64_t>(address.data()) * 0x9e3779b97f4a7c15U ^ net::load<std::uint64_t>(&address[8]);
    };
    const std::uint64_t rest =
        std::uint64_t{key.sport} << 48 | std::uint64_t{key.dport} << 32 | std::uint64_t{key.vlan} << 8 | key.protocol;
    const auto mixed = (tail(key.src) * 31 + tail(key.dst) + rest) * 0x9e3779b97f4a7c15U;
    return static_cast<std::size_t>(mixed ^ mixed >> 32);
}

void ReceivedFlow::add(std::uint64_t number, std::size_t frame_bytes, std::uint64_t time_ns) {
    if (packets() == 0) first_ = lowest_ = highest_ = number;
    numbers_.add(number);
    bytes_ += frame_bytes;
    const auto missing_before = missing_, reordered_before = reordered_;
    missing_ = numbers_.missing();
    reordered_ = numbers_.reordered();
    if (missing_ != missing_before || reordered_ != reordered_before) [[unlikely]]
        note_change(number, missing_before, reordered_before, time_ns);
    lowest_ = std::min(lowest_, number);
    // A number from nowhere near moves nothing: the counter has not believed it yet.
    if (number > highest_ && number - highest_ < std::uint64_t{1} << 32) highest_ = number;
}

void ReceivedFlow::note_change(std::uint64_t number, std::uint64_t missing_before, std::uint64_t reordered_before,
                               std::uint64_t time_ns) {
    if (missing_ > missing_before) gaps_.add(time_ns, number - (missing_ - missing_before), missing_ - missing_before);
    if (reordered_ == reordered_before) return;
    gaps_.fill(number);
    if (highest_ - number >= late_distance) ++late_;
}

ReceivedFlow* ReceivedFlows::find(const FlowKey& key) {
    // Packets come in runs of one flow, or from several in turn.
    if (!flows_.empty()) {
        if (flows_[last_]->key() == key) return flows_[last_].get();
        const auto next = last_ + 1 == flows_.size() ? 0 : last_ + 1;
        if (flows_[next]->key() == key) return flows_[last_ = next].get();
    }
    const auto known = by_key_.find(key);
    if (known != by_key_.end()) return flows_[last_ = known->second].get();
    if (flows_.size() == max_flows) return nullptr;
    flows_.push_back(std::make_unique<ReceivedFlow>(key));
    by_key_.emplace(key, last_ = flows_.size() - 1);
    return flows_.back().get();
}

void ReceivedFlows::add(std::span<const std::uint8_t> frame, std::uint64_t time_ns) {
    const net::Headers headers{frame};
    if (headers.is_fragment()) {
        ++fragments_;
        return;
    }
    const auto payload = headers.payload();
    auto* const flow =
        payload.size() >= Stream::number_bytes && !headers.is_malformed() ? find(key_of(headers)) : nullptr;
    if (!flow) {
        ++others_;
        return;
    }
    ++packets_;
    bytes_ += frame.size();
    flow->add(net::load<std::uint64_t>(payload.data()), frame.size(), time_ns);
}

ReceivedFlows::Sum ReceivedFlows::sum() const noexcept {
    Sum sum;
    for (const auto& flow : flows_) {
        const auto& numbers = flow->numbers();
        sum.packets += flow->packets();
        sum.bytes += flow->bytes();
        sum.missing += numbers.missing();
        sum.reordered += numbers.reordered();
        sum.duplicated += numbers.duplicated();
        sum.wild += numbers.wild();
        sum.restarts += numbers.restarts();
        sum.late += flow->late();
    }
    return sum;
}

}  // namespace tool
