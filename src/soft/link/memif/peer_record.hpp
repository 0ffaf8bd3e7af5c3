// SPDX-License-Identifier: Apache-2.0
// PeerRecord: what a memif link's thread has learned of the peer, for any thread to read.
#pragma once

#include <exception>
#include <mutex>
#include <string_view>
#include <utility>

#include <pktverbs/soft/link_peer.hpp>

#include "soft/link/memif/message.hpp"

namespace pktverbs::soft::memif {

class PeerRecord {
public:
    LinkPeer get() const {
        const std::lock_guard lock{mutex_};
        return peer_;
    }
    void connected(LinkPeer peer) noexcept {
        const std::lock_guard lock{mutex_};
        peer.last_end = std::move(peer_.last_end);
        peer_ = std::move(peer);
        peer_.connected = true;
    }
    void disconnected() noexcept {
        const std::lock_guard lock{mutex_};
        peer_.connected = false;
    }
    /// Also of a connection that was not made. Without a reason, or memory for it, the last one stays.
    void ended(std::string_view reason) noexcept try {
        if (reason.empty()) return;
        const std::lock_guard lock{mutex_};
        peer_.last_end = reason;
    } catch (const std::exception&) {
    }

    /// The peer's own reason.
    void said(const Disconnect& message) noexcept try {
        ended(from_text(Text<96>{message.reason}));
    } catch (const std::exception&) {
    }

private:
    mutable std::mutex mutex_;
    LinkPeer peer_;
};

}  // namespace pktverbs::soft::memif
