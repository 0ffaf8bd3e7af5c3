// SPDX-License-Identifier: Apache-2.0
// The xdp link's receiver on its socket's rings, whose indices the kernel publishes one after the other.
#include <gtest/gtest.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <memory>
#include <numeric>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "cable.hpp"
#include "frame_sender.hpp"
#include "interface/interface.hpp"
#include "network_namespace.hpp"
#include "soft/link/xdp/attachment.hpp"
#include "soft/link/xdp/receiver.hpp"
#include "soft/link/xdp/socket.hpp"

namespace pktverbs::soft::xdp {
namespace {

using test::NetworkNamespace;
using test::patience;
using test::VethPair;

FlowMatch all_default() {
    FlowMatch flow;
    flow.type = IBV_FLOW_ATTR_ALL_DEFAULT;
    return flow;
}

/// A receiver of all frames that come to the right end. Opened in its namespace.
struct OpenReceiver {
    explicit OpenReceiver(const std::string& name) : interface { Interface::find(name) } {
        attachment.attach(*interface);
        attachment.add_socket(*interface, 0, socket.fd());
        const FlowMatch flow = all_default();
        const std::array flows{&flow};
        EXPECT_EQ(attachment.set_flows(flows), 0);
    }
    /// Takes this many frames, and gives their buffers back one by one.
    void take(std::uint32_t count) {
        std::array<RxFrame, 1> frame;
        for (std::uint32_t taken = 0; taken < count;) {
            if (receiver.take(frame) == 1) {
                receiver.release();
                ++taken;
                continue;
            }
            pollfd waited{socket.fd(), POLLIN, 0};
            ASSERT_EQ(::poll(&waited, 1, static_cast<int>(std::chrono::milliseconds{patience}.count())), 1);
        }
    }
    /// Waits until the kernel has published that this many buffers have left the fill ring.
    void await_buffers_left(std::uint32_t count) const {
        const auto limit = std::chrono::steady_clock::now() + patience;
        while (__atomic_load_n(socket.to_fill.consumer, __ATOMIC_ACQUIRE) != count) {
            ASSERT_LT(std::chrono::steady_clock::now(), limit);
            std::this_thread::yield();
        }
    }
    /// The numbers of the buffers that the kernel has to receive to.
    std::vector<std::uint64_t> kernels_buffers() {
        std::vector<std::uint64_t> numbers;
        for (std::uint32_t at = *socket.to_fill.consumer; at != *socket.to_fill.producer; ++at)
            numbers.push_back(*xsk_ring_prod__fill_addr(&socket.to_fill, at) / socket.buffer_bytes());
        std::ranges::sort(numbers);
        return numbers;
    }

    std::shared_ptr<const Interface> interface;
    Settings settings{.log2_buffers = 6};
    Attachment attachment{*interface, 1};
    Socket socket{*interface, settings, {.queue = 0, .sends = false, .is_multi_buffer = false}};
    Receiver receiver{socket};
};

// A frame whose buffer still seems to be in the fill ring: then all places of a ring with one for each buffer seem to
// be taken, and a receiver that writes to one all the same gives one buffer twice and another one never.
TEST(XdpReceiver, GivesEachBufferBackOnceThoughTheKernelIsLateToPublish) {
    if (!NetworkNamespace::unavailable().empty()) GTEST_SKIP() << "NOT TESTED: " << NetworkNamespace::unavailable();
    const VethPair veth;
    std::unique_ptr<OpenReceiver> end;
    try {
        end = veth.right.run([&] { return std::make_unique<OpenReceiver>(veth.right.interface); });
    } catch (const std::system_error& error) {
        const int code = error.code().value();
        if (code != EPERM && code != EAFNOSUPPORT && code != EOPNOTSUPP) throw;
        GTEST_SKIP() << "NOT TESTED: needs AF_XDP: " << error.what();
    }
    std::vector<std::uint64_t> all(end->socket.receive_buffers());
    std::iota(all.begin(), all.end(), 0);

    const test::FrameSender sender{veth};
    const std::vector<std::uint8_t> frame(60, 0xff);
    const auto send = [&](int count) {
        for (int i = 0; i < count; ++i) sender.send(frame);
    };
    // The places of the next buffers are then not those that they have left in the first round.
    send(3);
    end->take(3);
    end->await_buffers_left(3);
    EXPECT_EQ(end->kernels_buffers(), all);

    std::uint32_t late = 3;
    std::uint32_t* const kernels = std::exchange(end->socket.to_fill.consumer, &late);
    send(5);
    end->take(5);
    end->socket.to_fill.consumer = kernels;
    end->await_buffers_left(8);
    EXPECT_EQ(end->kernels_buffers(), all);
    // The next ones, too.
    send(2);
    end->take(2);
    end->await_buffers_left(10);
    EXPECT_EQ(end->kernels_buffers(), all);
}

}  // namespace
}  // namespace pktverbs::soft::xdp
