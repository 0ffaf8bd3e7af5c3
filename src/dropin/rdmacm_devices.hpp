// SPDX-License-Identifier: Apache-2.0
// RdmacmDevices: soft devices as the RDMA connection manager shares them out: opened once for all ids.
#pragma once

#include <rdma/rdma_cma.h>

#include <map>
#include <mutex>

namespace pktverbs::dropin {

/// Any thread may use it.
class RdmacmDevices {
public:
    static RdmacmDevices& of_process();

    /// Makes id->verbs, port_num and pd those of the soft device whose interface has this address. Returns 0, or an
    /// errno: ENODEV if there is none.
    int bind(rdma_cm_id* id, const sockaddr* address) noexcept;
    /// Takes that back; nothing happens to an id that wasn't bound here. The device stays open for what the program may
    /// have made of it, as librdmacm leaves it.
    void unbind(rdma_cm_id* id) noexcept;
    bool is_bound(const rdma_cm_id* id) noexcept;

private:
    struct Opened {
        ibv_context* context = nullptr;
        ibv_pd* pd = nullptr;
        int users = 0;
    };

    int open(ibv_device* device, Opened*& opened);

    std::mutex mutex_;
    std::map<ibv_device*, Opened> opened_;
    std::map<const rdma_cm_id*, ibv_device*> bound_;
};

}  // namespace pktverbs::dropin
