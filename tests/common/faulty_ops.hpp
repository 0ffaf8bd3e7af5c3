// SPDX-License-Identifier: Apache-2.0
// FaultyOps: a context's data-path verbs, which fail on request.
#pragma once

#include <infiniband/verbs.h>

#include <algorithm>
#include <atomic>
#include <limits>

#include <pktverbs/context.hpp>

namespace pktverbs::testing {

/// One at a time; ends before its context does.
class FaultyOps {
public:
    static constexpr int always = std::numeric_limits<int>::max();

    explicit FaultyOps(Context& ctx) : FaultyOps(ctx.raw()) {}
    explicit FaultyOps(ibv_context* context) : context_{context}, real_{context->ops} {
        self = this;
        context->ops.poll_cq = poll_cq;
        context->ops.req_notify_cq = req_notify_cq;
        context->ops.post_send = post_send;
        context->ops.post_recv = post_recv;
    }
    ~FaultyOps() {
        if (context_) context_->ops = real_;
    }
    /// The context has already ended.
    void forget() { context_ = nullptr; }
    FaultyOps(const FaultyOps&) = delete;
    FaultyOps& operator=(const FaultyOps&) = delete;

    int good_polls = always;  ///< then `bad_polls` fail
    int bad_polls = 0;
    int bad_notifies = 0;              ///< the next ones fail
    int recv_takes = always;           ///< packets until post_recv refuses
    int send_takes = always;           ///< packets until post_send refuses
    const ibv_cq* withheld = nullptr;  ///< completions stay in this queue
    int error = EIO;
    int send_posts = 0;  ///< calls
    int recv_posts = 0;
    std::atomic<int> polls{0};

private:
    static inline FaultyOps* self = nullptr;

    static int poll_cq(ibv_cq* cq, int count, ibv_wc* wcs) {
        ++self->polls;
        if (self->good_polls == 0 && self->bad_polls > 0) {
            --self->bad_polls;
            return -self->error;
        }
        if (self->good_polls != always && self->good_polls > 0) --self->good_polls;
        return cq == self->withheld ? 0 : self->real_.poll_cq(cq, count, wcs);
    }
    static int req_notify_cq(ibv_cq* cq, int solicited) {
        if (self->bad_notifies == 0) return self->real_.req_notify_cq(cq, solicited);
        --self->bad_notifies;
        return self->error;
    }
    static int post_send(ibv_qp* qp, ibv_send_wr* wr, ibv_send_wr** bad) {
        ++self->send_posts;
        return post_some(self->send_takes, qp, wr, bad, self->real_.post_send);
    }
    static int post_recv(ibv_qp* qp, ibv_recv_wr* wr, ibv_recv_wr** bad) {
        ++self->recv_posts;
        return post_some(self->recv_takes, qp, wr, bad, self->real_.post_recv);
    }

    template <class Wr>
    static int post_some(int& takes, ibv_qp* qp, Wr* wr, Wr** bad, int (*post)(ibv_qp*, Wr*, Wr**)) {
        if (takes == always) return post(qp, wr, bad);
        Wr* last = nullptr;
        for (*bad = wr; *bad && takes > 0; --takes, *bad = (*bad)->next) last = *bad;
        if (!*bad) return post(qp, wr, bad);
        if (last) {
            Wr* none = nullptr;
            last->next = nullptr;
            const int result = post(qp, wr, &none);
            last->next = *bad;
            if (result != 0) return result;
        }
        return self->error;
    }

    ibv_context* context_;
    ibv_context_ops real_;
};

}  // namespace pktverbs::testing
