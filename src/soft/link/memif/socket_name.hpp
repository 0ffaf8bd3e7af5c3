// SPDX-License-Identifier: Apache-2.0
// SocketName: where a memif server listens: a path, or an abstract name.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace pktverbs::soft::memif {

class SocketName {
public:
    /// Bytes of a path, without its zero, or of an abstract name with its @.
    static constexpr std::size_t max_bytes = sizeof(sockaddr_un::sun_path) - 1;

    /// Of 1 to max_bytes bytes. An abstract name begins with @.
    explicit SocketName(std::string_view text) : text_{text} {}

    const std::string& text() const noexcept { return text_; }
    bool is_abstract() const noexcept { return text_.front() == '@'; }

    /// The address and its length. An abstract name has no zeros at its end, as DPDK's and libmemif's have none.
    std::pair<sockaddr_un, socklen_t> address() const noexcept {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::copy(text_.begin(), text_.end(), address.sun_path);
        if (is_abstract()) address.sun_path[0] = '\0';
        const std::size_t bytes = offsetof(sockaddr_un, sun_path) + text_.size() + (is_abstract() ? 0 : 1);
        return {address, static_cast<socklen_t>(bytes)};
    }

private:
    std::string text_;
};

}  // namespace pktverbs::soft::memif
