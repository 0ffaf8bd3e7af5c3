// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <stdexcept>
#include <thread>
#include <utility>

#include <pktverbs/pktverbs.hpp>

#include "path.hpp"

namespace bench {
namespace {

using namespace std::chrono_literals;
namespace pv = pktverbs;

struct Ends {
    std::string receiver;
    std::string sender;
};
Ends ends_of(const std::string& link) {
    const std::string name = unique_name();
    if (link == "memif") return {"memif:@" + name + "?role=server", "memif:@" + name};
    return {link + ":" + name, link + ":" + name};
}

class ContextPath final : public Path {
public:
    ContextPath(const Ends& ends, const PathOptions& options)
        : stream_{shape_of(options)},
          batch_{options.batch},
          receiver_{ends.receiver, how(options, pv::none, options.packets)},
          sender_{ends.sender, how(options, options.packets, pv::none)} {
        for (const auto& rule : stream_.rules())
            flows_.push_back(receiver_.install(rule, flows_.size() % options.queues));
        auto all = sender_.acquire(options.packets);
        for (auto& pkt : all) {
            stream_.prepare(pkt.buffer(), receiver_.mac());
            pkt.set_length(stream_.frame_bytes());
        }
        all.cancel();
        wait_until_up();
    }

    void turn() override {
        auto packets = sender_.acquire(batch_, 1s);
        const std::size_t sent = packets.size();
        for (auto& pkt : packets) {
            pkt.set_length(stream_.frame_bytes());
            stream_.number(pkt.buffer().data());
        }
        if (stream_.has_flows())
            for (auto& pkt : packets) stream_.choose_flow(pkt.buffer().data());
        sender_.send(std::move(packets));
        std::size_t received = 0;
        for (int tries = 0; received < sent && tries < patience; ++tries) {
            auto list = receiver_.recv(0ns);
            for (const auto& pkt : list) stream_.verify(pkt.bytes().data(), pkt.length());
            received += list.size();
        }
        if (sent != batch_ || received != sent) throw std::runtime_error{"a batch did not come as a whole"};
    }
    void check() const override { stream_.check(); }

private:
    static constexpr int patience = 1'000'000;

    /// A batch is of one flow where there are several queues, so that its frames stay in order.
    static Shape shape_of(const PathOptions& options) {
        Shape shape = options.shape;
        if (options.queues > 1) shape.run = options.batch;
        return shape;
    }
    static pv::Options how(const PathOptions& options, std::uint32_t send, std::uint32_t recv) {
        return {.send_packets = send,
                .recv_packets = recv,
                .max_packet_size = options.shape.bytes,
                .queues = recv == pv::none ? 1 : options.queues,
                .max_batch = recv == pv::none ? 0 : options.batch,
                .wait = pv::WaitMode::busy_poll};
    }
    void wait_until_up() {
        const auto limit = std::chrono::steady_clock::now() + 10s;
        while (sender_.port().state != IBV_PORT_ACTIVE || receiver_.port().state != IBV_PORT_ACTIVE) {
            if (std::chrono::steady_clock::now() > limit) throw std::runtime_error{"the ends did not meet"};
            std::this_thread::sleep_for(1ms);
        }
    }

    Stream stream_;
    std::uint32_t batch_;
    pv::Context receiver_;
    pv::Context sender_;
    std::vector<pv::Flow> flows_;
};

}  // namespace

std::unique_ptr<Path> make_context_path(const std::string& link, const PathOptions& options) {
    return std::make_unique<ContextPath>(ends_of(link), options);
}

}  // namespace bench
