// SPDX-License-Identifier: Apache-2.0
#include "fake_verbs.hpp"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include <pktverbs/verbs/provider.hpp>

namespace pktverbs::testing {

namespace {

FakeVerbs* self = nullptr;

void add_one(int fd) {
    const std::uint64_t one = 1;
    ASSERT_EQ(write(fd, &one, sizeof one), static_cast<ssize_t>(sizeof one));
}

/// Like a kernel read: waits, or fails with EAGAIN.
bool take_one(int fd) {
    std::uint64_t one = 0;
    return read(fd, &one, sizeof one) == static_cast<ssize_t>(sizeof one);
}

}  // namespace

struct FakeCalls {
    template <class Thing>
    static Thing* make(const char* verb, std::vector<const void*> needs) {
        self->calls.emplace_back(verb);
        if (self->is_due(verb)) {
            errno = self->way_ == FakeVerbs::Way::forgets_errno ? 0 : self->error_;
            return nullptr;
        }
        auto* const thing = new Thing{};
        std::erase(needs, nullptr);
        for (const void* need : needs) EXPECT_TRUE(self->living_.contains(need)) << verb << " on what has ended";
        self->living_[thing] = {verb, std::move(needs), 0};
        return thing;
    }
    template <class Thing>
    static int end(const char* verb, void* thing) {
        self->calls.emplace_back(verb);
        const auto at = self->living_.find(thing);
        if (at == self->living_.end()) {
            ADD_FAILURE() << verb << " of what does not exist";
            return EINVAL;
        }
        EXPECT_EQ(at->second.events, 0) << verb << " would wait for acknowledgements";
        for (const auto& [other, object] : self->living_)
            EXPECT_EQ(std::count(object.needs.begin(), object.needs.end(), thing), 0)
                << verb << " before the end of what " << object.verb << " made";
        self->living_.erase(at);
        delete static_cast<Thing*>(thing);
        return 0;
    }

    static ibv_context* open_device(ibv_device* device) {
        auto* const context = make<ibv_context>("open_device", {});
        if (!context) return nullptr;
        context->device = device;
        context->async_fd = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
        context->num_comp_vectors = 1;
        context->ops.poll_cq = poll_cq;
        context->ops.req_notify_cq = [](ibv_cq*, int) { return self->result("req_notify_cq"); };
        context->ops.post_send = post_send;
        context->ops.post_recv = [](ibv_qp*, ibv_recv_wr* wr, ibv_recv_wr** bad) { return post(wr, bad); };
        context->ops.post_srq_recv = [](ibv_srq*, ibv_recv_wr* wr, ibv_recv_wr** bad) { return post(wr, bad); };
        return context;
    }
    static int close_device(ibv_context* context) {
        close(context->async_fd);
        return end<ibv_context>("close_device", context);
    }
    static int query_device(ibv_context*, ibv_device_attr* attr) {
        *attr = self->attributes;
        return self->result("query_device");
    }
    static int query_device_ex(ibv_context*, const ibv_query_device_ex_input*, ibv_device_attr_ex* attr) {
        attr->orig_attr = self->attributes;
        attr->hca_core_clock = 7;
        return self->result("query_device_ex");
    }
    static int query_port(ibv_context*, std::uint8_t, ibv_port_attr* attr) {
        *attr = self->port;
        attr->gid_tbl_len = static_cast<int>(self->gids.size());
        return self->result("query_port");
    }
    static int query_gid(ibv_context*, std::uint8_t, int index, ibv_gid* gid) {
        *gid = self->gids.at(static_cast<std::size_t>(index)).gid;
        return self->result("query_gid");
    }
    static ssize_t query_gid_table(ibv_context*, ibv_gid_entry* entries, std::size_t max_entries, std::uint32_t) {
        if (const int result = self->result("query_gid_table")) return result > 0 ? -result : result;
        std::size_t count = 0;
        for (std::size_t index = 0; index < self->gids.size(); ++index) {
            ibv_gid_entry entry = self->gids[index];
            const bool is_empty = std::ranges::all_of(entry.gid.raw, [](std::uint8_t byte) { return byte == 0; });
            if (is_empty && !self->lists_empty_gids) continue;
            if (count == max_entries) return -EINVAL;
            if (entry.port_num == 0) entry.port_num = 1;
            entry.gid_index = static_cast<std::uint32_t>(index);
            entries[count++] = entry;
        }
        return static_cast<ssize_t>(count);
    }
    static int get_async_event(ibv_context* context, ibv_async_event* event) {
        if (self->is_due("get_async_event")) {
            errno = self->error_;
            return -1;
        }
        if (!take_one(context->async_fd)) return -1;
        *event = self->events_.front();
        self->events_.pop_front();
        self->calls.emplace_back("get_async_event");
        return 0;
    }
    static void ack_async_event(ibv_async_event*) { self->calls.emplace_back("ack_async_event"); }

    static ibv_pd* alloc_pd(ibv_context* context) {
        auto* const pd = make<ibv_pd>("alloc_pd", {context});
        if (pd) pd->context = context;
        return pd;
    }
    static int dealloc_pd(ibv_pd* pd) { return end<ibv_pd>("dealloc_pd", pd); }
    static ibv_mr* add_mr(const char* verb, ibv_pd* pd, void* addr, std::size_t length) {
        auto* const mr = make<ibv_mr>(verb, {pd, pd->context});
        if (!mr) return nullptr;
        mr->context = pd->context;
        mr->pd = pd;
        mr->addr = addr;
        mr->length = length;
        mr->lkey = 17;
        mr->rkey = 18;
        return mr;
    }
    static ibv_mr* reg_mr(ibv_pd* pd, void* addr, std::size_t length, int) {
        return add_mr("reg_mr", pd, addr, length);
    }
    static ibv_mr* reg_dmabuf_mr(ibv_pd* pd, std::uint64_t offset, std::size_t length, std::uint64_t, int, int) {
        return add_mr("reg_dmabuf_mr", pd, reinterpret_cast<void*>(offset), length);
    }
    static int dereg_mr(ibv_mr* mr) { return end<ibv_mr>("dereg_mr", mr); }
    static ibv_ah* create_ah(ibv_pd* pd, ibv_ah_attr*) { return make<ibv_ah>("create_ah", {pd, pd->context}); }
    static int destroy_ah(ibv_ah* ah) { return end<ibv_ah>("destroy_ah", ah); }
    static ibv_srq* create_srq(ibv_pd* pd, ibv_srq_init_attr* attr) {
        auto* const srq = make<ibv_srq>("create_srq", {pd, pd->context});
        if (!srq) return nullptr;
        srq->context = pd->context;
        attr->attr.max_wr += 1;  // a device may grant more
        return srq;
    }
    static int modify_srq(ibv_srq*, ibv_srq_attr*, int) { return self->result("modify_srq"); }
    static int query_srq(ibv_srq*, ibv_srq_attr* attr) {
        attr->srq_limit = 3;
        return self->result("query_srq");
    }
    static int destroy_srq(ibv_srq* srq) { return end<ibv_srq>("destroy_srq", srq); }

    static ibv_comp_channel* create_comp_channel(ibv_context* context) {
        auto* const channel = make<ibv_comp_channel>("create_comp_channel", {context});
        if (!channel) return nullptr;
        channel->context = context;
        channel->fd = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
        return channel;
    }
    static int destroy_comp_channel(ibv_comp_channel* channel) {
        close(channel->fd);
        return end<ibv_comp_channel>("destroy_comp_channel", channel);
    }
    static int get_cq_event(ibv_comp_channel* channel, ibv_cq** cq, void** cq_context) {
        if (self->is_due("get_cq_event")) {
            errno = self->error_;
            return -1;
        }
        if (!take_one(channel->fd)) return -1;
        auto& news = self->news_[channel];
        *cq = news.front();
        *cq_context = news.front()->cq_context;
        ++self->living_.at(news.front()).events;
        news.pop_front();
        return 0;
    }
    static void ack_cq_events(ibv_cq* cq, unsigned count) {
        self->calls.emplace_back("ack_cq_events");
        self->living_.at(cq).events -= static_cast<int>(count);
    }
    static ibv_cq_ex* add_cq(const char* verb, ibv_context* context, int cqe, void* cq_context,
                             ibv_comp_channel* channel) {
        auto* const cq = make<ibv_cq_ex>(verb, {context, channel});
        if (!cq) return nullptr;
        cq->context = context;
        cq->channel = channel;
        cq->cq_context = cq_context;
        cq->cqe = cqe + 1;
        return cq;
    }
    static ibv_cq* create_cq(ibv_context* context, int cqe, void* cq_context, ibv_comp_channel* channel, int) {
        auto* const cq = add_cq("create_cq", context, cqe, cq_context, channel);
        return cq ? ibv_cq_ex_to_cq(cq) : nullptr;
    }
    static ibv_cq_ex* create_cq_ex(ibv_context* context, ibv_cq_init_attr_ex* attr) {
        auto* const cq = add_cq("create_cq_ex", context, static_cast<int>(attr->cqe), attr->cq_context, attr->channel);
        if (!cq) return nullptr;
        cq->start_poll = [](ibv_cq_ex* of, ibv_poll_cq_attr*) {
            self->calls.emplace_back("start_poll");
            return self->poll_result != 0 ? self->poll_result : show(of);
        };
        cq->next_poll = [](ibv_cq_ex* of) {
            if (self->next_result != 0) return self->next_result;
            self->completions.pop_front();
            return show(of);
        };
        cq->end_poll = [](ibv_cq_ex*) {
            self->calls.emplace_back("end_poll");
            if (!self->completions.empty()) self->completions.pop_front();
        };
        cq->read_opcode = [](ibv_cq_ex*) { return self->completions.front().opcode; };
        cq->read_vendor_err = [](ibv_cq_ex*) { return self->completions.front().vendor_err; };
        cq->read_byte_len = [](ibv_cq_ex*) { return self->completions.front().byte_len; };
        cq->read_imm_data = [](ibv_cq_ex*) { return self->completions.front().imm_data; };
        cq->read_qp_num = [](ibv_cq_ex*) { return self->completions.front().qp_num; };
        cq->read_src_qp = [](ibv_cq_ex*) { return self->completions.front().src_qp; };
        cq->read_wc_flags = [](ibv_cq_ex*) { return self->completions.front().wc_flags; };
        cq->read_slid = [](ibv_cq_ex*) { return std::uint32_t{self->completions.front().slid}; };
        cq->read_sl = [](ibv_cq_ex*) { return self->completions.front().sl; };
        cq->read_dlid_path_bits = [](ibv_cq_ex*) { return self->completions.front().dlid_path_bits; };
        cq->read_completion_ts = [](ibv_cq_ex*) { return std::uint64_t{5}; };
        return cq;
    }
    static int show(ibv_cq_ex* cq) {
        if (self->completions.empty()) return ENOENT;
        cq->wr_id = self->completions.front().wr_id;
        cq->status = self->completions.front().status;
        return 0;
    }
    static int resize_cq(ibv_cq* cq, int cqe) {
        cq->cqe = cqe;
        return self->result("resize_cq");
    }
    static int destroy_cq(ibv_cq* cq) {
        for (auto& [channel, news] : self->news_) std::erase(news, cq);
        return end<ibv_cq_ex>("destroy_cq", cq);
    }
    static int poll_cq(ibv_cq*, int most, ibv_wc* wcs) {
        self->calls.emplace_back("poll_cq");
        if (self->poll_result != 0) return self->poll_result;
        int got = 0;
        for (; got < most && !self->completions.empty(); ++got) {
            wcs[got] = self->completions.front();
            self->completions.pop_front();
        }
        return got;
    }

    static ibv_qp* create_qp(ibv_pd* pd, ibv_qp_init_attr* attr) {
        auto* const qp = make<ibv_qp>("create_qp", {pd, pd->context, attr->send_cq, attr->recv_cq, attr->srq});
        if (!qp) return nullptr;
        qp->context = pd->context;
        qp->qp_num = 77;
        attr->cap.max_send_wr += 1;
        return qp;
    }
    static int query_qp(ibv_qp*, ibv_qp_attr* attr, int, ibv_qp_init_attr*) {
        attr->qp_state = self->state;
        return self->result("query_qp");
    }
    static int modify_qp(ibv_qp* qp, ibv_qp_attr* attr, int mask) {
        const int result = self->result("modify_qp");
        if (result != 0) return result;
        self->changes.emplace_back(*attr, mask);
        if ((mask & IBV_QP_STATE) != 0) self->state = qp->state = attr->qp_state;
        return 0;
    }
    static int destroy_qp(ibv_qp* qp) { return end<ibv_qp>("destroy_qp", qp); }
    static int attach_mcast(ibv_qp*, const ibv_gid*, std::uint16_t) { return self->result("attach_mcast"); }
    static int detach_mcast(ibv_qp*, const ibv_gid*, std::uint16_t) { return self->result("detach_mcast"); }

    static int post_send(ibv_qp*, ibv_send_wr* wr, ibv_send_wr** bad) {
        const std::size_t before = self->slices.size();
        const int result = post(wr, bad);
        for (std::size_t i = before; i < self->slices.size(); ++i, wr = wr->next) self->sent.push_back(*wr);
        return result;
    }
    template <class WorkRequest>
    static int post(WorkRequest* wr, WorkRequest** bad) {
        for (; wr; wr = wr->next) {
            if (self->room == 0) {
                if (self->names_refused) *bad = wr;
                return self->refusal != 0 ? self->refusal : ENOMEM;
            }
            --self->room;
            self->slices.emplace_back(wr->sg_list, wr->sg_list + wr->num_sge);
        }
        return 0;
    }
};

FakeVerbs::FakeVerbs() {
    self = this;
    port.active_mtu = IBV_MTU_1024;
    port.lid = 4;
    ibv_gid_entry entry{};
    entry.gid_type = IBV_GID_TYPE_ROCE_V2;
    entry.gid.raw[10] = entry.gid.raw[11] = 0xff;
    entry.gid.raw[12] = 10;
    entry.gid.raw[15] = 1;  // ::ffff:10.0.0.1
    gids.push_back(entry);
}

FakeVerbs::~FakeVerbs() {
    for (const auto& [object, what] : living_) ADD_FAILURE() << "what " << what.verb << " made was left";
    self = nullptr;
}

verbs::Device FakeVerbs::device(const std::string& name) {
    verbs::Device device;
    device.name = name;
    device.handle = std::make_shared<ibv_device>();
    device.provider = &provider();
    return device;
}

void FakeVerbs::fail(std::string verb, int error, Way way) {
    failing_verb_ = std::move(verb);
    error_ = error;
    way_ = way;
    failed_ = false;
}

void FakeVerbs::report(ibv_context* context, const ibv_async_event& event) {
    events_.push_back(event);
    add_one(context->async_fd);
}

void FakeVerbs::report(ibv_cq* cq) {
    news_[cq->channel].push_back(cq);
    add_one(cq->channel->fd);
}

int FakeVerbs::count(const std::string& verb) const {
    return static_cast<int>(std::count(calls.begin(), calls.end(), verb));
}

bool FakeVerbs::is_due(const char* verb) {
    const bool due = failing_verb_ == verb;
    failed_ = failed_ || due;
    return due;
}

int FakeVerbs::result(const char* verb) {
    calls.emplace_back(verb);
    if (!is_due(verb)) return 0;
    errno = way_ == Way::returns_minus_one ? error_ : 0;
    return way_ == Way::usual ? error_ : way_ == Way::returns_negative ? -error_ : -1;
}

const verbs::Provider& FakeVerbs::provider() {
    static constexpr verbs::Provider table = [] {
        verbs::Provider made{};
        made.open_device = FakeCalls::open_device;
        made.close_device = FakeCalls::close_device;
        made.query_device = FakeCalls::query_device;
        made.query_device_ex = FakeCalls::query_device_ex;
        made.query_port = FakeCalls::query_port;
        made.query_gid = FakeCalls::query_gid;
        made.query_gid_table = FakeCalls::query_gid_table;
        made.get_async_event = FakeCalls::get_async_event;
        made.ack_async_event = FakeCalls::ack_async_event;
        made.alloc_pd = FakeCalls::alloc_pd;
        made.dealloc_pd = FakeCalls::dealloc_pd;
        made.reg_mr = FakeCalls::reg_mr;
        made.reg_dmabuf_mr = FakeCalls::reg_dmabuf_mr;
        made.dereg_mr = FakeCalls::dereg_mr;
        made.create_ah = FakeCalls::create_ah;
        made.destroy_ah = FakeCalls::destroy_ah;
        made.create_srq = FakeCalls::create_srq;
        made.modify_srq = FakeCalls::modify_srq;
        made.query_srq = FakeCalls::query_srq;
        made.destroy_srq = FakeCalls::destroy_srq;
        made.create_comp_channel = FakeCalls::create_comp_channel;
        made.destroy_comp_channel = FakeCalls::destroy_comp_channel;
        made.get_cq_event = FakeCalls::get_cq_event;
        made.ack_cq_events = FakeCalls::ack_cq_events;
        made.create_cq = FakeCalls::create_cq;
        made.create_cq_ex = FakeCalls::create_cq_ex;
        made.resize_cq = FakeCalls::resize_cq;
        made.destroy_cq = FakeCalls::destroy_cq;
        made.create_qp = FakeCalls::create_qp;
        made.query_qp = FakeCalls::query_qp;
        made.modify_qp = FakeCalls::modify_qp;
        made.destroy_qp = FakeCalls::destroy_qp;
        made.attach_mcast = FakeCalls::attach_mcast;
        made.detach_mcast = FakeCalls::detach_mcast;
        return made;
    }();
    return table;
}

}  // namespace pktverbs::testing
