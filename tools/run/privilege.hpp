// SPDX-License-Identifier: Apache-2.0
// Privilege: what a program that is run may do: raw sockets, and nothing more.
#pragma once

#include <string>

namespace tool {

/// Leaves this process CAP_NET_RAW as its only capability, for itself and the programs that it runs. It is an ambient
/// one (capabilities(7)), so ld.so(8) keeps to LD_LIBRARY_PATH as always. What is given up cannot be had back.
///
/// If `user` is not empty (a name or a number), goes on as that user, with its groups, HOME, USER and LOGNAME. Throws
/// std::system_error: EPERM if the process lacks CAP_NET_RAW, or may not become another user; ENOENT if there is no
/// such user. Then the process may have given up a part.
void keep_net_raw_only(const std::string& user);

}  // namespace tool
