// SPDX-License-Identifier: Apache-2.0
// PendingRequest: what is behind a Request: an id that waits for an answer.
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

/// The owner of its id's events from the start: the listener that brought it may end before the answer.
class PendingRequest final : public CmIdOwner {
public:
    PendingRequest(MessengerState& messenger, const std::shared_ptr<ListenerState>& listener, CmId id,
                   std::span<const std::uint8_t> private_data, const Options& options);
    PendingRequest(const PendingRequest&) = delete;
    PendingRequest& operator=(const PendingRequest&) = delete;
    ~PendingRequest();

    /// May end this, with the Request in the listener that it is behind.
    void on_event(const CmEvent& event) override;

    const Address& peer() const noexcept { return peer_; }
    const Address& local() const noexcept { return local_; }
    std::span<const std::uint8_t> private_data() const noexcept { return private_data_; }
    const Options& options() const noexcept { return options_; }

    /// Null once it is answered.
    MessengerState* messenger() const noexcept { return messenger_; }
    /// Why nobody waits for the answer any more; null while somebody does.
    const std::exception_ptr& withdrawal() const noexcept { return withdrawal_; }
    /// Null if nobody waits for the answer.
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

/// With the reason, as far as a rejection carries it. Whoever owns the id still has to end it.
void reject(const ConnectionManager& manager, rdma_cm_id& id, std::string_view reason) noexcept;

}  // namespace pktverbs::messages
