// SPDX-License-Identifier: Apache-2.0
#include "path.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string_view>

namespace bench {
namespace {

std::uint32_t number_of(const std::string& value) {
    std::size_t used = 0;
    const unsigned long number = std::stoul(value, &used);
    if (used != value.size() || number > 1U << 20) throw std::invalid_argument{"no such number: " + value};
    return static_cast<std::uint32_t>(number);
}

Steering steering_of(const std::string& value) {
    constexpr std::array<std::string_view, 5> names{"ports", "addresses", "tuples", "prefixes", "mixed"};
    const auto found = std::ranges::find(names, value);
    if (found == names.end()) throw std::invalid_argument{"no such steering: " + value};
    return static_cast<Steering>(found - names.begin());
}

void set(PathOptions& options, const std::string& key, const std::string& value) {
    static const std::map<std::string, std::function<void(PathOptions&, const std::string&)>> keys{
        {"bytes", [](PathOptions& to, const std::string& text) { to.shape.bytes = number_of(text); }},
        {"vlan", [](PathOptions& to, const std::string& text) { to.shape.vlan = number_of(text) != 0; }},
        {"ipv6", [](PathOptions& to, const std::string& text) { to.shape.ipv6 = number_of(text) != 0; }},
        {"steering", [](PathOptions& to, const std::string& text) { to.shape.steering = steering_of(text); }},
        {"flows", [](PathOptions& to, const std::string& text) { to.shape.flows = number_of(text); }},
        {"run", [](PathOptions& to, const std::string& text) { to.shape.run = number_of(text); }},
        {"rules", [](PathOptions& to, const std::string& text) { to.shape.rules = number_of(text); }},
        {"batch", [](PathOptions& to, const std::string& text) { to.batch = number_of(text); }},
        {"queues", [](PathOptions& to, const std::string& text) { to.queues = number_of(text); }},
        {"packets", [](PathOptions& to, const std::string& text) { to.packets = number_of(text); }},
    };
    const auto found = keys.find(key);
    if (found == keys.end()) throw std::invalid_argument{"no such key: " + key};
    found->second(options, value);
}

}  // namespace

std::string unique_name() {
    static int names = 0;
    return "bench" + std::to_string(getpid()) + "." + std::to_string(++names);
}

NamedPath::NamedPath(const std::string& text) {
    std::istringstream words{text};
    std::getline(words, link_, ',');
    for (std::string word; std::getline(words, word, ',');) {
        const auto equals = std::min(word.find('='), word.size() - 1);
        set(options_, word.substr(0, equals), word.substr(equals + 1));
    }
}

std::unique_ptr<Path> NamedPath::make() const {
    if (link_ == "bare") return make_bare_path(options_);
    if (link_ == "ring") return make_ring_path(options_);
    if (link_ == "wire" || link_ == "pipe" || link_ == "memif") return make_context_path(link_, options_);
    throw std::invalid_argument{"no such path: " + link_};
}

}  // namespace bench
