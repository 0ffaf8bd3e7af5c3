// SPDX-License-Identifier: Apache-2.0
#include "extcap.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include <pktverbs/device.hpp>
#include <pktverbs/version.hpp>
#include "common/bad_use.hpp"

namespace tool {

namespace {

/// Braces end a value: extcap(4) has no way to write one in it.
std::string value(std::string text) {
    std::ranges::replace(text, '{', '(');
    std::ranges::replace(text, '}', ')');
    return text;
}

std::string interfaces() {
    std::string text = fmt::format("extcap {{version={}}}{{display=pktverbs}}\n", pktverbs::version());
    for (const auto& device : pktverbs::list_devices())
        text += fmt::format("interface {{value={0}}}{{display=pktverbs: {0}}}\n", value(device.name));
    return text;
}

constexpr std::string_view link_types = "dlt {number=1}{name=EN10MB}{display=Ethernet}\n";

constexpr std::string_view options =
    "arg {number=0}{call=--flow}{display=Flow}{type=string}{default=all}"
    "{tooltip=Which packets: all, udp:239.2.1.150:7148, tcp:any:80, ip6 ...}\n"
    "arg {number=1}{call=--policy}{display=When Wireshark is too slow}{type=selector}{tooltip=What becomes of new "
    "packets}\n"
    "value {arg=1}{value=drop}{display=drop new packets}{default=true}\n"
    "value {arg=1}{value=wait}{display=let the device drop them}{default=false}\n"
    "value {arg=1}{value=overwrite}{display=overwrite the oldest}{default=false}\n";

}  // namespace

std::optional<Extcap> Extcap::parse(const std::vector<std::string>& words) {
    Extcap extcap;
    std::string interface, fifo;
    std::vector<std::string> rest;
    bool asks = false, has_flow = false;
    for (std::size_t i = 0; i < words.size(); ++i) {
        const auto name = words[i].substr(0, words[i].find('='));
        const auto argument = [&]() -> std::string {
            if (name.size() < words[i].size()) return words[i].substr(name.size() + 1);
            return i + 1 < words.size() ? words[++i] : std::string{};
        };
        const auto ask = [&](Question question) {
            asks = true;
            extcap.question_ = question;
        };
        if (name == "--extcap-interfaces") {
            ask(Question::interfaces);
        } else if (name == "--extcap-dlts") {
            ask(Question::link_types);
        } else if (name == "--extcap-config") {
            ask(Question::options);
        } else if (name == "--capture") {
            extcap.is_capture_ = true;
        } else if (name == "--extcap-interface") {
            interface = argument();
        } else if (name == "--fifo") {
            fifo = argument();
        } else if (name == "--extcap-version") {
            argument();
        } else if (name == "--extcap-capture-filter") {
            if (const auto filter = argument(); !filter.empty()) rest.insert(rest.end(), {"--filter", filter});
        } else {
            has_flow = has_flow || name == "--flow";
            rest.push_back(words[i]);
        }
    }
    if (!asks && !extcap.is_capture_) return {};
    if (!extcap.is_capture_) return extcap;
    if (interface.empty() || fifo.empty())
        throw example::BadUse{"--capture needs --extcap-interface DEVICE and --fifo FILE"};
    extcap.words_ = {interface, "-o", fifo};
    if (!has_flow) rest.insert(rest.end(), {"--flow", "all"});
    extcap.words_.insert(extcap.words_.end(), rest.begin(), rest.end());
    return extcap;
}

std::string Extcap::answer() const {
    if (is_capture_) return {};
    if (question_ == Question::interfaces) return interfaces();
    return std::string{question_ == Question::link_types ? link_types : options};
}

}  // namespace tool
