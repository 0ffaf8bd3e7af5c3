// SPDX-License-Identifier: Apache-2.0
#include "interface/interface.hpp"

#include <sys/ioctl.h>

#include <cerrno>
#include <cstring>
#include <system_error>

namespace pktverbs {

std::shared_ptr<const Interface> Interface::find(std::string_view name) {
    if (name.empty()) return nullptr;
    auto network = Network::current();
    const auto state = network->find_link(name);
    return state ? std::make_shared<const Interface>(std::move(network), *state) : nullptr;
}

std::vector<std::shared_ptr<const Interface>> Interface::list() {
    const auto network = Network::current();
    std::vector<std::shared_ptr<const Interface>> all;
    for (const LinkState& state : network->links()) all.push_back(std::make_shared<const Interface>(network, state));
    return all;
}

int Interface::socket(int family, int type, int protocol) const noexcept {
    if (network_) return network_->socket(family, type, protocol);
    errno = ENODEV;
    return -1;
}

void Interface::run(const std::function<void()>& call) const {
    if (!network_) throw std::system_error{ENODEV, std::generic_category(), "cannot find " + label_};
    network_->run(call);
}

std::optional<LinkState> Interface::state() const noexcept { return network_ ? network_->link(index()) : std::nullopt; }

bool Interface::is_up() const noexcept {
    ifreq answer;
    if (ask(SIOCGIFFLAGS, answer) != 0) return false;
    return (answer.ifr_flags & IFF_UP) != 0 && (answer.ifr_flags & IFF_RUNNING) != 0;
}

int Interface::read_name(ifreq& answer) const noexcept {
    answer = {};
    answer.ifr_ifindex = index();
    return ::ioctl(network_->control_fd(), SIOCGIFNAME, &answer) == 0 ? 0 : errno;
}

// These requests take names only, so look up the name first. If it has changed afterwards, the answer may be another
// interface's.
int Interface::ask(unsigned long request, ifreq& answer, void* data) const noexcept {
    constexpr int max_tries = 8;
    if (!network_) return ENODEV;
    for (int tries = 0; tries < max_tries; ++tries) {
        ifreq before, after;
        if (const int error = read_name(before)) return error;
        answer = {};
        std::memcpy(answer.ifr_name, before.ifr_name, sizeof answer.ifr_name);
        if (data) answer.ifr_data = static_cast<char*>(data);
        const int error = ::ioctl(network_->control_fd(), request, &answer) == 0 ? 0 : errno;
        if (const int gone = read_name(after)) return gone;
        if (std::strncmp(before.ifr_name, after.ifr_name, sizeof before.ifr_name) == 0) return error;
    }
    return EAGAIN;
}

std::string Interface::device_folder() const { return network_ ? network_->device_folder(index()) : std::string{}; }

std::vector<Ipv6Address> Interface::addresses() const {
    return network_ ? network_->addresses(index()) : std::vector<Ipv6Address>{};
}

std::optional<rtnl_link_stats64> Interface::statistics() const noexcept {
    return network_ ? network_->statistics(index()) : std::nullopt;
}

}  // namespace pktverbs
