// SPDX-License-Identifier: Apache-2.0
#include "soft/link/xdp/refusal.hpp"

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include <fmt/core.h>

#include "base/capability_hints.hpp"
#include "soft/link/open_failure.hpp"

namespace pktverbs::soft::xdp {
namespace {

/// The effective capabilities of the calling thread (capget(2)).
std::uint64_t capabilities() noexcept {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct sets[2]{};
    if (::syscall(SYS_capget, &header, sets) != 0) return 0;
    return std::uint64_t{sets[1].effective} << 32 | sets[0].effective;
}

}  // namespace

void require_capabilities(const Interface& interface) {
    const std::uint64_t all = capabilities();
    const auto has = [all](unsigned capability) { return (all >> capability & 1) != 0; };
    std::string names;
    const auto require = [&](bool is_there, std::string_view name) {
        if (!is_there) names += (names.empty() ? "" : ", ") + std::string{name};
    };
    require(has(CAP_NET_ADMIN), "CAP_NET_ADMIN");
    require(has(CAP_NET_RAW), "CAP_NET_RAW");
    require(has(CAP_BPF) || has(CAP_SYS_ADMIN), "CAP_BPF");
    if (names.empty()) return;
    const char* const verb = names.find(',') == std::string::npos ? "is" : "are";
    refuse(EPERM, "open AF_XDP sockets on", interface, fmt::format("{} {} missing: {}", names, verb, xdp_hint));
}

void refuse(int error, std::string_view what, const Interface& interface, std::string hint) {
    const std::string all = fmt::format("{} {}", what, interface.label());
    if (hint.empty() && error == EPERM)
        hint = "the capabilities of a user namespace are not enough: XDP programs need those of the host";
    if (hint.empty()) hint = "could not " + all;
    throw OpenFailure{error, all, hint};
}

}  // namespace pktverbs::soft::xdp
