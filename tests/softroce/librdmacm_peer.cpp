// SPDX-License-Identifier: Apache-2.0
#include "librdmacm_peer.hpp"

#include <gtest/gtest.h>
#include <rdma/rdma_cma.h>
#include <rdma/rdma_verbs.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace pktverbs::testing {

namespace {

ibv_qp_init_attr attributes() {
    ibv_qp_init_attr attr{};
    attr.qp_type = IBV_QPT_RC;
    attr.cap = {128, 128, 1, 1, 0};
    attr.sq_sig_all = 1;
    return attr;
}

}  // namespace

LibrdmacmPeer::LibrdmacmPeer(const std::string& address, std::size_t messages) {
    rdma_addrinfo hints{};
    hints.ai_flags = RAI_PASSIVE;
    hints.ai_port_space = RDMA_PS_TCP;
    rdma_addrinfo* info = nullptr;
    EXPECT_EQ(rdma_getaddrinfo(address.c_str(), "12345", &hints, &info), 0);
    rdma_cm_id* listener = nullptr;
    ibv_qp_init_attr attr = attributes();
    EXPECT_EQ(rdma_create_ep(&listener, info, nullptr, &attr), 0) << strerror(errno);
    rdma_freeaddrinfo(info);
    EXPECT_EQ(rdma_listen(listener, 1), 0);
    thread_ = std::thread{[this, listener, messages] { serve(listener, messages); }};
}

void LibrdmacmPeer::serve(rdma_cm_id* listener, std::size_t messages) {
    constexpr std::size_t most = 4096;
    std::array<char, most> buffer{};
    rdma_cm_id* id = nullptr;
    ASSERT_EQ(rdma_get_request(listener, &id), 0);
    ibv_mr* const region = rdma_reg_msgs(id, buffer.data(), buffer.size());
    ASSERT_TRUE(region);
    ASSERT_EQ(rdma_accept(id, nullptr), 0);
    ibv_wc wc{};
    while (received_.size() < messages) {
        ASSERT_EQ(rdma_post_recv(id, nullptr, buffer.data(), buffer.size(), region), 0);
        ASSERT_EQ(rdma_get_recv_comp(id, &wc), 1);
        ASSERT_EQ(wc.status, IBV_WC_SUCCESS);
        received_.emplace_back(buffer.data(), wc.byte_len);
    }
    ASSERT_EQ(rdma_post_send(id, nullptr, buffer.data(), wc.byte_len, region, 0), 0);
    ASSERT_EQ(rdma_get_send_comp(id, &wc), 1);
    EXPECT_EQ(wc.status, IBV_WC_SUCCESS);
    // Until the client has left: it flushes this.
    ASSERT_EQ(rdma_post_recv(id, nullptr, buffer.data(), buffer.size(), region), 0);
    rdma_cm_event* event = nullptr;
    while (rdma_get_cm_event(id->channel, &event) == 0) {
        const rdma_cm_event_type type = event->event;
        rdma_ack_cm_event(event);
        if (type == RDMA_CM_EVENT_DISCONNECTED) break;
    }
    rdma_disconnect(id);
    rdma_dereg_mr(region);
    rdma_destroy_ep(id);
    rdma_destroy_ep(listener);
}

}  // namespace pktverbs::testing
