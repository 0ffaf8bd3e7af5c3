// SPDX-License-Identifier: Apache-2.0
// Any messages to a memif server and a memif client: what they agree on lies within what was offered.
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <span>
#include <utility>

#include "soft/link/memif/handshake.hpp"
#include "soft/link/memif/regions.hpp"
#include "soft/link/memif/ring.hpp"

namespace {

using namespace pktverbs;
using namespace pktverbs::soft::memif;

void expect(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "not so: %s\n", what);
    std::abort();
}

/// One byte before each message: whether a descriptor comes with it, and whether it is cut off.
template <class Give>
void give_all(std::span<const std::uint8_t> data, Give&& give) {
    while (!data.empty()) {
        const std::uint8_t how = data[0];
        data = data.subspan(1);
        std::size_t size = std::min(sizeof(Message), data.size());
        // What is not there is zero: short inputs have whole messages.
        Message message = Message::of(MessageType{});
        std::copy_n(data.begin(), size, reinterpret_cast<std::uint8_t*>(&message));
        data = data.subspan(size);
        const std::size_t given = (how & 2) != 0 ? how / 4 : sizeof message;
        give(std::as_bytes(std::span{&message, 1}).first(std::min(given, sizeof message)), (how & 1) != 0);
    }
}

void check_step(const Step& step) {
    const bool disconnects = step.reply && step.reply->message.type == MessageType::disconnect;
    expect(!disconnects || step.progress == Step::Progress::refused, "only who refuses disconnects");
}

void check_offer(const Offer& offer) {
    expect(!offer.regions.empty() && offer.regions.size() <= ServerHandshake::max_regions, "the number of regions");
    for (const auto& region : offer.regions) expect(static_cast<bool>(region.memory), "every region has memory");
    for (const auto* rings : {&offer.to_server, &offer.to_client}) {
        expect(!rings->empty() && rings->size() <= 2, "the number of rings");
        for (const auto& ring : *rings) {
            expect(static_cast<bool>(ring.event), "every ring has an event");
            expect(ring.log2_slots <= Ring::max_log2_slots && ring.offset % Ring::alignment == 0, "a ring's form");
            expect(ring.region < offer.regions.size() &&
                       Ring::bytes(ring.log2_slots) + ring.offset <= offer.regions[ring.region].bytes,
                   "a ring lies in its region");
        }
    }
}

void serve(std::span<const std::uint8_t> data) {
    ServerHandshake server{HelloLimits{.rings = 2}, [](std::uint32_t id) -> std::optional<Terms> {
                               if (id > 1) return std::nullopt;
                               return Terms{.id = id, .secret = id == 1 ? "x" : "", .max_rings = 2};
                           }};
    static const int event = eventfd(0, EFD_CLOEXEC);
    give_all(data, [&](std::span<const std::byte> message, bool with_fd) {
        const Step step = server.receive(message, with_fd ? FileDescriptor{dup(event)} : FileDescriptor{});
        check_step(step);
        if (step.progress == Step::Progress::ready) check_offer(server.take_offer());
    });
}

void connect(std::span<const std::uint8_t> data) {
    ClientHandshake client{ClientTerms{.rings = 2, .log2_slots = 4}};
    static const Offer offer = make_offer({2, 2, 4, 64});
    give_all(data, [&](std::span<const std::byte> message, bool) {
        Step step = client.receive(message);
        check_step(step);
        if (step.progress != Step::Progress::agreed) return;
        expect(client.rings_to_server() >= 1 && client.rings_to_server() <= 2, "no more rings than asked for");
        expect(client.log2_slots() <= 4, "no longer rings than asked for");
        check_step(client.offer(offer));
    });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    (data[0] % 2 == 0 ? serve : connect)({data + 1, size - 1});
    return 0;
}
