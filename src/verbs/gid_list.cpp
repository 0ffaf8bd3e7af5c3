// SPDX-License-Identifier: Apache-2.0
#include "verbs/gid_list.hpp"

#include <algorithm>
#include <cerrno>
#include <cstddef>

#include <pktverbs/verbs/gid.hpp>

namespace pktverbs::verbs {

int list_gids(const Provider& provider, ibv_context* context, std::uint8_t port, std::vector<ibv_gid_entry>& entries) {
    constexpr std::size_t most = 65'536;
    ssize_t count = -EINVAL;
    // EINVAL: the entries of all ports are more (ibv_query_gid_table(3)).
    for (std::size_t room = 64; count == -EINVAL && room <= most; room *= 4) {
        entries.resize(room);
        errno = 0;
        count = provider.query_gid_table(context, entries.data(), room, 0);
    }
    entries.resize(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    std::erase_if(entries, [port](const ibv_gid_entry& entry) {
        // Some kernels and drivers give zeros for what is empty.
        return entry.port_num != port || to_address(entry.gid).is_zero();
    });
    if (count >= 0) return 0;
    if (count == -1) return errno != 0 ? errno : EIO;
    return static_cast<int>(-count);
}

}  // namespace pktverbs::verbs
