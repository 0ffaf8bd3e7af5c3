// SPDX-License-Identifier: Apache-2.0
#include "ring/ring_seat.hpp"

#include <fcntl.h>
#include <fmt/core.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <ctime>
#include <string>
#include <string_view>
#include <utility>

#include <pktverbs/verbs/error.hpp>

#include "ring/futex.hpp"
#include "ring/ring_states.hpp"

namespace pktverbs {

namespace {

/// Offsets in the ring's file that are locked; their contents don't matter.
enum Byte : off_t { producer_byte, consumer_byte, recovery_byte };

constexpr Byte byte_of(RingSeat::Side side) noexcept {
    return side == RingSeat::Side::producer ? producer_byte : consumer_byte;
}

struct flock lock_of(Byte byte, short type) noexcept {
    struct flock lock {};
    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    lock.l_start = byte;
    lock.l_len = 1;
    return lock;
}

bool try_lock(int fd, Byte byte) noexcept {
    struct flock lock = lock_of(byte, F_WRLCK);
    return ::fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

bool is_locked(int fd, Byte byte) noexcept {
    struct flock lock = lock_of(byte, F_WRLCK);
    return ::fcntl(fd, F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}

/// Only the holder of this lock attaches or cleans up. The constructor may fail: check whether it holds the lock.
class RecoveryLock {
public:
    /// Tries until it has the lock or `at_most` has passed. The kernel offers no timeout for such a lock, so this polls
    /// (fcntl(2): F_OFD_SETLKW waits until a signal).
    explicit RecoveryLock(int fd, std::chrono::nanoseconds at_most = {}) noexcept : fd_{fd} {
        const Deadline deadline{at_most};
        constexpr timespec pause{0, 1'000'000};
        while (!(has_ = try_lock(fd_, recovery_byte)) && !deadline.passed()) ::nanosleep(&pause, nullptr);
    }
    RecoveryLock(const RecoveryLock&) = delete;
    RecoveryLock& operator=(const RecoveryLock&) = delete;
    ~RecoveryLock() {
        if (!has_) return;
        struct flock lock = lock_of(recovery_byte, F_UNLCK);
        ::fcntl(fd_, F_OFD_SETLK, &lock);
    }

    explicit operator bool() const noexcept { return has_; }

private:
    int fd_;
    bool has_ = false;
};

/// Fills in a block's header from the bitmap, because its producer couldn't.
std::uint32_t count_packets(const RingView& view, std::uint32_t index) noexcept {
    const std::uint32_t slots = view.geometry().block_slots;
    std::uint32_t valid = 0;
    std::uint32_t first = slots;
    std::uint32_t end = 0;
    for (std::uint32_t slot = 0; slot < slots; slot += 64) {
        std::uint64_t bits = view.bitmap(index)[slot / 64].load(std::memory_order_acquire);
        if (slots - slot < 64) bits &= (std::uint64_t{1} << (slots - slot)) - 1;
        if (bits == 0) continue;
        valid += static_cast<std::uint32_t>(std::popcount(bits));
        first = std::min(first, slot + static_cast<std::uint32_t>(std::countr_zero(bits)));
        end = slot + 64 - static_cast<std::uint32_t>(std::countl_zero(bits));
    }
    RingBlockHeader header = view.block_header(index).load();
    header.first_slot = std::min(header.first_slot, first);
    header.end_slot = end;
    header.valid_slots = valid;
    header.flags |= RingBlockHeader::flag_abandoned;
    view.block_header(index) = header;
    return valid;
}

/// Calls `change(index, word)` for the blocks of a kind, oldest first, while there are any: at most once per block of
/// the ring, whatever the other side writes meanwhile.
template <class Change>
bool for_blocks(const RingView& view, RingState::Kind kind, Change&& change) noexcept {
    std::uint32_t changed = 0;
    for (; changed < view.geometry().blocks; ++changed) {
        const auto oldest = oldest_of(view, kind);
        if (!oldest) break;
        change(oldest->index, RingState::word(oldest->number, kind));
    }
    return changed != 0;
}

/// A dead producer's open blocks go to the consumer, in order; blocks without packets become free. False if there were
/// none.
bool hand_over_abandoned(const RingView& view) noexcept {
    std::uint64_t number = next_number(view);
    const bool any = for_blocks(view, RingState::filling, [&](std::uint32_t index, std::uint64_t word) {
        const bool has_packets = count_packets(view, index) != 0;
        const std::uint64_t to = has_packets ? RingState::word(number, RingState::filled) : 0;
        if (view.state(index).change(word, to, std::memory_order_release) && has_packets) ++number;
    });
    if (any) view.header().producer.blocks.store(number, std::memory_order_relaxed);
    return any;
}

/// A dead consumer's blocks can be read again. False if there were none.
bool put_back(const RingView& view) noexcept {
    return for_blocks(view, RingState::reading, [&](std::uint32_t index, std::uint64_t word) {
        view.state(index).change(word, RingState::word(RingState::number(word), RingState::filled),
                                 std::memory_order_release);
    });
}

/// A block's state while a side has it.
constexpr RingState::Kind kind_of(RingSeat::Side side) noexcept {
    return side == RingSeat::Side::producer ? RingState::filling : RingState::reading;
}

constexpr auto number_of(RingPeer peer) noexcept { return static_cast<std::uint32_t>(peer); }

}  // namespace

RingSeat::RingSeat(std::shared_ptr<const RingMapping> mapping, Side side) : mapping_{std::move(mapping)}, side_{side} {
    // Opened again, because a lock belongs to an open file description, and both sides may be in one process.
    // Non-blocking: otherwise open() would wait for a lease on the file (fcntl(2), F_SETLEASE).
    const std::string path = fmt::format("/proc/self/fd/{}", mapping_->memory().fd());
    lock_ = FileDescriptor{::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK)};
    if (!lock_) verbs::throw_error(errno, fmt::format("open ring {} again", mapping_->name()), "is /proc mounted?");
    if (!try_lock(lock_.get(), byte_of(side))) {
        const int error = errno;
        if (error == EAGAIN || error == EACCES)
            verbs::throw_message(EBUSY, fmt::format("cannot attach to ring {}: it has a {} already", mapping_->name(),
                                                    side == Side::producer ? "producer" : "consumer"));
        verbs::throw_error(error, fmt::format("lock ring {}", mapping_->name()), "");
    }
    const RecoveryLock recovery{lock_.get(), lock_limit};
    if (!recovery)
        verbs::throw_message(
            ETIMEDOUT,
            fmt::format("cannot attach to ring {}: another process keeps its byte {} locked (lslocks tells which)",
                        mapping_->name(), static_cast<int>(recovery_byte)));
    recover(side);
    own().generation.fetch_add(1, std::memory_order_relaxed);
    own().state.store(number_of(RingPeer::present), std::memory_order_release);
    notify();
}

RingSeat::~RingSeat() {
    if (!is_ours()) return;
    own().state.store(number_of(RingPeer::ended), std::memory_order_release);
    notify();
}

void RingSeat::wake() const noexcept {
    other().events.fetch_add(1, std::memory_order_seq_cst);
    futex_wake(other().events);
}

void RingSeat::notify(RingSide& side) noexcept {
    // Sequentially consistent, as is the sleeper's store: either we see that it wants to sleep, or the kernel sees,
    // before it sleeps, that the events have changed.
    side.events.fetch_add(1, std::memory_order_seq_cst);
    if (side.sleepers.load(std::memory_order_seq_cst) != 0) futex_wake(side.events);
}

void RingSeat::sleep(std::uint32_t seen, std::chrono::nanoseconds at_most) const noexcept {
    if (at_most <= std::chrono::nanoseconds::zero()) return;
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(at_most);
    RingSide& side = other();
    side.sleepers.store(1, std::memory_order_seq_cst);
    futex_wait(side.events, seen, {seconds.count(), std::chrono::nanoseconds{at_most - seconds}.count()});
    side.sleepers.store(0, std::memory_order_relaxed);
}

RingPeer RingSeat::look() const noexcept {
    RingSide& side = other();
    // A side that ended by itself has no blocks. Clean up blocks that are still marked as its own all the same: either
    // side may have written that state.
    const bool is_present = side.state.load(std::memory_order_acquire) == number_of(RingPeer::present);
    if ((is_present || oldest_of(view(), kind_of(opposite()))) && !is_locked(lock_.get(), byte_of(opposite()))) {
        const RecoveryLock recovery{lock_.get()};
        // A new one may have attached meanwhile: then it has cleaned up, or waits to do so.
        if (recovery && !is_locked(lock_.get(), byte_of(opposite()))) recover(opposite());
    }
    const std::uint32_t state = side.state.load(std::memory_order_acquire);
    return state <= number_of(RingPeer::died) ? static_cast<RingPeer>(state) : RingPeer::absent;
}

/// No process holds this side, so an attached state, or blocks in use, are left from one that died. If this process
/// dies here, the next one cleans up.
void RingSeat::recover(Side side) const noexcept {
    RingSide& dead = of(side);
    const bool had_blocks = side == Side::producer ? hand_over_abandoned(view()) : put_back(view());
    if (!had_blocks && dead.state.load(std::memory_order_acquire) != number_of(RingPeer::present)) return;
    dead.deaths.fetch_add(1, std::memory_order_relaxed);
    dead.state.store(number_of(RingPeer::died), std::memory_order_release);
    notify(dead);
}

std::string_view to_string(RingPeer peer) noexcept {
    switch (peer) {
        case RingPeer::absent:
            return "absent";
        case RingPeer::present:
            return "present";
        case RingPeer::ended:
            return "ended";
        case RingPeer::died:
            return "died";
    }
    return "?";
}

}  // namespace pktverbs
