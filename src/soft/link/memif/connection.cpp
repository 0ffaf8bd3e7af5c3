// SPDX-License-Identifier: Apache-2.0
#include "soft/link/memif/connection.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/core.h>

#include "soft/link/memif/refusal.hpp"

namespace pktverbs::soft::memif {

namespace {

/// A peer may send any descriptor. Writing to a socket or pipe could end this process (SIGPIPE), and a file would
/// grow; an eventfd is one of the few that have no file type (fs/anon_inodes.c).
void check_event(const FileDescriptor& event) {
    struct stat status {};
    if (fstat(event.get(), &status) != 0 || (status.st_mode & S_IFMT) != 0)
        throw Refusal{"a ring's descriptor is no eventfd"};
    const int flags = fcntl(event.get(), F_GETFL);
    if (flags < 0 || fcntl(event.get(), F_SETFL, flags | O_NONBLOCK) != 0)
        throw Refusal{"a ring's eventfd can't be made non-blocking"};
}

}  // namespace

Connection::Connection(const Offer& offer, bool owner) : owner_{owner} {
    for (const OfferedRegion& region : offer.regions) regions_.add(region);
}

Ring Connection::find_ring(const OfferedRing& offered) const {
    std::byte* const base = regions_.find(offered.region, offered.offset, Ring::bytes(offered.log2_slots));
    if (!base) throw Refusal{"a ring reaches out of its region"};
    return {base, offered.log2_slots};
}

void Connection::add_rings(std::vector<OfferedRing> sending, std::vector<OfferedRing> receiving,
                           const OfferShape* shape, const FrameForm& form) {
    const auto buffers = [&](std::size_t ring) -> std::optional<OwnBuffers> {
        if (!shape) return std::nullopt;
        const auto offset = static_cast<std::uint32_t>(shape->buffers_at(ring));
        return OwnBuffers{regions_.find(0, offset, 0), offset, shape->buffer_bytes, shape->buffer_stride()};
    };
    std::size_t index = 0;
    send_.reserve(sending.size());
    for (OfferedRing& offered : sending) {
        rings_.push_back(find_ring(offered));
        send_.emplace_back(rings_.back(), regions_, buffers(index++), std::move(offered.event), form.mode);
    }
    for (OfferedRing& offered : receiving) {
        rings_.push_back(find_ring(offered));
        receive_.push_back(std::make_unique<ReceiveRing>(
            rings_.back(), regions_, buffers(index++), std::move(offered.event), form.mode, form.mac, form.max_frame));
    }
}

std::unique_ptr<Connection> Connection::serve(Offer offer, const FrameForm& form) {
    std::unique_ptr<Connection> made{new Connection{offer, false}};
    const auto lists = {&offer.to_server, &offer.to_client};
    for (const auto* rings : lists)
        for (const OfferedRing& ring : *rings) check_event(ring.event);
    for (const auto* rings : lists)
        for (const OfferedRing& ring : *rings)
            if (const auto cookie = made->find_ring(ring).cookie(); cookie != Ring::magic)
                throw Refusal{fmt::format("a ring begins with {:#x}, not {:#x}", cookie, Ring::magic)};
    made->add_rings(std::move(offer.to_client), std::move(offer.to_server), nullptr, form);
    return made;
}

std::unique_ptr<Connection> Connection::bring(Offer& offer, const OfferShape& shape, const FrameForm& form) {
    std::unique_ptr<Connection> made{new Connection{offer, true}};
    made->add_rings(std::move(offer.to_server), std::move(offer.to_client), &shape, form);
    for (const Ring& ring : made->rings_) ring.set_cookie();
    made->want_events(false);
    return made;
}

void Connection::start() noexcept {
    for (const Ring& ring : rings_) {
        ring.head().store(0, std::memory_order_relaxed);
        ring.tail().store(0, std::memory_order_relaxed);
    }
    want_events(false);
    if (owner_)
        for (const auto& ring : receive_) ring->post_all();
}

std::uint64_t Connection::count_left_over() noexcept {
    std::uint64_t frames = 0;
    for (SendRing& ring : send_) frames += ring.count_left_over();
    return frames;
}

std::size_t Connection::take(std::span<RxFrame> frames, std::span<std::uint8_t> room) noexcept {
    for (std::size_t i = 0; i < receive_.size(); ++i) {
        ReceiveRing& ring = *receive_[turn_];
        turn_ = turn_ + 1 == receive_.size() ? 0 : turn_ + 1;
        const std::size_t taken = ring.take(frames, room);
        if (taken != 0) {
            taken_from_ = &ring;
            return taken;
        }
        ring.release();
    }
    return 0;
}

void Connection::release() noexcept {
    if (ReceiveRing* const ring = std::exchange(taken_from_, nullptr)) ring->release();
}

void Connection::freeze() noexcept {
    for (const auto& ring : receive_) ring->freeze();
}

std::uint64_t Connection::lost() const noexcept {
    std::uint64_t frames = 0;
    for (const auto& ring : receive_) frames += ring->lost();
    return frames;
}

void Connection::want_events(bool on) const noexcept {
    for (const auto& ring : receive_) ring->want_events(on);
}

}  // namespace pktverbs::soft::memif
