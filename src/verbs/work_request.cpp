// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/verbs/work_request.hpp>

#include <arpa/inet.h>

#include <stdexcept>

#include <pktverbs/verbs/address_handle.hpp>

namespace pktverbs::verbs {

void SliceList::add(const LocalSlice& slice) {
    if (count_ == max_size) throw std::length_error{"a work request takes at most 4 slices"};
    slices_[count_++] = slice.raw();
}

SendRequest SendRequest::send_with_immediate(std::uint32_t immediate) noexcept {
    SendRequest request{IBV_WR_SEND_WITH_IMM};
    request.wr_.imm_data = htonl(immediate);
    return request;
}

SendRequest SendRequest::write(const RemoteSlice& to) noexcept {
    SendRequest request{IBV_WR_RDMA_WRITE};
    request.wr_.wr.rdma = {.remote_addr = to.address(), .rkey = to.key()};
    return request;
}

SendRequest SendRequest::write_with_immediate(const RemoteSlice& to, std::uint32_t immediate) noexcept {
    SendRequest request = write(to);
    request.wr_.opcode = IBV_WR_RDMA_WRITE_WITH_IMM;
    request.wr_.imm_data = htonl(immediate);
    return request;
}

SendRequest SendRequest::read(const RemoteSlice& from) noexcept {
    SendRequest request = write(from);
    request.wr_.opcode = IBV_WR_RDMA_READ;
    return request;
}

SendRequest SendRequest::compare_and_swap(const RemoteSlice& at, std::uint64_t expected,
                                          std::uint64_t desired) noexcept {
    SendRequest request{IBV_WR_ATOMIC_CMP_AND_SWP};
    request.wr_.wr.atomic = {.remote_addr = at.address(), .compare_add = expected, .swap = desired, .rkey = at.key()};
    return request;
}

SendRequest SendRequest::fetch_and_add(const RemoteSlice& at, std::uint64_t addend) noexcept {
    SendRequest request{IBV_WR_ATOMIC_FETCH_AND_ADD};
    request.wr_.wr.atomic = {.remote_addr = at.address(), .compare_add = addend, .swap = 0, .rkey = at.key()};
    return request;
}

SendRequest& SendRequest::to(const AddressHandle& address, std::uint32_t queue_pair, std::uint32_t qkey) noexcept {
    wr_.wr.ud = {.ah = address.raw(), .remote_qpn = queue_pair, .remote_qkey = qkey};
    return *this;
}

ibv_recv_wr* RecvRequest::chain(std::span<RecvRequest> batch) noexcept {
    ibv_recv_wr* next = nullptr;
    for (std::size_t i = batch.size(); i-- > 0;) {
        RecvRequest& request = batch[i];
        request.wr_.sg_list = request.slices_.raw();
        request.wr_.num_sge = request.slices_.size();
        request.wr_.next = next;
        next = &request.wr_;
    }
    return next;
}

}  // namespace pktverbs::verbs
