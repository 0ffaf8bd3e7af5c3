// SPDX-License-Identifier: Apache-2.0
#include "fake_fabric.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

namespace pktverbs::testing {

FakeFabric* FakeFabric::self = nullptr;
thread_local int FakeFabric::inside = 0;

namespace {

/// Held by everything outside the library.
struct Lock {
    explicit Lock(std::recursive_mutex& mutex) : lock{mutex} { ++FakeFabric::inside; }
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;
    ~Lock() { --FakeFabric::inside; }
    std::lock_guard<std::recursive_mutex> lock;
};

/// A descriptor that is readable while its queue is not empty.
struct Bell {
    Bell() : fd{eventfd(0, EFD_SEMAPHORE | EFD_NONBLOCK)} {}
    Bell(const Bell&) = delete;
    Bell& operator=(const Bell&) = delete;
    ~Bell() { close(fd); }
    void ring() const {
        constexpr std::uint64_t one = 1;
        ASSERT_EQ(write(fd, &one, sizeof one), static_cast<ssize_t>(sizeof one));
    }
    void answer() const {
        std::uint64_t one = 0;
        ASSERT_EQ(read(fd, &one, sizeof one), static_cast<ssize_t>(sizeof one));
    }
    int fd;
};

struct FakeChannel : rdma_event_channel {
    Bell bell;
    std::deque<struct FakeEvent*> events;
};

struct FakeEvent : rdma_cm_event {
    std::vector<std::uint8_t> data;
};

struct FakeCompChannel : ibv_comp_channel {
    Bell bell;
    std::deque<ibv_cq*> events;
};

struct FakeCq : ibv_cq {
    FakeCompChannel* to = nullptr;
    std::deque<ibv_wc> completions;
    bool is_armed = false;
    unsigned unacknowledged = 0;
};

}  // namespace

/// The device, opened a second time.
struct FakeContext : ibv_context {
    Bell bell;
    std::deque<ibv_async_event> events;
    bool is_gone = false;
};

struct Posted {
    std::uint64_t id;
    std::vector<std::uint8_t> bytes;
    std::uint8_t* at;
    std::uint32_t capacity;
    ibv_wr_opcode opcode;
};

struct FakeQp : ibv_qp {
    std::uint32_t peer = 0;
    std::deque<Posted> sends;
    std::deque<Posted> receives;
};

struct FakeId : rdma_cm_id {
    enum class State { idle, listening, resolved, requesting, requested, answered, connected, leaving, gone };
    State state = State::idle;
    FakeId* peer = nullptr;
    std::uint32_t qp_num = 0;
    bool waits_for_established = false;
};

namespace {

FakeFabric& fabric() { return *FakeFabric::self; }

ibv_device& device() {
    static ibv_device made = [] {
        ibv_device device{};
        std::strcpy(device.name, "fake0");
        device.node_type = IBV_NODE_CA;
        return device;
    }();
    return made;
}

int post_send(ibv_qp*, ibv_send_wr*, ibv_send_wr**);
int post_recv(ibv_qp*, ibv_recv_wr*, ibv_recv_wr**);
int poll_cq(ibv_cq*, int, ibv_wc*);
int req_notify_cq(ibv_cq*, int);

void describe(ibv_context& context) {
    context.device = &device();
    context.num_comp_vectors = 1;
    context.ops.post_send = post_send;
    context.ops.post_recv = post_recv;
    context.ops.poll_cq = poll_cq;
    context.ops.req_notify_cq = req_notify_cq;
}

/// The connection manager's context: it is shared, so its events are not read.
ibv_context& context() {
    static ibv_context made = [] {
        ibv_context context{};
        describe(context);
        context.async_fd = -1;
        return context;
    }();
    return made;
}

// ---- Completions and data.

void complete(FakeCq& cq, ibv_wc wc, std::uint32_t qp_num) {
    wc.qp_num = qp_num;
    cq.completions.push_back(wc);
    EXPECT_LE(cq.completions.size(), static_cast<std::size_t>(cq.cqe)) << "the completion queue overran";
    if (fabric().holds_completion_events || !std::exchange(cq.is_armed, false)) return;
    cq.to->events.push_back(&cq);
    cq.to->bell.ring();
}

void complete(FakeQp& qp, bool sending, std::uint64_t id, ibv_wc_status status, ibv_wc_opcode opcode,
              std::size_t bytes) {
    ibv_wc wc{};
    wc.wr_id = id;
    wc.status = status;
    // The other fields are valid only for a success.
    wc.opcode = status == IBV_WC_SUCCESS ? opcode : static_cast<ibv_wc_opcode>(0x55);
    wc.byte_len = status == IBV_WC_SUCCESS ? static_cast<std::uint32_t>(bytes) : 0x55555555;
    complete(*static_cast<FakeCq*>(sending ? qp.send_cq : qp.recv_cq), wc, qp.qp_num);
}

void flush(FakeQp& qp) {
    qp.state = IBV_QPS_ERR;
    for (; !qp.sends.empty(); qp.sends.pop_front())
        complete(qp, true, qp.sends.front().id, IBV_WC_WR_FLUSH_ERR, IBV_WC_SEND, 0);
    for (; !qp.receives.empty(); qp.receives.pop_front())
        complete(qp, false, qp.receives.front().id, IBV_WC_WR_FLUSH_ERR, IBV_WC_RECV, 0);
}

void fail_send(FakeQp& qp, ibv_wc_status status) {
    complete(qp, true, qp.sends.front().id, status, IBV_WC_SEND, 0);
    qp.sends.pop_front();
    flush(qp);
}

/// Delivers all that can be delivered.
void carry(FakeQp& qp) {
    while (!qp.sends.empty() && qp.state == IBV_QPS_RTS && !fabric().holds_data) {
        const auto at = fabric().qps.find(qp.peer);
        if (fabric().is_cut || at == fabric().qps.end() || at->second->state < IBV_QPS_RTR ||
            at->second->state == IBV_QPS_ERR)
            return fail_send(qp, IBV_WC_RETRY_EXC_ERR);
        FakeQp& peer = *at->second;
        Posted& send = qp.sends.front();
        if (send.opcode == IBV_WR_SEND) {
            if (peer.receives.empty()) return;  // RNR: tried again when there is one
            const Posted receive = peer.receives.front();
            peer.receives.pop_front();
            if (send.bytes.size() > receive.capacity) {
                complete(peer, false, receive.id, IBV_WC_LOC_LEN_ERR, IBV_WC_RECV, 0);
                flush(peer);
                return fail_send(qp, IBV_WC_REM_INV_REQ_ERR);
            }
            std::copy(send.bytes.begin(), send.bytes.end(), receive.at);
            complete(peer, false, receive.id, IBV_WC_SUCCESS, IBV_WC_RECV, send.bytes.size());
        }
        const bool is_send = send.opcode == IBV_WR_SEND;
        complete(qp, true, send.id, IBV_WC_SUCCESS, is_send ? IBV_WC_SEND : IBV_WC_RDMA_WRITE, 0);
        qp.sends.pop_front();
    }
}

void carry_all() {
    for (const auto& [number, qp] : fabric().qps) carry(*qp);
}

int post_send(ibv_qp* raw, ibv_send_wr* wr, ibv_send_wr** refused) {
    const Lock lock{fabric().mutex};
    *refused = wr;
    int error = 0;
    if (fabric().is_due("post_send", error)) return error;
    auto& qp = *static_cast<FakeQp*>(raw);
    if (qp.state == IBV_QPS_ERR) {
        complete(qp, true, wr->wr_id, IBV_WC_WR_FLUSH_ERR, IBV_WC_SEND, 0);
        return 0;
    }
    if (qp.state != IBV_QPS_RTS) return EINVAL;
    Posted posted{wr->wr_id, {}, nullptr, 0, wr->opcode};
    for (int i = 0; i < wr->num_sge; ++i) {
        const auto* bytes = reinterpret_cast<const std::uint8_t*>(wr->sg_list[i].addr);
        posted.bytes.insert(posted.bytes.end(), bytes, bytes + wr->sg_list[i].length);
    }
    if (wr->opcode == IBV_WR_RDMA_WRITE) {
        EXPECT_TRUE(posted.bytes.empty());
        ++fabric().probes;
    }
    qp.sends.push_back(std::move(posted));
    carry(qp);
    return 0;
}

int post_recv(ibv_qp* raw, ibv_recv_wr* wr, ibv_recv_wr** refused) {
    const Lock lock{fabric().mutex};
    *refused = wr;
    int error = 0;
    if (fabric().is_due("post_recv", error)) return error;
    auto& qp = *static_cast<FakeQp*>(raw);
    EXPECT_NE(qp.state, IBV_QPS_RESET);
    qp.receives.push_back(
        {wr->wr_id, {}, reinterpret_cast<std::uint8_t*>(wr->sg_list[0].addr), wr->sg_list[0].length, IBV_WR_SEND});
    if (qp.state == IBV_QPS_ERR) flush(qp);
    carry_all();
    return 0;
}

int poll_cq(ibv_cq* raw, int most, ibv_wc* wcs) {
    const Lock lock{fabric().mutex};
    int error = 0;
    if (fabric().is_due("poll_cq", error)) return -1;
    auto& completions = static_cast<FakeCq*>(raw)->completions;
    int got = 0;
    for (; got < most && !completions.empty(); ++got, completions.pop_front()) wcs[got] = completions.front();
    return got;
}

int req_notify_cq(ibv_cq* raw, int) {
    const Lock lock{fabric().mutex};
    int error = 0;
    if (fabric().is_due("req_notify_cq", error)) return error;
    static_cast<FakeCq*>(raw)->is_armed = true;
    return 0;
}

// ---- The control verbs.

/// Returns from the calling verb, if it is to fail, with `result` and errno.
#define PKTVERBS_FAIL_IF_DUE(verb, result)             \
    const Lock lock{fabric().mutex};                   \
    if (int error = 0; fabric().is_due(verb, error)) { \
        errno = error;                                 \
        return result;                                 \
    }

template <class Object>
Object* make(const char* verb) {
    auto* object = new Object{};
    fabric().born(verb, static_cast<const void*>(object));
    return object;
}

template <class Object>
int destroy(void* object) {
    const Lock lock{fabric().mutex};
    fabric().died(object);
    delete static_cast<Object*>(object);
    return 0;
}

verbs::Provider make_provider() {
    verbs::Provider made{};
    made.open_device = [](ibv_device* of) -> ibv_context* {
        EXPECT_EQ(of, &device());
        PKTVERBS_FAIL_IF_DUE("open_device", nullptr)
        auto* opened = make<FakeContext>("open_device");
        describe(*opened);
        opened->async_fd = opened->bell.fd;
        fabric().contexts.push_back(opened);
        return opened;
    };
    made.close_device = [](ibv_context* raw) {
        const Lock lock{fabric().mutex};
        auto* opened = static_cast<FakeContext*>(raw);
        std::erase(fabric().contexts, opened);
        return destroy<FakeContext>(opened);
    };
    made.get_async_event = [](ibv_context* raw, ibv_async_event* event) {
        auto& opened = *static_cast<FakeContext*>(raw);
        PKTVERBS_FAIL_IF_DUE("get_async_event", -1)
        errno = opened.is_gone ? EIO : EAGAIN;
        if (opened.events.empty()) return -1;
        opened.bell.answer();
        *event = opened.events.front();
        opened.events.pop_front();
        return 0;
    };
    made.ack_async_event = [](ibv_async_event*) {};
    made.query_device = [](ibv_context*, ibv_device_attr* attr) {
        PKTVERBS_FAIL_IF_DUE("query_device", error)
        *attr = {};
        return 0;
    };
    made.alloc_pd = [](ibv_context* on) -> ibv_pd* {
        PKTVERBS_FAIL_IF_DUE("alloc_pd", nullptr)
        auto* pd = make<ibv_pd>("alloc_pd");
        pd->context = on;
        return pd;
    };
    made.dealloc_pd = [](ibv_pd* pd) { return destroy<ibv_pd>(pd); };
    made.reg_mr = [](ibv_pd* pd, void* addr, std::size_t length, int) -> ibv_mr* {
        PKTVERBS_FAIL_IF_DUE("reg_mr", nullptr)
        auto* mr = make<ibv_mr>("reg_mr");
        mr->context = pd->context;
        mr->addr = addr;
        mr->length = length;
        mr->lkey = mr->rkey = 7;
        return mr;
    };
    made.dereg_mr = [](ibv_mr* mr) { return destroy<ibv_mr>(mr); };
    made.create_comp_channel = [](ibv_context* on) -> ibv_comp_channel* {
        PKTVERBS_FAIL_IF_DUE("create_comp_channel", nullptr)
        auto* channel = make<FakeCompChannel>("create_comp_channel");
        channel->context = on;
        channel->fd = channel->bell.fd;
        return channel;
    };
    made.destroy_comp_channel = [](ibv_comp_channel* channel) {
        return destroy<FakeCompChannel>(static_cast<FakeCompChannel*>(channel));
    };
    made.get_cq_event = [](ibv_comp_channel* raw, ibv_cq** cq, void** cq_context) {
        PKTVERBS_FAIL_IF_DUE("get_cq_event", -1)
        auto& channel = *static_cast<FakeCompChannel*>(raw);
        errno = EAGAIN;
        if (channel.events.empty()) return -1;
        channel.bell.answer();
        *cq = channel.events.front();
        *cq_context = (*cq)->cq_context;
        ++static_cast<FakeCq*>(*cq)->unacknowledged;
        channel.events.pop_front();
        return 0;
    };
    made.ack_cq_events = [](ibv_cq* cq, unsigned count) {
        const Lock lock{fabric().mutex};
        static_cast<FakeCq*>(cq)->unacknowledged -= count;
    };
    made.create_cq = [](ibv_context* on, int cqe, void* cq_context, ibv_comp_channel* channel, int) -> ibv_cq* {
        PKTVERBS_FAIL_IF_DUE("create_cq", nullptr)
        auto* cq = make<FakeCq>("create_cq");
        cq->context = on;
        cq->cqe = cqe;
        cq->cq_context = cq_context;
        cq->channel = channel;
        cq->to = static_cast<FakeCompChannel*>(channel);
        return cq;
    };
    made.destroy_cq = [](ibv_cq* raw) {
        const Lock lock{fabric().mutex};
        auto* cq = static_cast<FakeCq*>(raw);
        EXPECT_EQ(cq->unacknowledged, 0U) << "the real one would wait for ever";
        const auto waiting = std::erase(cq->to->events, raw);
        for (std::size_t i = 0; i < waiting; ++i) cq->to->bell.answer();
        return destroy<FakeCq>(cq);
    };
    made.create_qp = [](ibv_pd* pd, ibv_qp_init_attr* attr) -> ibv_qp* {
        PKTVERBS_FAIL_IF_DUE("create_qp", nullptr)
        auto* qp = make<FakeQp>("create_qp");
        qp->context = pd->context;
        qp->pd = pd;
        qp->send_cq = attr->send_cq;
        qp->recv_cq = attr->recv_cq;
        qp->qp_type = attr->qp_type;
        qp->qp_num = fabric().next_qp_num++;
        fabric().qps.emplace(qp->qp_num, qp);
        return qp;
    };
    made.destroy_qp = [](ibv_qp* raw) {
        const Lock lock{fabric().mutex};
        auto* qp = static_cast<FakeQp*>(raw);
        fabric().qps.erase(qp->qp_num);
        for (ibv_cq* cq : {qp->send_cq, qp->recv_cq})
            std::erase_if(static_cast<FakeCq*>(cq)->completions,
                          [&](const ibv_wc& wc) { return wc.qp_num == qp->qp_num; });
        return destroy<FakeQp>(qp);
    };
    made.query_qp = [](ibv_qp* qp, ibv_qp_attr* attr, int, ibv_qp_init_attr*) {
        *attr = {};
        attr->qp_state = qp->state;
        return 0;
    };
    made.modify_qp = [](ibv_qp* raw, ibv_qp_attr* attr, int mask) {
        constexpr std::array names{"RESET", "INIT", "RTR", "RTS", "SQD", "SQE", "ERR"};
        const std::string name = names.at(attr->qp_state);
        PKTVERBS_FAIL_IF_DUE("modify_qp to " + name, error)
        auto& qp = *static_cast<FakeQp*>(raw);
        fabric().order.push_back(name);
        if (attr->qp_state == IBV_QPS_RTR) {
            EXPECT_EQ(qp.state, IBV_QPS_INIT);
            qp.peer = attr->dest_qp_num;
            fabric().rnr_timers.push_back((mask & IBV_QP_MIN_RNR_TIMER) != 0 ? attr->min_rnr_timer : -1);
        }
        if (attr->qp_state == IBV_QPS_RTS) {
            EXPECT_EQ(qp.state, IBV_QPS_RTR);
        }
        qp.state = attr->qp_state;
        if (qp.state == IBV_QPS_ERR) flush(qp);
        return 0;
    };
    return made;
}

// ---- The connection manager.

void queue_event(FakeId& id, rdma_cm_event_type type, int status = 0, std::vector<std::uint8_t> data = {},
                 FakeId* listener = nullptr) {
    auto* event = make<FakeEvent>("get_cm_event");
    event->id = &id;
    event->listen_id = listener;
    event->event = type;
    event->status = status;
    event->data = std::move(data);
    event->param.conn.private_data = event->data.empty() ? nullptr : event->data.data();
    event->param.conn.private_data_len = static_cast<std::uint8_t>(event->data.size());
    auto& channel = *static_cast<FakeChannel*>(id.channel);
    channel.events.push_back(event);
    channel.bell.ring();
}

/// The connection manager pads.
std::vector<std::uint8_t> padded(const void* data, std::size_t length, std::size_t size) {
    std::vector<std::uint8_t> bytes(size);
    if (data) std::memcpy(bytes.data(), data, length);
    return bytes;
}

FakeId* listener_at(std::uint16_t port) {
    for (FakeId* id : fabric().ids)
        if (id->state == FakeId::State::listening && ntohs(id->route.addr.src_sin.sin_port) == port) return id;
    return nullptr;
}

FakeId* make_id(rdma_event_channel* channel, void* owner) {
    auto* id = make<FakeId>("create_id");
    id->channel = channel;
    id->context = owner;
    id->ps = RDMA_PS_TCP;
    fabric().ids.push_back(id);
    return id;
}

void on_device(FakeId& id) {
    id.verbs = &context();
    id.port_num = 1;
}

/// With the listener's context, as in librdmacm.
FakeId& make_request(FakeId& listener) {
    FakeId& request = *make_id(listener.channel, listener.context);
    on_device(request);
    request.state = FakeId::State::requested;
    return request;
}

void leave_peer(FakeId& id) {
    FakeId* const peer = std::exchange(id.peer, nullptr);
    if (!peer) return;
    using State = FakeId::State;
    if (id.state == State::requested) {
        queue_event(*peer, RDMA_CM_EVENT_REJECTED, 28);
        peer->peer = nullptr;
    } else if (peer->state == State::connected || peer->state == State::leaving || peer->state == State::answered) {
        queue_event(*peer, RDMA_CM_EVENT_DISCONNECTED);
        peer->state = State::gone;
        peer->peer = nullptr;
    } else {
        peer->peer = nullptr;
    }
}

messages::ConnectionManager make_manager(const verbs::Provider& provider) {
    using State = FakeId::State;
    messages::ConnectionManager made{};
    made.provider = &provider;
    made.create_event_channel = []() -> rdma_event_channel* {
        PKTVERBS_FAIL_IF_DUE("create_event_channel", nullptr)
        auto* channel = make<FakeChannel>("create_event_channel");
        channel->fd = channel->bell.fd;
        return channel;
    };
    made.destroy_event_channel = [](rdma_event_channel* raw) {
        auto* channel = static_cast<FakeChannel*>(raw);
        EXPECT_TRUE(channel->events.empty()) << "there are still identifiers";
        destroy<FakeChannel>(channel);
    };
    made.create_id = [](rdma_event_channel* channel, rdma_cm_id** id, void* owner, rdma_port_space space) {
        EXPECT_EQ(space, RDMA_PS_TCP);
        PKTVERBS_FAIL_IF_DUE("create_id", -1)
        *id = make_id(channel, owner);
        return 0;
    };
    made.destroy_id = [](rdma_cm_id* raw) {
        const Lock lock{fabric().mutex};
        auto* id = static_cast<FakeId*>(raw);
        auto& channel = *static_cast<FakeChannel*>(id->channel);
        // Its requests will never be seen.
        std::vector<FakeId*> gone{id};
        for (FakeEvent* event : channel.events)
            if (event->listen_id == id) gone.push_back(static_cast<FakeId*>(event->id));
        std::erase_if(channel.events, [&](FakeEvent* event) {
            if (std::find(gone.begin(), gone.end(), event->id) == gone.end()) return false;
            channel.bell.answer();
            destroy<FakeEvent>(event);
            return true;
        });
        for (FakeId* one : gone) {
            leave_peer(*one);
            std::erase(fabric().ids, one);
            destroy<FakeId>(one);
        }
        return 0;
    };
    made.bind_addr = [](rdma_cm_id* id, sockaddr* address) {
        PKTVERBS_FAIL_IF_DUE("bind_addr", -1)
        std::memcpy(&id->route.addr.src_storage, address,
                    address->sa_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in));
        auto& port = id->route.addr.src_sin.sin_port;
        if (port == 0) port = htons(fabric().next_port++);
        return 0;
    };
    made.listen = [](rdma_cm_id* raw, int) {
        PKTVERBS_FAIL_IF_DUE("listen", -1)
        auto& id = *static_cast<FakeId*>(raw);
        errno = EADDRINUSE;
        if (listener_at(ntohs(id.route.addr.src_sin.sin_port))) return -1;
        id.state = State::listening;
        return 0;
    };
    made.resolve_addr = [](rdma_cm_id* raw, sockaddr*, sockaddr* to, int timeout_ms) {
        EXPECT_GT(timeout_ms, 0);
        PKTVERBS_FAIL_IF_DUE("resolve_addr", -1)
        auto& id = *static_cast<FakeId*>(raw);
        std::memcpy(&id.route.addr.dst_storage, to,
                    to->sa_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in));
        id.route.addr.src_sin.sin_family = AF_INET;
        id.route.addr.src_sin.sin_port = htons(fabric().next_port++);
        inet_pton(AF_INET, "10.0.0.1", &id.route.addr.src_sin.sin_addr);
        if (fabric().is_silent) return 0;
        on_device(id);
        id.state = State::resolved;
        queue_event(id, RDMA_CM_EVENT_ADDR_RESOLVED);
        return 0;
    };
    made.resolve_route = [](rdma_cm_id* raw, int) {
        PKTVERBS_FAIL_IF_DUE("resolve_route", -1)
        queue_event(*static_cast<FakeId*>(raw), RDMA_CM_EVENT_ROUTE_RESOLVED);
        return 0;
    };
    made.connect = [](rdma_cm_id* raw, rdma_conn_param* param) {
        PKTVERBS_FAIL_IF_DUE("connect", -1)
        auto& id = *static_cast<FakeId*>(raw);
        fabric().parameters.push_back(*param);
        id.qp_num = param->qp_num;
        id.state = State::requesting;
        FakeId* const listener = listener_at(ntohs(id.route.addr.dst_sin.sin_port));
        if (!listener) {
            queue_event(id, RDMA_CM_EVENT_REJECTED, 8);
            return 0;
        }
        FakeId& request = make_request(*listener);
        request.peer = &id;
        id.peer = &request;
        request.route.addr.src_sin = id.route.addr.dst_sin;
        request.route.addr.dst_sin = id.route.addr.src_sin;
        auto data = padded(param->private_data, param->private_data_len, 56);
        if (fabric().replaces_private_data) data = fabric().replaced_private_data;
        queue_event(request, RDMA_CM_EVENT_CONNECT_REQUEST, 0, data, listener);
        return 0;
    };
    made.accept = [](rdma_cm_id* raw, rdma_conn_param* param) {
        PKTVERBS_FAIL_IF_DUE("accept", -1)
        auto& id = *static_cast<FakeId*>(raw);
        fabric().parameters.push_back(*param);
        fabric().posted_at_accept.push_back(fabric().qps.at(param->qp_num)->receives.size());
        id.qp_num = param->qp_num;
        errno = EINVAL;
        if (!id.peer) return -1;
        id.state = State::answered;
        queue_event(*id.peer, RDMA_CM_EVENT_CONNECT_RESPONSE, 0,
                    padded(param->private_data, param->private_data_len, 196));
        return 0;
    };
    made.establish = [](rdma_cm_id* raw) {
        PKTVERBS_FAIL_IF_DUE("establish", -1)
        auto& id = *static_cast<FakeId*>(raw);
        errno = EINVAL;
        if (!id.peer) return -1;
        id.state = id.peer->state = State::connected;
        if (fabric().holds_established)
            id.peer->waits_for_established = true;
        else
            queue_event(*id.peer, RDMA_CM_EVENT_ESTABLISHED);
        return 0;
    };
    made.reject = [](rdma_cm_id* raw, const void* data, std::uint8_t length) {
        PKTVERBS_FAIL_IF_DUE("reject", -1)
        auto& id = *static_cast<FakeId*>(raw);
        EXPECT_LE(length, 148);  // IB specification, REJ
        const auto* text = static_cast<const char*>(data);
        fabric().rejections.emplace_back(text ? std::string{text, length} : std::string{});
        if (FakeId* const peer = std::exchange(id.peer, nullptr)) {
            peer->peer = nullptr;
            queue_event(*peer, RDMA_CM_EVENT_REJECTED, 28, padded(data, length, 148));
        }
        return 0;
    };
    made.disconnect = [](rdma_cm_id* raw) {
        PKTVERBS_FAIL_IF_DUE("disconnect", -1)
        auto& id = *static_cast<FakeId*>(raw);
        FakeId* const peer = id.peer;
        if (id.state == State::gone || !peer) return 0;
        if (peer->state == State::leaving) {
            // The answer to the peer's request.
            queue_event(*peer, RDMA_CM_EVENT_DISCONNECTED);
            id.state = peer->state = State::gone;
            id.peer = peer->peer = nullptr;
        } else if (id.state != State::leaving) {
            id.state = State::leaving;
            queue_event(*peer, RDMA_CM_EVENT_DISCONNECTED);
        }
        return 0;
    };
    made.notify = [](rdma_cm_id* raw, ibv_event_type type) {
        EXPECT_EQ(type, IBV_EVENT_COMM_EST);
        PKTVERBS_FAIL_IF_DUE("notify", -1)
        queue_event(*static_cast<FakeId*>(raw), RDMA_CM_EVENT_ESTABLISHED);
        return 0;
    };
    made.init_qp_attr = [](rdma_cm_id* raw, ibv_qp_attr* attr, int* mask) {
        PKTVERBS_FAIL_IF_DUE("init_qp_attr", -1)
        auto& id = *static_cast<FakeId*>(raw);
        switch (attr->qp_state) {
            case IBV_QPS_INIT:
                *mask = IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS;
                attr->port_num = 1;
                break;
            case IBV_QPS_RTR:
                *mask = IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN |
                        IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER;
                attr->min_rnr_timer = 0;  // as the kernel's does
                attr->dest_qp_num = id.peer ? id.peer->qp_num : 0;
                break;
            default:
                *mask = IBV_QP_STATE | IBV_QP_SQ_PSN | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY |
                        IBV_QP_MAX_QP_RD_ATOMIC;
        }
        return 0;
    };
    made.get_cm_event = [](rdma_event_channel* raw, rdma_cm_event** event) {
        auto& channel = *static_cast<FakeChannel*>(raw);
        PKTVERBS_FAIL_IF_DUE("get_cm_event", -1)
        errno = EAGAIN;
        if (channel.events.empty()) return -1;
        channel.bell.answer();
        *event = channel.events.front();
        channel.events.pop_front();
        return 0;
    };
    made.ack_cm_event = [](rdma_cm_event* event) { return destroy<FakeEvent>(static_cast<FakeEvent*>(event)); };
    return made;
}

}  // namespace

FakeFabric::FakeFabric() { self = this; }

FakeFabric::~FakeFabric() {
    EXPECT_TRUE(living.empty()) << living.size() << " live, the first made by " << living.front().verb;
    self = nullptr;
}

const messages::ConnectionManager& FakeFabric::manager() const noexcept {
    static const verbs::Provider provider = make_provider();
    static const messages::ConnectionManager made = make_manager(provider);
    return made;
}

void FakeFabric::fail(int nth, int error, std::string verb) {
    const Lock lock{mutex};
    calls = 0;
    fail_at_ = nth;
    fail_with_ = error;
    fail_verb_ = std::move(verb);
    failed_verb.clear();
}

bool FakeFabric::is_due(const std::string& verb, int& error) {
    ++calls_of[verb];
    if ((!fail_verb_.empty() && verb != fail_verb_) || ++calls != fail_at_) return false;
    failed_verb = verb;
    error = fail_with_;
    return true;
}

void FakeFabric::died(const void* object) {
    const auto at = std::find_if(living.begin(), living.end(), [&](const Living& one) { return one.object == object; });
    if (at == living.end())
        ADD_FAILURE() << "something was destroyed that does not exist";
    else
        living.erase(at);
}

void FakeFabric::let_data_pass() {
    const Lock lock{mutex};
    holds_data = false;
    carry_all();
}

void FakeFabric::let_established_pass() {
    const Lock lock{mutex};
    holds_established = false;
    for (FakeId* id : ids)
        if (std::exchange(id->waits_for_established, false)) queue_event(*id, RDMA_CM_EVENT_ESTABLISHED);
}

void FakeFabric::cut() {
    const Lock lock{mutex};
    is_cut = true;
    carry_all();
}

void FakeFabric::forge_completion(std::uint32_t qp_num, const ibv_wc& wc) {
    const Lock lock{mutex};
    complete(*static_cast<FakeCq*>(qps.at(qp_num)->recv_cq), wc, qp_num);
}

void FakeFabric::forge_event(std::uint32_t qp_num, rdma_cm_event_type type, int status) {
    const Lock lock{mutex};
    for (FakeId* id : ids)
        if (id->qp_num == qp_num) return queue_event(*id, type, status);
    ADD_FAILURE() << "no identifier with queue pair " << qp_num;
}

void FakeFabric::forge_async_event(std::uint32_t qp_num, ibv_event_type type) {
    const Lock lock{mutex};
    FakeQp& qp = *qps.at(qp_num);
    ibv_async_event event{};
    event.event_type = type;
    if (type == IBV_EVENT_CQ_ERR)
        event.element.cq = qp.recv_cq;
    else
        event.element.qp = &qp;
    auto& opened = *static_cast<FakeContext*>(qp.context);
    opened.events.push_back(event);
    opened.bell.ring();
}

void FakeFabric::lose_device(bool says_so) {
    const Lock lock{mutex};
    for (FakeContext* opened : contexts) {
        opened->is_gone = true;
        if (says_so) opened->events.push_back({.element = {}, .event_type = IBV_EVENT_DEVICE_FATAL});
        opened->bell.ring();
    }
}

void FakeFabric::forge_events(rdma_cm_event_type type, int status, const std::vector<std::uint8_t>& private_data) {
    const Lock lock{mutex};
    for (FakeId* id : ids) queue_event(*id, type, status, private_data);
}

void FakeFabric::forge_event_at(std::size_t place, rdma_cm_event_type type, int status,
                                const std::vector<std::uint8_t>& private_data) {
    const Lock lock{mutex};
    if (!ids.empty()) queue_event(*ids[place % ids.size()], type, status, private_data);
}

bool FakeFabric::listens(std::uint16_t port) {
    const Lock lock{mutex};
    return listener_at(port) != nullptr;
}

void FakeFabric::ask(std::uint16_t port) {
    const Lock lock{mutex};
    FakeId* const listener = listener_at(port);
    ASSERT_TRUE(listener);
    FakeId& request = make_request(*listener);
    request.route.addr.src_sin = listener->route.addr.src_sin;
    request.route.addr.dst_sin.sin_family = AF_INET;
    request.route.addr.dst_sin.sin_port = htons(next_port++);
    inet_pton(AF_INET, "10.0.0.9", &request.route.addr.dst_sin.sin_addr);
    queue_event(request, RDMA_CM_EVENT_CONNECT_REQUEST, 0,
                replaces_private_data ? replaced_private_data : padded(nullptr, 0, 56), listener);
}

void FakeFabric::give_up(std::optional<rdma_cm_event_type> event) {
    const Lock lock{mutex};
    for (FakeId* id : ids) {
        if (id->state != FakeId::State::requested) continue;
        if (FakeId* const peer = std::exchange(id->peer, nullptr)) peer->peer = nullptr;
        if (event) queue_event(*id, *event, 28);
    }
}

void FakeFabric::write_with_immediate(std::uint32_t qp_num) {
    const Lock lock{mutex};
    FakeQp& qp = *qps.at(qp_num);
    ASSERT_FALSE(qp.receives.empty());
    const Posted receive = qp.receives.front();
    qp.receives.pop_front();
    complete(qp, false, receive.id, IBV_WC_SUCCESS, IBV_WC_RECV_RDMA_WITH_IMM, 0);
}

std::size_t FakeFabric::receives_posted(std::uint32_t qp_num) {
    const Lock lock{mutex};
    return qps.at(qp_num)->receives.size();
}

}  // namespace pktverbs::testing
