// SPDX-License-Identifier: Apache-2.0
// LibrdmacmPeer: a server that knows librdmacm only, with one receive of 4096 bytes at a time, posted when it is
// connected, and no private data.
#pragma once

#include <cstddef>
#include <string>
#include <thread>
#include <vector>

struct rdma_cm_id;

namespace pktverbs::testing {

/// Receives so many messages in a thread of its own, answers the last one with itself, and waits for the goodbye.
class LibrdmacmPeer {
public:
    LibrdmacmPeer(const std::string& address, std::size_t messages);
    ~LibrdmacmPeer() { join(); }
    void join() {
        if (thread_.joinable()) thread_.join();
    }
    /// After join().
    const std::vector<std::string>& received() const noexcept { return received_; }

private:
    void serve(rdma_cm_id* listener, std::size_t messages);
    std::vector<std::string> received_;
    std::thread thread_;
};

}  // namespace pktverbs::testing
