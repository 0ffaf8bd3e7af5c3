// SPDX-License-Identifier: Apache-2.0
// MetricsServer: a text over HTTP, for a scraper.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

namespace tool {

/// Answers every request with the last text, in a thread of its own: a client that is slow, silent or gone harms
/// nobody, and is given up after a second.
class MetricsServer {
public:
    /// Listens on an IPv4 or IPv6 address. Throws std::system_error: EINVAL for what is no address.
    MetricsServer(const std::string& address, std::uint16_t port);
    MetricsServer(const MetricsServer&) = delete;
    MetricsServer& operator=(const MetricsServer&) = delete;
    ~MetricsServer();

    void set(std::string text);

private:
    void serve(const std::stop_token& stop);
    void answer(int client);

    int listening_ = -1;
    int wake_ = -1;  // an eventfd that ends the thread's wait
    std::mutex mutex_;
    std::string text_;  // guarded by mutex_
    std::jthread thread_;
};

}  // namespace tool
