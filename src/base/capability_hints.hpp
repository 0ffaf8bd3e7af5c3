// SPDX-License-Identifier: Apache-2.0
// Hints for users: what to do about a missing capability.
#pragma once

#include <string_view>

namespace pktverbs {

// A program with file capabilities runs in ld.so(8)'s secure-execution mode, which ignores LD_LIBRARY_PATH and
// LD_PRELOAD; one with ambient capabilities does not (capabilities(7)). docs/devices.md has the whole command.
inline constexpr std::string_view net_raw_hint =
    "CAP_NET_RAW is missing: run as root, or setcap cap_net_raw+ep on the program; if it needs LD_LIBRARY_PATH or "
    "LD_PRELOAD, which are ignored then, give it the capability by setpriv --ambient-caps instead";
inline constexpr std::string_view net_admin_hint =
    "CAP_NET_ADMIN is missing: run as root, or setcap cap_net_admin+ep on the program; if it needs LD_LIBRARY_PATH or "
    "LD_PRELOAD, which are ignored then, give it the capability by setpriv --ambient-caps instead";
inline constexpr std::string_view net_admin_and_bpf_hint =
    "CAP_NET_ADMIN or CAP_BPF is missing: run as root of the machine, for user namespaces have no CAP_BPF, or setcap "
    "cap_net_admin,cap_bpf+ep on the program; if it needs LD_LIBRARY_PATH or LD_PRELOAD, which are ignored then, give "
    "it the capabilities by setpriv --ambient-caps instead";
inline constexpr std::string_view locked_memory_hint =
    "RLIMIT_MEMLOCK is too small: ulimit -l unlimited, or CAP_IPC_LOCK: setcap cap_ipc_lock+ep on the program; if it "
    "needs LD_LIBRARY_PATH or LD_PRELOAD, which are ignored then, give it the capability by setpriv --ambient-caps "
    "instead";
inline constexpr std::string_view xdp_hint =
    "run as root, or setcap cap_net_admin,cap_net_raw,cap_bpf+ep on the program; if it needs LD_LIBRARY_PATH or "
    "LD_PRELOAD, which are ignored then, give it the capabilities by setpriv --ambient-caps instead";

}  // namespace pktverbs
