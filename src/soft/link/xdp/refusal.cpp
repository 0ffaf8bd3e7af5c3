// SPDX-License-Identifier: Apache-2.0
#include "soft/link/xdp/refusal.hpp"

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <system_error>

#include <fmt/core.h>

#include "base/capability_hints.hpp"

namespace pktverbs::soft::xdp {
namespace {

/// The effective capabilities of the calling thread (capget(2)).
std::uint64_t capabilities() noexcept {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct sets[2]{};
    if (::syscall(SYS_capget, &header, sets) != 0) return 0;
    return std::uint64_t{sets[1].effective} << 32 | sets[0].effective;
}

std::string missing_capabilities() {
    const std::uint64_t all = capabilities();
    const auto has = [all](unsigned capability) { return (all >> capability & 1) != 0; };
    const bool is_admin = has(CAP_SYS_ADMIN);
    std::string names;
    const auto require = [&](bool there, std::string_view name) {
        if (!there) names += (names.empty() ? "" : ", ") + std::string{name};
    };
    require(has(CAP_NET_ADMIN), "CAP_NET_ADMIN");
    require(has(CAP_NET_RAW), "CAP_NET_RAW");
    require(is_admin || has(CAP_BPF), "CAP_BPF");
    if (names.empty())
        return "the capabilities of a user namespace are not enough: XDP programs need those of the host";
    return names + (names.find(',') == std::string::npos ? " is" : " are") + " missing: " + std::string{xdp_hint};
}

}  // namespace

void refuse(int error, std::string_view what, const Interface& interface, std::string hint) {
    if (hint.empty() && error == EPERM) hint = missing_capabilities();
    const std::string text =
        fmt::format("cannot {} {}{}", what, interface.label(), hint.empty() ? "" : " (" + hint + ")");
    throw std::system_error{error, std::generic_category(), text};
}

}  // namespace pktverbs::soft::xdp
