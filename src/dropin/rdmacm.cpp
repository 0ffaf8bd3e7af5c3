// SPDX-License-Identifier: Apache-2.0
// librdmacm's functions, as far as programs use them to find a NIC by its address: an id that is bound to the address
// of a soft device's interface is served here, others by the system's library.
#include <rdma/rdma_cma.h>

#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <mutex>
#include <new>
#include <set>

#include "dropin/exported.hpp"
#include "dropin/private.hpp"
#include "dropin/rdmacm_devices.hpp"

using namespace pktverbs::dropin;

namespace {

const SystemLibrary& system_rdmacm() noexcept {
    static const SystemLibrary library{PKTVERBS_SYSTEM_LIBRARY};
    return library;
}

#define PKTVERBS_SYSTEM_RDMACM(name, version) PKTVERBS_SYSTEM(system_rdmacm(), name, version)

/// Channels and ids that are ours from the start, because the kernel has no connection manager.
class Own {
public:
    static Own& of_process() {
        static auto* const own = new Own;
        return *own;
    }
    void add(const void* object) {
        const std::lock_guard lock{mutex_};
        objects_.insert(object);
    }
    bool has(const void* object) {
        const std::lock_guard lock{mutex_};
        return objects_.contains(object);
    }
    bool remove(const void* object) {
        const std::lock_guard lock{mutex_};
        return objects_.erase(object) != 0;
    }

private:
    std::mutex mutex_;
    std::set<const void*> objects_;
};

bool is_own(const void* object) noexcept { return Own::of_process().has(object); }
bool is_soft(rdma_cm_id* id) noexcept { return is_own(id) || RdmacmDevices::of_process().is_bound(id); }

/// The system's library calls its own functions as a program does, through ours. The objects that it makes for itself
/// must be its own.
bool is_of_system(const void* caller) noexcept {
    Dl_info theirs{}, callers{};
    const auto function = PKTVERBS_SYSTEM_RDMACM(rdma_create_id, "RDMACM_1.0");
    return dladdr(reinterpret_cast<const void*>(function), &theirs) != 0 && dladdr(caller, &callers) != 0 &&
           theirs.dli_fbase == callers.dli_fbase;
}

int fail(int error) noexcept {
    errno = error;
    return -1;
}

/// It never gets an event: binding completes at once.
rdma_event_channel* make_channel() noexcept try {
    auto channel = std::make_unique<rdma_event_channel>();
    channel->fd = eventfd(0, EFD_CLOEXEC);
    if (channel->fd < 0) return nullptr;
    Own::of_process().add(channel.get());
    return channel.release();
} catch (const std::bad_alloc&) {
    errno = ENOMEM;
    return nullptr;
}

void destroy_channel(rdma_event_channel* channel) noexcept {
    close(channel->fd);
    delete channel;
}

struct OwnId : rdma_cm_id {
    bool has_own_channel;
};

int make_id(rdma_event_channel* channel, rdma_cm_id** given, void* context, rdma_port_space ps) noexcept try {
    auto id = std::make_unique<OwnId>();
    id->has_own_channel = channel == nullptr;
    id->channel = channel ? channel : make_channel();
    if (!id->channel) return -1;
    id->context = context;
    id->ps = ps;
    Own::of_process().add(id.get());
    *given = id.release();
    return 0;
} catch (const std::bad_alloc&) {
    return fail(ENOMEM);
}

bool is_wildcard(const sockaddr& address) noexcept {
    if (address.sa_family == AF_INET)
        return reinterpret_cast<const sockaddr_in&>(address).sin_addr.s_addr == INADDR_ANY;
    return address.sa_family == AF_INET6 &&
           IN6_IS_ADDR_UNSPECIFIED(&reinterpret_cast<const sockaddr_in6&>(address).sin6_addr);
}

}  // namespace

PKTVERBS_EXPORTED rdma_event_channel* rdma_create_event_channel() {
    errno = 0;
    rdma_event_channel* const channel = PKTVERBS_SYSTEM_RDMACM(rdma_create_event_channel, "RDMACM_1.0")();
    if (channel || !pktverbs_has_devices() || is_of_system(__builtin_return_address(0))) return channel;
    return make_channel();
}

PKTVERBS_EXPORTED void rdma_destroy_event_channel(rdma_event_channel* channel) {
    if (Own::of_process().remove(channel)) return destroy_channel(channel);
    PKTVERBS_SYSTEM_RDMACM(rdma_destroy_event_channel, "RDMACM_1.0")(channel);
}

PKTVERBS_EXPORTED int rdma_create_id(rdma_event_channel* channel, rdma_cm_id** id, void* context, rdma_port_space ps) {
    if (channel && is_own(channel)) return make_id(channel, id, context, ps);
    errno = 0;
    const int result = PKTVERBS_SYSTEM_RDMACM(rdma_create_id, "RDMACM_1.0")(channel, id, context, ps);
    if (result == 0 || channel || !pktverbs_has_devices() || is_of_system(__builtin_return_address(0))) return result;
    return make_id(nullptr, id, context, ps);
}

PKTVERBS_EXPORTED int rdma_destroy_id(rdma_cm_id* id) {
    RdmacmDevices::of_process().unbind(id);
    if (!Own::of_process().remove(id)) return PKTVERBS_SYSTEM_RDMACM(rdma_destroy_id, "RDMACM_1.0")(id);
    auto* const own = static_cast<OwnId*>(id);
    if (own->has_own_channel && Own::of_process().remove(own->channel)) destroy_channel(own->channel);
    delete own;
    return 0;
}

PKTVERBS_EXPORTED int rdma_bind_addr(rdma_cm_id* id, sockaddr* address) {
    const int error = RdmacmDevices::of_process().bind(id, address);
    if (error != ENODEV) return error == 0 ? 0 : fail(error);
    if (!is_own(id)) return PKTVERBS_SYSTEM_RDMACM(rdma_bind_addr, "RDMACM_1.0")(id, address);
    return is_wildcard(*address) ? 0 : fail(ENODEV);  // rdma_bind_addr(3): a wildcard binds to no device
}

PKTVERBS_EXPORTED int rdma_migrate_id(rdma_cm_id* id, rdma_event_channel* channel) {
    if (!is_own(id)) return PKTVERBS_SYSTEM_RDMACM(rdma_migrate_id, "RDMACM_1.0")(id, channel);
    if (!channel) return unsupported_minus_one();
    auto* const own = static_cast<OwnId*>(id);
    if (own->has_own_channel && Own::of_process().remove(own->channel)) destroy_channel(own->channel);
    own->has_own_channel = false;
    own->channel = channel;
    return 0;
}

PKTVERBS_EXPORTED int rdma_get_cm_event(rdma_event_channel* channel, rdma_cm_event** event) {
    if (!is_own(channel)) return PKTVERBS_SYSTEM_RDMACM(rdma_get_cm_event, "RDMACM_1.0")(channel, event);
    if ((fcntl(channel->fd, F_GETFL) & O_NONBLOCK) != 0) return fail(EAGAIN);
    pollfd waiting{channel->fd, POLLIN, 0};
    return poll(&waiting, 1, -1) < 0 ? -1 : fail(EIO);
}

PKTVERBS_EXPORTED __be16 rdma_get_src_port(rdma_cm_id* id) {
    return is_soft(id) ? id->route.addr.src_sin.sin_port  // at the same offset in IPv6
                       : PKTVERBS_SYSTEM_RDMACM(rdma_get_src_port, "RDMACM_1.0")(id);
}

PKTVERBS_EXPORTED __be16 rdma_get_dst_port(rdma_cm_id* id) {
    return is_soft(id) ? 0 : PKTVERBS_SYSTEM_RDMACM(rdma_get_dst_port, "RDMACM_1.0")(id);
}

// Raw packets have no connections: the remaining functions refuse soft ids, and pass on others.

#define PKTVERBS_REFUSED(name, version, parameters, arguments)                                          \
    PKTVERBS_EXPORTED int name parameters {                                                             \
        return is_soft(id) ? unsupported_minus_one() : PKTVERBS_SYSTEM_RDMACM(name, version) arguments; \
    }

PKTVERBS_REFUSED(rdma_listen, "RDMACM_1.0", (rdma_cm_id * id, int backlog), (id, backlog))
PKTVERBS_REFUSED(rdma_get_request, "RDMACM_1.0", (rdma_cm_id * id, rdma_cm_id** request), (id, request))
PKTVERBS_REFUSED(rdma_resolve_addr, "RDMACM_1.0", (rdma_cm_id * id, sockaddr* from, sockaddr* to, int timeout),
                 (id, from, to, timeout))
PKTVERBS_REFUSED(rdma_resolve_route, "RDMACM_1.0", (rdma_cm_id * id, int timeout), (id, timeout))
PKTVERBS_REFUSED(rdma_connect, "RDMACM_1.0", (rdma_cm_id * id, rdma_conn_param* parameters), (id, parameters))
PKTVERBS_REFUSED(rdma_establish, "RDMACM_1.2", (rdma_cm_id * id), (id))
PKTVERBS_REFUSED(rdma_accept, "RDMACM_1.0", (rdma_cm_id * id, rdma_conn_param* parameters), (id, parameters))
PKTVERBS_REFUSED(rdma_reject, "RDMACM_1.0", (rdma_cm_id * id, const void* data, std::uint8_t length),
                 (id, data, length))
PKTVERBS_REFUSED(rdma_reject_ece, "RDMACM_1.3", (rdma_cm_id * id, const void* data, std::uint8_t length),
                 (id, data, length))
PKTVERBS_REFUSED(rdma_notify, "RDMACM_1.0", (rdma_cm_id * id, ibv_event_type event), (id, event))
PKTVERBS_REFUSED(rdma_disconnect, "RDMACM_1.0", (rdma_cm_id * id), (id))
PKTVERBS_REFUSED(rdma_join_multicast, "RDMACM_1.0", (rdma_cm_id * id, sockaddr* address, void* context),
                 (id, address, context))
PKTVERBS_REFUSED(rdma_join_multicast_ex, "RDMACM_1.1", (rdma_cm_id * id, rdma_cm_join_mc_attr_ex* attr, void* context),
                 (id, attr, context))
PKTVERBS_REFUSED(rdma_leave_multicast, "RDMACM_1.0", (rdma_cm_id * id, sockaddr* address), (id, address))
PKTVERBS_REFUSED(rdma_create_qp, "RDMACM_1.0", (rdma_cm_id * id, ibv_pd* pd, ibv_qp_init_attr* attr), (id, pd, attr))
PKTVERBS_REFUSED(rdma_create_qp_ex, "RDMACM_1.0", (rdma_cm_id * id, ibv_qp_init_attr_ex* attr), (id, attr))
PKTVERBS_REFUSED(rdma_create_srq, "RDMACM_1.0", (rdma_cm_id * id, ibv_pd* pd, ibv_srq_init_attr* attr), (id, pd, attr))
PKTVERBS_REFUSED(rdma_create_srq_ex, "RDMACM_1.0", (rdma_cm_id * id, ibv_srq_init_attr_ex* attr), (id, attr))
PKTVERBS_REFUSED(rdma_set_option, "RDMACM_1.0",
                 (rdma_cm_id * id, int level, int option, void* value, std::size_t length),
                 (id, level, option, value, length))
PKTVERBS_REFUSED(rdma_init_qp_attr, "RDMACM_1.2", (rdma_cm_id * id, ibv_qp_attr* attr, int* mask), (id, attr, mask))
PKTVERBS_REFUSED(rdma_set_local_ece, "RDMACM_1.3", (rdma_cm_id * id, ibv_ece* ece), (id, ece))
PKTVERBS_REFUSED(rdma_get_remote_ece, "RDMACM_1.3", (rdma_cm_id * id, ibv_ece* ece), (id, ece))

PKTVERBS_EXPORTED void rdma_destroy_qp(rdma_cm_id* id) {
    if (!is_soft(id)) PKTVERBS_SYSTEM_RDMACM(rdma_destroy_qp, "RDMACM_1.0")(id);
}

PKTVERBS_EXPORTED void rdma_destroy_srq(rdma_cm_id* id) {
    if (!is_soft(id)) PKTVERBS_SYSTEM_RDMACM(rdma_destroy_srq, "RDMACM_1.0")(id);
}

PKTVERBS_EXPORTED void rdma_destroy_ep(rdma_cm_id* id) {
    if (!is_soft(id)) return PKTVERBS_SYSTEM_RDMACM(rdma_destroy_ep, "RDMACM_1.0")(id);
    rdma_destroy_id(id);
}
