// SPDX-License-Identifier: Apache-2.0
// LibrdmacmPeer: a server that uses librdmacm only, with one receive of 4096 bytes at a time, posted when it is
// connected, and no private data.
#pragma once

#include <cstddef>
#include <string>
#include <thread>
#include <vector>

struct rdma_cm_id;

namespace pktverbs::testing {

/// Receives this many messages in another thread, echoes the last one, and waits for the disconnect.
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
