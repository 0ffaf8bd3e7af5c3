// SPDX-License-Identifier: Apache-2.0
#include "node.hpp"

#include <poll.h>
#include <stdio.h>

#include <array>
#include <cerrno>
#include <memory>
#include <system_error>

#include "softroce.hpp"

namespace pktverbs::testing {

namespace {

/// Before any fixture opens a device that isn't there.
class Machine : public ::testing::Environment {
    void SetUp() override {
        if (!in_machine()) GTEST_SKIP() << "NOT TESTED: run this with scripts/softroce";
    }
};
[[maybe_unused]] const auto* const machine = ::testing::AddGlobalTestEnvironment(new Machine);

}  // namespace

bool wait_readable(int fd) {
    pollfd wanted{fd, POLLIN, 0};
    return ::poll(&wanted, 1, static_cast<int>(std::chrono::milliseconds{patience}.count())) == 1;
}

std::vector<verbs::AsyncEvent> events_until(verbs::OpenDevice& device, ibv_event_type type) {
    std::vector<verbs::AsyncEvent> events;
    while (wait_readable(device.async_fd()))
        while (const auto event = device.next_event()) {
            events.push_back(*event);
            if (event->type == type) return events;
        }
    ADD_FAILURE() << "no event: " << ibv_event_type_str(type);
    return events;
}

std::optional<verbs::AsyncEvent> wait_event(verbs::OpenDevice& device) {
    while (wait_readable(device.async_fd()))
        while (const auto event = device.next_event())
            if (event->type != IBV_EVENT_GID_CHANGE) return event;
    ADD_FAILURE() << "no event on " << device.device().name;
    return std::nullopt;
}

std::string run(const std::string& command) {
    const std::unique_ptr<FILE, int (*)(FILE*)> pipe{popen((command + " 2>&1").c_str(), "r"), [](FILE*) { return 0; }};
    if (!pipe) throw std::system_error{errno, std::generic_category(), "popen"};
    std::string text;
    std::array<char, 4096> part;
    while (const std::size_t got = fread(part.data(), 1, part.size(), pipe.get())) text.append(part.data(), got);
    EXPECT_EQ(pclose(pipe.get()), 0) << command << ": " << text;
    return text;
}

}  // namespace pktverbs::testing
