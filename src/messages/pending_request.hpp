// SPDX-License-Identifier: Apache-2.0
// PendingRequest: the state of a Request: an id that waits for an answer.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <pktverbs/async/work.hpp>
#include <pktverbs/messages/address.hpp>
#include <pktverbs/messages/options.hpp>

#include "messages/cm_id.hpp"

namespace pktverbs::messages {

class ListenerState;
class MessengerState;

/// Gets its id's events from the start, since the listener may end before the answer.
class PendingRequest final : public CmIdOwner {
public:
    PendingRequest(MessengerState& messenger, const std::shared_ptr<ListenerState>& listener, CmId id,
                   std::span<const std::uint8_t> private_data, const Options& options);
    PendingRequest(const PendingRequest&) = delete;
    PendingRequest& operator=(const PendingRequest&) = delete;
    ~PendingRequest();

    /// May destroy this object, with its Request in the listener.
    void on_event(const CmEvent& event) override;

    const Address& peer() const noexcept { return peer_; }
    const Address& local() const noexcept { return local_; }
    std::span<const std::uint8_t> private_data() const noexcept { return private_data_; }
    const Options& options() const noexcept { return options_; }

    /// Null once it is answered.
    MessengerState* messenger() const noexcept { return messenger_; }
    /// Why the peer no longer waits for the answer; null while it waits.
    const std::exception_ptr& withdrawal() const noexcept { return withdrawal_; }
    /// Null if the peer no longer waits for the answer.
    CmId take_id() noexcept;
    void reject(std::string_view reason) noexcept;
    /// The messenger ends.
    void expire() noexcept { reject({}); }

private:
    void withdraw(int error, std::string_view why) noexcept;
    void leave() noexcept;

    MessengerState* messenger_;
    std::weak_ptr<ListenerState> listener_;
    CmId id_;
    Address peer_;
    Address local_;
    std::vector<std::uint8_t> private_data_;
    Options options_;
    std::exception_ptr withdrawal_;
    std::optional<async::Work> work_;  ///< while the peer waits
};

/// Rejects with as much of the reason as a rejection carries. The id still belongs to its owner.
void reject(const ConnectionManager& manager, rdma_cm_id& id, std::string_view reason) noexcept;

}  // namespace pktverbs::messages
