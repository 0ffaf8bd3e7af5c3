// SPDX-License-Identifier: Apache-2.0
// PendingRequest: what is behind a Request: an id that waits for an answer.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include <pktverbs/messages/address.hpp>
#include <pktverbs/messages/options.hpp>

#include "messages/cm_id.hpp"
#include "messages/loop.hpp"

namespace pktverbs::messages {

class PendingRequest {
public:
    PendingRequest(Loop& loop, CmId id, std::span<const std::uint8_t> private_data, const Options& options)
        : loop_{&loop},
          id_{std::move(id)},
          peer_{*rdma_get_peer_addr(id_.get())},
          local_{*rdma_get_local_addr(id_.get())},
          private_data_{private_data.begin(), private_data.end()},
          options_{options} {
        loop_->add(*this);
    }
    PendingRequest(const PendingRequest&) = delete;
    PendingRequest& operator=(const PendingRequest&) = delete;
    ~PendingRequest() { reject({}); }

    const Address& peer() const noexcept { return peer_; }
    const Address& local() const noexcept { return local_; }
    std::span<const std::uint8_t> private_data() const noexcept { return private_data_; }
    const Options& options() const noexcept { return options_; }

    /// Null once it is answered.
    Loop* loop() const noexcept { return loop_; }
    CmId take_id() noexcept {
        leave();
        return std::move(id_);
    }
    void reject(std::string_view reason) noexcept {
        // What the connection manager carries in a rejection: 148 bytes (IB specification, REJ), the last one 0.
        constexpr std::size_t most = 147;
        if (!loop_) return;
        const auto length = static_cast<std::uint8_t>(std::min(reason.size(), most));
        loop_->manager().reject(id_.get(), length != 0 ? reason.data() : nullptr, length);
        leave();
        id_.reset();
    }
    /// The loop ends.
    void expire() noexcept { reject({}); }

private:
    void leave() noexcept {
        if (loop_) loop_->remove(*this);
        loop_ = nullptr;
    }

    Loop* loop_;
    CmId id_;
    Address peer_;
    Address local_;
    std::vector<std::uint8_t> private_data_;
    Options options_;
};

}  // namespace pktverbs::messages
