// SPDX-License-Identifier: Apache-2.0
// RdmacmDevices: soft devices opened once for all ids, as the RDMA connection manager does.
#pragma once

#include <rdma/rdma_cma.h>

#include <map>
#include <mutex>

namespace pktverbs::dropin {

/// Any thread may use it.
class RdmacmDevices {
public:
    static RdmacmDevices& of_process();

    /// Sets id->verbs, port_num and pd to those of the soft device whose interface has this address. Returns 0, or an
    /// errno: ENODEV if there is none.
    int bind(rdma_cm_id* id, const sockaddr* address) noexcept;
    /// Undoes that; an id that wasn't bound here is left alone. The device stays open for the objects that the program
    /// may have made, as with librdmacm.
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
