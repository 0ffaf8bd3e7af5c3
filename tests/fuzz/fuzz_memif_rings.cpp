// SPDX-License-Identifier: Apache-2.0
// Any words in the shared memory of a memif connection, between any calls, as server and as client: nothing outside of
// the regions is written, and every call ends.
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "soft/link/memif/connection.hpp"

namespace {

using namespace pktverbs;
using namespace pktverbs::soft;
using namespace pktverbs::soft::memif;

void expect(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "not so: %s\n", what);
    std::abort();
}

constexpr OfferShape shape{1, 1, 2, 64};
constexpr std::uint32_t max_frame = 300;
constexpr std::byte canary{0xc5};

/// The memory of an offer, as the peer has it. As a server's, its region ends before the memory does.
class PeersMemory {
public:
    explicit PeersMemory(const Offer& offer) : bytes_{offer.regions[0].bytes} {
        void* const base = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_SHARED, offer.regions[0].memory.get(), 0);
        if (base == MAP_FAILED) std::abort();
        base_ = static_cast<std::byte*>(base);
        std::fill(base_ + bytes_, base_ + mapped, canary);
    }
    PeersMemory(const PeersMemory&) = delete;
    PeersMemory& operator=(const PeersMemory&) = delete;
    ~PeersMemory() { munmap(base_, mapped); }

    void write(std::size_t word, std::uint16_t value) {
        const std::size_t words = 2 * shape.ring_stride() / sizeof value;
        std::memcpy(base_ + word % words * sizeof value, &value, sizeof value);
    }
    void set_cookies() {
        for (std::size_t i = 0; i < 2; ++i) Ring{base_ + i * shape.ring_stride(), shape.log2_slots}.set_cookie();
    }
    void check() const {
        expect(std::all_of(base_ + bytes_, base_ + mapped, [](std::byte byte) { return byte == canary; }),
               "nothing is written behind the region");
    }

    static constexpr std::size_t mapped = 8192;

private:
    std::byte* base_;
    std::size_t bytes_;
};

std::unique_ptr<Connection> make(bool as_server, Offer& offer, PeersMemory& memory) {
    const FrameForm form{Mode::ethernet, {}, max_frame};
    if (!as_server) return Connection::bring(offer, shape, form);
    memory.set_cookies();
    return Connection::serve(std::move(offer), form);
}

void send(Connection& connection, std::uint32_t length) {
    static const std::vector<std::uint8_t> frame(70000, 0x77);
    const ibv_sge sges[] = {{reinterpret_cast<std::uint64_t>(frame.data()), 10, 0},
                            {reinterpret_cast<std::uint64_t>(frame.data()), 0, 0},
                            {reinterpret_cast<std::uint64_t>(frame.data()), length - 10, 0}};
    const TxFrame scattered{sges, 3, length, false, nullptr};
    const ibv_sge sge{reinterpret_cast<std::uint64_t>(frame.data()), length, 0};
    const TxFrame whole{&sge, 1, length, false, nullptr};
    const std::array<TxFrame, 3> frames{scattered, whole, scattered};
    const std::size_t taken = connection.send_rings()[0].send(frames);
    expect(taken <= frames.size(), "no more frames are taken than there are");
}

void take(Connection& connection) {
    std::array<RxFrame, 8> frames;
    std::vector<std::uint8_t> room(2 * max_frame);
    const std::size_t taken = connection.take(frames, room);
    expect(taken <= 4, "a ring has no more frames than slots");
    for (const RxFrame& frame : std::span{frames}.first(taken)) {
        expect(frame.length > 0 && frame.length <= max_frame, "a frame's length");
        const auto in_room = [&](const std::uint8_t* bytes, std::uint32_t count) {
            return bytes >= room.data() && bytes + count <= room.data() + room.size();
        };
        expect(in_room(frame.data, frame.length) == !frame.head, "a frame's place");
        expect(!frame.head || (frame.length >= RxFrame::head_bytes && in_room(frame.head, RxFrame::head_bytes)),
               "a head's place");
        const std::vector<std::uint8_t> readable{frame.data, frame.data + frame.length};
        expect(readable.size() == frame.length, "its bytes are there");
    }
    connection.release();
}

}  // namespace

/// Four bytes for each step: what, which, and a value.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    Offer offer = make_offer(shape);
    expect(offer.regions[0].bytes <= PeersMemory::mapped - 1, "it has room for canaries");
    if (ftruncate(offer.regions[0].memory.get(), PeersMemory::mapped) != 0) std::abort();
    PeersMemory memory{offer};
    const auto connection = make(data[0] % 2 == 0, offer, memory);
    connection->start();
    for (std::span script{data + 1, size - 1}; script.size() >= 4; script = script.subspan(4)) {
        const auto value = static_cast<std::uint16_t>(script[2] | script[3] << 8);
        switch (script[0] % 8) {
            case 0:
                send(*connection, 14U + value);
                break;
            case 1:
                take(*connection);
                break;
            case 2:
                connection->want_events(value % 2 == 0);
                connection->has_frames();
                break;
            case 3:
                expect(connection->count_left_over() <= 4, "no more is left over than a ring holds");
                break;
            case 4:
                if (value == 0) connection->freeze();
                break;
            default:
                memory.write(script[1], value);
        }
    }
    memory.check();
    return 0;
}
