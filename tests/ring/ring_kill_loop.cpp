// SPDX-License-Identifier: Apache-2.0
// Kills producers and consumers of a ring, again and again, at any access to it: while they make it, attach, clean up,
// fill, read and give back. Then every packet must have been read, and no block after it was given back.
//
// ring_kill_loop [--kills N | --seconds N] [--seed N]. Where each process dies follows from the seed; how far the other
// one is then does not.
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <exception>
#include <random>
#include <string>
#include <string_view>
#include <utility>

#include "ring_frames.hpp"

namespace {

using namespace pktverbs;
using namespace pktverbs::testing;

constexpr std::uint64_t max_packets = 1U << 18;  ///< in a ring's life
constexpr std::uint64_t kills_per_ring = 40;

/// Records of both sides, outside the ring.
struct Ledger {
    std::atomic<std::uint64_t> begun;                  ///< packets that a producer was about to put into the ring
    std::atomic<std::uint64_t> placed;                 ///< packets that it has put there
    std::atomic<bool> stop;                            ///< producers end
    std::atomic<bool> drain;                           ///< consumers end when nothing is left
    std::atomic<bool> attached[2];                     ///< by side, for its current process
    std::atomic<std::uint64_t> blocks;                 ///< given back
    std::atomic<std::uint64_t> block_of[max_packets];  ///< by packet: where it was read, plus 1
    std::atomic<bool> is_doubtful[max_packets];        ///< by packet: its producer died over it
    std::atomic<bool> is_given_back[2 * max_packets];  ///< by block
};

enum Side { producer, consumer };

std::uint64_t accesses_left = 0;

void die_here() {
    if (--accesses_left == 0) kill(getpid(), SIGKILL);
}

[[noreturn]] void fail(const std::string& why) {
    std::fprintf(stderr, "%s\n", why.c_str());
    _exit(1);
}

void produce(const std::string& name, Ledger& ledger) {
    const BlockRing ring = BlockRing::open(name, small_ring);
    RingWriter writer{ring};
    ledger.attached[producer] = true;
    std::uint64_t next = ledger.begun;
    if (ledger.placed != next) {
        ledger.is_doubtful[next - 1] = true;
        ledger.placed = next;
    }
    const std::uint32_t slots = small_ring.block_slots;
    while (!ledger.stop && next + slots < max_packets) {
        if (!writer.wait_for_free(100ms)) continue;
        const auto first = static_cast<std::uint32_t>(next % slots);
        const auto block = writer.open(next - first, first);
        if (!block) fail("no block is free, though there was one");
        for (std::uint32_t slot = first; slot < slots; ++slot, ++next) {
            ledger.begun = next + 1;
            put(writer, *block, slot, next);
            ledger.placed = next + 1;
        }
        writer.hand_over(*block, first, slots, slots - first);
    }
}

void read(const RingBlock& block, Ledger& ledger) {
    if (ledger.is_given_back[block.number()]) fail("block " + std::to_string(block.number()) + " came again");
    std::uint32_t valid = 0;
    for (std::uint32_t slot = block.first_slot(); slot < block.end_slot(); ++slot) {
        if (!block.valid(slot)) continue;
        ++valid;
        const std::uint64_t number = block.base() + slot;
        if (number_of(block, slot) != number) fail("packet " + std::to_string(number) + " is not in its slot");
        const std::uint64_t before = ledger.block_of[number].exchange(block.number() + 1);
        if (before != 0 && before != block.number() + 1) fail("packet " + std::to_string(number) + " is in two blocks");
    }
    if (valid != block.valid_count()) fail("a block has " + std::to_string(valid) + " packets, and says otherwise");
}

void consume(const std::string& name, Ledger& ledger) {
    const BlockRing ring = BlockRing::open(name, small_ring);
    RingReader reader{ring};
    ledger.attached[consumer] = true;
    std::deque<RingBlock> held;
    const auto give_back = [&] {
        const std::uint64_t number = held.front().number();
        held.pop_front();
        ledger.is_given_back[number] = true;
        ++ledger.blocks;
    };
    std::uint64_t next = 0;
    for (;;) {
        const bool drain = ledger.drain;  // before: nothing is handed over after it
        RingBlock block = reader.next(10ms);
        if (block.outcome() == RingOutcome::corrupt) fail("a block is corrupt");
        if (!block) {
            while (!held.empty()) give_back();
            if (drain && block.outcome() != RingOutcome::producer_died) return;
            continue;
        }
        if (block.number() < next) {
            std::string text = "block " + std::to_string(block.number()) + " came after " + std::to_string(next - 1) +
                               (block.abandoned() ? ", abandoned" : "") + ", base " + std::to_string(block.base()) +
                               ", slots " + std::to_string(block.first_slot()) + "-" + std::to_string(block.end_slot());
            for (const RingBlock& other : held)
                text += ", held " + std::to_string(other.number()) + (other.abandoned() ? " abandoned" : "");
            fail(text);
        }
        next = block.number() + 1;
        read(block, ledger);
        held.push_back(std::move(block));
        if (held.size() == 2) give_back();
    }
}

class Loop {
public:
    Loop(std::uint64_t seed, std::uint64_t kills, std::chrono::seconds time)
        : random_{seed}, kills_wanted_{kills}, end_{std::chrono::steady_clock::now() + time} {
        void* const shared = mmap(nullptr, sizeof(Ledger), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (shared == MAP_FAILED) fail("no memory");
        ledger_ = static_cast<Ledger*>(shared);
    }

    int run() {
        while (kills_wanted_ != 0 ? kills_[0] + kills_[1] < kills_wanted_ : std::chrono::steady_clock::now() < end_) {
            if (!run_ring()) return 1;
        }
        std::printf(
            "%llu producers and %llu consumers killed, %llu of them before they were attached; %llu rings, %llu "
            "packets, "
            "%llu of them as their producer died, %llu blocks: none lost, none twice\n",
            static_cast<unsigned long long>(kills_[producer]), static_cast<unsigned long long>(kills_[consumer]),
            static_cast<unsigned long long>(early_kills_), static_cast<unsigned long long>(rings_),
            static_cast<unsigned long long>(packets_), static_cast<unsigned long long>(doubtful_),
            static_cast<unsigned long long>(blocks_));
        return 0;
    }

private:
    pid_t start(Side side, bool dies) {
        // As often in the first few accesses as much later.
        const std::uint64_t accesses = 1 + random_() % (std::uint64_t{1} << random_() % 15);
        ledger_->attached[side] = false;
        std::fflush(nullptr);
        const pid_t child = fork();
        if (child < 0) fail("cannot fork");
        if (child != 0) return child;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (dies) {
            accesses_left = accesses;
            ring_hook = die_here;
        }
        try {
            side == producer ? produce(name_, *ledger_) : consume(name_, *ledger_);
        } catch (const std::exception& error) {
            fail(error.what());
        }
        _exit(0);
    }

    /// Both sides begin at the same time, without a ring. False if something is wrong.
    bool run_ring() {
        BlockRing::remove(name_);
        std::memset(static_cast<void*>(ledger_), 0, sizeof *ledger_);
        std::uint64_t kills = 0;
        pid_t sides[] = {start(producer, true), start(consumer, true)};
        bool ok = true;
        while (sides[producer] != 0 || sides[consumer] != 0) {
            int status = 0;
            const pid_t ended = wait(&status);
            const Side side = ended == sides[producer] ? producer : consumer;
            sides[side] = 0;
            if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && ok) {
                ++kills_[side];
                if (!ledger_->attached[side]) ++early_kills_;
                const bool enough = ++kills >= kills_per_ring;
                if (enough) ledger_->stop = true;
                sides[side] = start(side, !enough);
            } else if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && ok) {
                if (side == producer) ledger_->drain = true;
            } else {
                if (ok) std::fprintf(stderr, "side %d ended with status %#x\n", side, static_cast<unsigned>(status));
                ok = false;
                for (const pid_t other : sides)
                    if (other > 0) kill(other, SIGKILL);
            }
        }
        BlockRing::remove(name_);
        ++rings_;
        return ok && adds_up();
    }

    bool adds_up() {
        std::uint64_t lost = 0;
        const std::uint64_t placed = ledger_->placed;
        for (std::uint64_t number = 0; number < placed; ++number) {
            doubtful_ += ledger_->is_doubtful[number] ? 1 : 0;
            lost += ledger_->block_of[number] == 0 && !ledger_->is_doubtful[number] ? 1 : 0;
        }
        packets_ += placed;
        blocks_ += ledger_->blocks;
        if (lost != 0) std::fprintf(stderr, "%llu packets are lost\n", static_cast<unsigned long long>(lost));
        return lost == 0;
    }

    const std::string name_ = "/pktverbs-kill-loop-" + std::to_string(getpid());
    std::mt19937_64 random_;
    std::uint64_t kills_wanted_;
    std::chrono::steady_clock::time_point end_;
    Ledger* ledger_ = nullptr;
    std::uint64_t kills_[2] = {};
    std::uint64_t early_kills_ = 0, rings_ = 0, packets_ = 0, doubtful_ = 0, blocks_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
    std::uint64_t kills = 0, seed = 1;
    std::int64_t seconds = 0;
    for (int i = 1; i + 1 < argc; i += 2) {
        const std::string_view option = argv[i];
        const auto value = std::strtoull(argv[i + 1], nullptr, 10);
        if (option == "--kills") kills = value;
        if (option == "--seconds") seconds = static_cast<std::int64_t>(value);
        if (option == "--seed") seed = value;
    }
    if (kills == 0 && seconds == 0) {
        std::fputs("usage: ring_kill_loop --kills N | --seconds N [--seed N]\n", stderr);
        return 2;
    }
    std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
    return Loop{seed, kills, std::chrono::seconds{seconds}}.run();
}
