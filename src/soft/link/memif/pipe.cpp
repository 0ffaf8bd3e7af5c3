// SPDX-License-Identifier: Apache-2.0
// The pipe link: memif between two programs that know nothing of each other but a name.
#include <chrono>
#include <string>

#include <fmt/core.h>

#include "soft/link/link_kind.hpp"
#include "soft/link/link_string.hpp"
#include "soft/link/memif/port.hpp"
#include "soft/link/memif/settings.hpp"

namespace pktverbs::soft {
namespace {

constexpr LinkKind::Key pipe_keys[] = {{"queues", "N"},     {"size", "BYTES"},   {"ring", "LOG2"},
                                       LinkString::mac_key, LinkString::mtu_key, LinkString::ip_key};

/// An abstract socket, or a path.
memif::SocketName pipe_socket(const LinkString& string) {
    const std::string& name = string.name();
    const std::string socket = name.front() == '/' ? name : "@pktverbs-pipe/" + name;
    if (socket.size() > memif::SocketName::max_bytes)
        string.refuse(fmt::format("a pipe's name has {} bytes at most",
                                  memif::SocketName::max_bytes - (socket.size() - name.size())));
    if (name.find('\0') != std::string::npos) string.refuse("a zero is in the pipe's name");
    return memif::SocketName{socket};
}

LinkPort find_pipe(const LinkString& string) {
    memif::Settings settings{.socket = pipe_socket(string)};
    settings.finds_role = true;
    settings.reconnect = std::chrono::milliseconds{20};
    memif::read_memory_and_port(string, settings);
    return memif::make_port(settings);
}

}  // namespace

extern const LinkKind pipe_kind;
const LinkKind pipe_kind{.prefix = "pipe",
                         .name = "NAME",
                         .keys = pipe_keys,
                         .purpose = "memory shared with one other program that opens the same name",
                         .find = find_pipe};

}  // namespace pktverbs::soft
