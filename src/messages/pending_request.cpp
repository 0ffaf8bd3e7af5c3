// SPDX-License-Identifier: Apache-2.0
#include "messages/pending_request.hpp"

#include <cerrno>
#include <utility>

#include <pktverbs/verbs/error.hpp>

#include "messages/error.hpp"
#include "messages/listener_state.hpp"
#include "messages/messenger_state.hpp"

namespace pktverbs::messages {

PendingRequest::PendingRequest(MessengerState& messenger, const std::shared_ptr<ListenerState>& listener, CmId id,
                               std::span<const std::uint8_t> private_data, const Options& options)
    : messenger_{&messenger},
      id_{std::move(id)},
      peer_{*rdma_get_peer_addr(id_.get())},
      local_{*rdma_get_local_addr(id_.get())},
      private_data_{private_data.begin(), private_data.end()},
      options_{options},
      work_{std::in_place, messenger.executor()} {
    // A new id has the listener's context (rdma_get_cm_event(3)).
    id_->context = static_cast<CmIdOwner*>(this);
    messenger_->add(*this);
    listener_ = listener;
    listener->count_waiting();
}

PendingRequest::~PendingRequest() { reject({}); }

void PendingRequest::on_event(const CmEvent& event) {
    switch (event.type) {
        case RDMA_CM_EVENT_REJECTED:
        case RDMA_CM_EVENT_UNREACHABLE:
        case RDMA_CM_EVENT_CONNECT_ERROR:
        case RDMA_CM_EVENT_DISCONNECTED:
        case RDMA_CM_EVENT_TIMEWAIT_EXIT:
            return withdraw(ECONNABORTED, "the peer withdrew its request");
        case RDMA_CM_EVENT_DEVICE_REMOVAL:
            return withdraw(ENODEV, "its RDMA device was removed");
        default:
            return;
    }
}

void PendingRequest::withdraw(int error, std::string_view why) noexcept {
    withdrawal_ = caught([&] { verbs::throw_error(error, "accept a connection from " + peer_.to_string(), why); });
    id_.reset();
    work_.reset();
    // The listener returns only requests that can be accepted. If it holds this one's Request, that ends here, and
    // with it this object.
    if (const auto listener = listener_.lock()) listener->forget(*this);
}

CmId PendingRequest::take_id() noexcept {
    leave();
    return std::move(id_);
}

void PendingRequest::reject(std::string_view reason) noexcept {
    if (!messenger_) return;
    if (id_) messages::reject(messenger_->manager(), *id_, reason);
    leave();
    id_.reset();
}

void PendingRequest::leave() noexcept {
    if (!messenger_) return;
    std::exchange(messenger_, nullptr)->remove(*this);
    work_.reset();
    if (const auto listener = listener_.lock()) listener->count_answered();
}

void reject(const ConnectionManager& manager, rdma_cm_id& id, std::string_view reason) noexcept {
    // A rejection carries 148 bytes (IB specification, REJ), of which the last one is 0.
    constexpr std::size_t max_bytes = 147;
    std::size_t length = reason.size();
    if (length > max_bytes) {
        // Not within a character: every byte of one after the first is 10xxxxxx (RFC 3629, 3).
        length = max_bytes;
        while (length > 0 && (static_cast<unsigned char>(reason[length]) & 0xc0) == 0x80) --length;
    }
    manager.reject(&id, length != 0 ? reason.data() : nullptr, static_cast<std::uint8_t>(length));
}

}  // namespace pktverbs::messages
