// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <stdexcept>
#include <utility>

#include <pktverbs/pktverbs.hpp>
#include <pktverbs/ring/block_ring.hpp>
#include <pktverbs/ring/ring_reader.hpp>
#include <pktverbs/ring/ring_receiver.hpp>

#include "path.hpp"

namespace bench {
namespace {

using namespace std::chrono_literals;
namespace pv = pktverbs;

class RingPath final : public Path {
public:
    RingPath(const std::string& device, const PathOptions& options)
        : stream_{options.shape},
          batch_{options.batch},
          ring_{pv::RingGeometry{.blocks = 16,
                                 .block_slots = options.packets / 16,
                                 .header_bytes = 0,
                                 .payload_bytes = options.shape.bytes}},
          receiving_{device, how(options)},
          sender_{device,
                  {.send_packets = options.packets, .recv_packets = pv::none, .max_packet_size = options.shape.bytes}},
          receiver_{receiving_, ring_},
          reader_{ring_} {
        if (stream_.has_flows()) throw std::invalid_argument{"there is one rule, for one flow"};
        for (const auto& rule : stream_.rules()) flows_.push_back(receiving_.install(rule));
        auto all = sender_.acquire(options.packets);
        for (auto& pkt : all) {
            stream_.prepare(pkt.buffer(), receiving_.mac());
            pkt.set_length(stream_.frame_bytes());
        }
        all.cancel();
    }

    void turn() override {
        auto packets = sender_.acquire(batch_, 1s);
        const std::size_t sent = packets.size();
        for (auto& pkt : packets) {
            pkt.set_length(stream_.frame_bytes());
            stream_.number(pkt.buffer().data());
        }
        sender_.send(std::move(packets));
        receiver_.step(0ns);
        while (const auto block = reader_.next(0ns))
            for (std::uint32_t slot = 0; slot < block.slot_count(); ++slot) {
                const auto frame = block.payload(slot);
                stream_.verify(frame.data(), frame.size());
            }
        if (sent != batch_) throw std::runtime_error{"sends did not complete"};
    }
    void check() const override { stream_.check(); }

private:
    pv::Options how(const PathOptions& options) const {
        pv::Options made{
            .send_packets = pv::none, .recv_packets = options.packets / 4, .max_packet_size = options.shape.bytes};
        made.recv_layout = ring_.recv_layout();
        return made;
    }

    Stream stream_;
    std::uint32_t batch_;
    pv::BlockRing ring_;
    pv::Context receiving_;
    pv::Context sender_;
    pv::RingReceiver receiver_;
    pv::RingReader reader_;
    std::vector<pv::Flow> flows_;
};

}  // namespace

std::unique_ptr<Path> make_ring_path(const PathOptions& options) {
    return std::make_unique<RingPath>("wire:" + unique_name(), options);
}

}  // namespace bench
