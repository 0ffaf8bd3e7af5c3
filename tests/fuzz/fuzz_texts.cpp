// SPDX-License-Identifier: Apache-2.0
// Any bytes as each kind of text that people write: it is refused, or its value can be written and read again. And any
// value reads back as it was written.
#include <pktverbs/address/ipv4_address.hpp>
#include <pktverbs/address/ipv6_address.hpp>
#include <pktverbs/address/mac_address.hpp>
#include <pktverbs/flow_rule.hpp>
#include <pktverbs/messages/address.hpp>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>

#include "base/cpu_list.hpp"
#include "dropin/fault_plan.hpp"
#include "dropin/verb_names.hpp"
#include "soft/link/link_string.hpp"
#include "verbs/discovery.hpp"

namespace {

using namespace pktverbs;
using messages::Address;

void expect(bool holds, const char* what, std::string_view text) {
    if (holds) return;
    std::fprintf(stderr, "not so: %s: '%.*s'\n", what, static_cast<int>(text.size()), text.data());
    std::abort();
}

bool equal(const Address& one, const Address& other) {
    return one.raw_size() == other.raw_size() && std::memcmp(one.raw(), other.raw(), one.raw_size()) == 0;
}
bool equal(const verbs::PortName& one, const verbs::PortName& other) {
    return one.device == other.device && one.port == other.port;
}
template <class Value>
bool equal(const Value& one, const Value& other) {
    return one == other;
}

template <class Value>
void check_written(const Value& value) {
    const std::string text = value.to_string();
    const auto again = Value::parse(text);
    expect(again && equal(*again, value), "what is written is read as the same", text);
    expect(again->to_string() == text, "and is written the same", text);
}

template <class Value>
void check_text(std::string_view text) {
    const auto value = Value::parse(text);
    if (value) check_written(*value);
    // The constructors and parse() agree.
    if constexpr (std::is_constructible_v<Value, std::string_view>) {
        try {
            expect(value == Value{text}, "the constructor reads the same", text);
        } catch (const std::invalid_argument&) {
            expect(!value, "the constructor refuses the same", text);
        }
    }
}

void check_ipv4(std::string_view text) {
    check_text<Ipv4Address>(text);
    check_text<Ipv4Prefix>(text);
    const auto address = Ipv4Address::parse(text);
    expect(!address || address->to_string() == text, "an IPv4 address has one text", text);
    // inet_pton(3) stops at a NUL, but has the same rules otherwise.
    in_addr reference{};
    const bool is_one = text.find('\0') == text.npos && inet_pton(AF_INET, std::string{text}.c_str(), &reference) == 1;
    expect(is_one == address.has_value(), "inet_pton agrees", text);
    if (address)
        expect(std::memcmp(&reference, address->bytes().data(), sizeof reference) == 0, "inet_pton reads the same",
               text);
}

void check_address(std::string_view text) {
    check_text<Address>(text);
    if (Address::parse(text) || text.find_first_of(std::string_view{"\0:", 2}) != text.npos) return;
    // Texts that getaddrinfo takes for numbers and parse() doesn't are not looked up either.
    addrinfo wanted{};
    wanted.ai_flags = AI_NUMERICHOST;
    addrinfo* found = nullptr;
    if (getaddrinfo(std::string{text}.c_str(), nullptr, &wanted, &found) != 0) return;
    freeaddrinfo(found);
    try {
        Address::resolve(text);
        expect(false, "it is refused", text);
    } catch (const std::system_error& error) {
        expect(error.code().value() == EINVAL, "it is refused as what it is", text);
    }
}

void check_rule(std::string_view text) {
    const auto ipv4 = Ipv4Prefix::parse(text);
    const auto ipv6 = Ipv6Prefix::parse(text);
    try {
        const auto rule = FlowRule{}.src_ip(text).dst_ip(text);
        expect(ipv4 || ipv6, "a rule takes prefixes", text);
        static_cast<void>(rule.to_string());
    } catch (const std::invalid_argument&) {
        expect(!ipv4 && !ipv6, "a rule takes every prefix", text);
    }
}

void check_cpus(std::string_view text) {
    const auto cpus = parse_cpu_list(text);
    expect(std::ranges::adjacent_find(cpus, std::greater_equal{}) == cpus.end(), "they are in order", text);
    if (cpus.size() > 100) return;
    std::string written;
    for (const unsigned cpu : cpus) written += fmt::format("{}{}", written.empty() ? "" : ",", cpu);
    expect(parse_cpu_list(written) == cpus, "they are read as written", text);
}

/// As a wire's options would say it.
std::string write(const soft::LinkString& string) {
    const soft::LinkPort port = string.kind().find(string);
    const soft::LinkFaults& faults = string.faults();
    std::string text = fmt::format("wire:{}?mtu={}&checksums={}&loss={}&duplicate={}&reorder={}&corrupt={}&seed={}",
                                   string.name(), port.mtu, string.value("checksums", "trust"), faults.loss,
                                   faults.duplication, faults.reordering, faults.corruption, faults.seed);
    if (!port.mac().is_zero()) text += "&mac=" + port.mac().to_string();
    for (const auto& address : port.addresses()) text += "&ip=" + address.to_string();
    return text;
}

void check_device(std::string_view text) {
    try {
        const auto string = soft::LinkString::parse(text, "forms");
        expect(string.text() == text, "the text is kept", text);
        expect(text.starts_with(fmt::format("{}:{}", string.kind().prefix, string.name())), "it names a link", text);
        if (string.kind().prefix != "wire") return;  // others ask the machine
        const std::string written = write(string);
        expect(write(soft::LinkString::parse(written, "forms")) == written, "a device is read as written", text);
    } catch (const std::system_error& error) {
        expect(error.code().value() == EINVAL, "a device is refused as bad text", text);
    }
}

std::string write(const dropin::FaultPlan& plan) {
    std::string text;
    if (const auto& link = plan.link())
        text = fmt::format("loss={},duplicate={},reorder={},corrupt={},seed={}", link->loss, link->duplication,
                           link->reordering, link->corruption, link->seed);
    for (const auto& fault : plan.verbs()) {
        text += fmt::format("{}{}={}@{}", text.empty() ? "" : ";", dropin::verb_names[fault.verb], fault.error,
                            fault.first);
        if (fault.last == dropin::VerbFault::every_later) text += '+';
    }
    return text;
}

bool equal(const dropin::FaultPlan& one, const dropin::FaultPlan& other) {
    const auto& a = one.link();
    const auto& b = other.link();
    if (a.has_value() != b.has_value()) return false;
    if (a && (a->loss != b->loss || a->duplication != b->duplication || a->reordering != b->reordering ||
              a->corruption != b->corruption || a->seed != b->seed))
        return false;
    return std::ranges::equal(one.verbs(), other.verbs(), [](const auto& left, const auto& right) {
        return left.verb == right.verb && left.error == right.error && left.first == right.first &&
               left.last == right.last;
    });
}

void check_faults(std::string_view text) {
    try {
        const auto plan = dropin::FaultPlan::parse(text);
        expect(equal(dropin::FaultPlan::parse(write(plan)), plan), "faults are read as written", text);
        for (const auto& fault : plan.verbs()) {
            expect(fault.error > 0 && fault.error <= 4095, "a fault has an errno", text);
            expect(fault.first >= 1 && fault.first <= fault.last, "calls count from 1", text);
            expect(plan.error_of(fault.verb, fault.first) == fault.error, "no call has two", text);
        }
        if (const auto& link = plan.link())
            for (const double chance : {link->loss, link->duplication, link->reordering, link->corruption})
                expect(chance >= 0 && chance <= 1, "a chance is one", text);
    } catch (const std::system_error& error) {
        expect(error.code().value() == EINVAL, "faults are refused as bad text", text);
    }
}

/// The bytes as a value of each kind, followed by zeros.
void check_values(std::string_view bytes) {
    std::array<std::uint8_t, 32> raw{};
    std::copy_n(bytes.begin(), std::min(bytes.size(), raw.size()), raw.begin());
    const auto take = [&raw]<class Bytes>(Bytes value) {
        std::copy_n(raw.begin(), value.size(), value.begin());
        return value;
    };
    const Ipv4Address ipv4{take(Ipv4Address::Bytes{})};
    const Ipv6Address ipv6{take(Ipv6Address::Bytes{})};
    check_written(MacAddress{take(MacAddress::Bytes{})});
    check_written(ipv4);
    check_written(ipv6);
    check_written(Ipv4Prefix{ipv4, static_cast<std::uint8_t>(raw[16] % 33)});
    check_written(Ipv6Prefix{ipv6, static_cast<std::uint8_t>(raw[16] % 129)});
    sockaddr_in in{};
    in.sin_family = AF_INET;
    std::memcpy(&in.sin_port, &raw[16], sizeof in.sin_port);
    std::memcpy(&in.sin_addr, raw.data(), sizeof in.sin_addr);
    check_written(Address{reinterpret_cast<const sockaddr&>(in)});
    sockaddr_in6 in6{};
    in6.sin6_family = AF_INET6;
    std::memcpy(&in6.sin6_port, &raw[16], sizeof in6.sin6_port);
    std::memcpy(&in6.sin6_addr, raw.data(), sizeof in6.sin6_addr);
    std::memcpy(&in6.sin6_scope_id, &raw[18], sizeof in6.sin6_scope_id);
    check_written(Address{reinterpret_cast<const sockaddr&>(in6)});
}

constexpr void (*checks[])(std::string_view) = {
    check_values,
    check_text<MacAddress>,
    check_ipv4,
    [](std::string_view text) {
        check_text<Ipv6Address>(text);
        check_text<Ipv6Prefix>(text);
    },
    check_address,
    check_text<verbs::PortName>,
    check_rule,
    check_cpus,
    check_device,
    check_faults,
};

}  // namespace

/// The first byte says which text it is.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    checks[data[0] % std::size(checks)]({reinterpret_cast<const char*>(data + 1), size - 1});
    return 0;
}
