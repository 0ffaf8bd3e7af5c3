// SPDX-License-Identifier: Apache-2.0
#include "ring_writer_case.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <deque>
#include <numeric>
#include <optional>
#include <set>
#include <system_error>
#include <utility>
#include <vector>

#include <pktverbs/ring/block_ring.hpp>
#include <pktverbs/ring/ring_reader.hpp>
#include <pktverbs/ring/ring_writer.hpp>

#include "hostile_writes.hpp"
#include "ring/block_placer.hpp"

namespace pktverbs::testing {

namespace {

using namespace std::chrono_literals;

constexpr RingGeometry geometry_of(std::uint8_t what) {
    constexpr std::uint32_t slots[] = {8, 1, 64, 70};
    return {.blocks = 2 + (what & 3U),
            .block_slots = slots[what >> 2 & 3],
            .header_bytes = (what & 0x10) != 0 ? 16U : 0U,
            .payload_bytes = 48};
}

/// A consumer that keeps to the rules, with arbitrary data in the ring.
class Reader {
public:
    explicit Reader(const BlockRing& ring, HostileWrites& writes) : ring_{ring}, writes_{writes}, reader_{ring} {}

    void next() {
        writes_.begin_call();
        RingBlock block = reader_->next(0ns);
        if (!block) return;
        expect(block.first_slot() <= block.end_slot() && block.end_slot() <= block.slot_count(), "slots are inside");
        std::uint32_t valid = 0;
        std::uint64_t sum = 0;
        for (std::uint32_t slot = 0; slot < block.slot_count(); ++slot) {
            writes_.begin_call();
            valid += block.valid(slot) ? 1 : 0;
            expect(!block.valid(slot) || (slot >= block.first_slot() && slot < block.end_slot()), "valid ones, too");
            const auto header = block.header(slot), payload = block.payload(slot);
            expect(header.size() <= ring_.geometry().header_bytes, "a header is no longer than a slot's");
            expect(payload.size() <= ring_.geometry().payload_bytes, "a payload is no longer than a slot's");
            sum = std::accumulate(header.begin(), header.end(), std::accumulate(payload.begin(), payload.end(), sum));
        }
        keep_ = sum;
        expect(valid == block.valid_count(), "as many are valid as it says");
        for (const RingBlock& other : held_)
            expect(other.memory().data() != block.memory().data(), "no block is had twice");
        held_.push_back(std::move(block));
    }
    void give_back(std::size_t which) {
        writes_.begin_call();
        if (!held_.empty()) held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(which % held_.size()));
    }
    /// Another one attaches after it.
    void replace() {
        while (!held_.empty()) give_back(0);
        writes_.begin_call();
        reader_.reset();
        writes_.begin_call();
        reader_.emplace(ring_);
    }

private:
    const BlockRing& ring_;
    HostileWrites& writes_;
    std::optional<RingReader> reader_;
    std::deque<RingBlock> held_;
    volatile std::uint64_t keep_ = 0;
};

/// Uses a RingWriter call by call.
class ByHand {
public:
    ByHand(const BlockRing& ring, HostileWrites& writes) : ring_{ring}, writes_{writes}, writer_{ring} {}
    ~ByHand() { writes_.begin_call(); }

    void step(std::uint8_t what) {
        writes_.begin_call();
        const std::uint32_t blocks = ring_.geometry().blocks, slots = ring_.geometry().block_slots;
        const std::uint32_t some = what >> 4;
        switch (what & 15) {
            case 0:
            case 1:
            case 2:
                return open();
            case 3:
            case 4:
                if (!open_.empty()) {
                    writer_->set_valid(front(), some % slots, {some * 8, 0, some});
                    writer_->is_valid(front(), some % slots);
                }
                return;
            case 5:
            case 6:
            case 7:
                if (open_.empty()) return;
                writer_->hand_over(front(), 0, slots, some % (slots + 1));
                open_.erase(open_.begin());
                return;
            case 8:
                if (open_.empty()) return;
                writer_->discard(front());
                open_.erase(open_.begin());
                return;
            case 9:
                if (const auto packets = writer_->take_back_oldest())
                    expect(*packets <= slots, "no more packets are taken back than there are slots");
                return;
            case 10:
                expect(writer_->free_blocks() + open_.size() <= blocks, "what is open is not free");
                expect(!writer_->has_free() || open_.size() < blocks, "what is open is not free");
                return;
            case 11:
                writer_->consumer_has_blocks();
                writer_->wait_for_free(0ns);
                return;
            case 12:
                writer_->consumer();
                writer_->consumer_deaths();
                return;
            case 13:  // not open: nothing happens
                for (std::uint32_t block : {some, blocks, ~std::uint32_t{0}})
                    if (open_.count(block) == 0) {
                        writer_->hand_over(block, 0, slots, 0);
                        writer_->discard(block);
                    }
                return;
            case 14:
                writer_.reset();
                writes_.begin_call();
                writer_.emplace(ring_);
                open_.clear();
                return;
            default:
                return move();
        }
    }

private:
    std::uint32_t front() const { return *open_.begin(); }
    void open() {
        const auto block = writer_->open(8 * opened_++);
        if (!block) return;
        expect(*block < ring_.geometry().blocks, "a block that there is");
        expect(open_.insert(*block).second, "no block is opened twice");
    }
    void move() {
        RingWriter other = std::move(*writer_);
        *writer_ = std::move(other);
    }

    const BlockRing& ring_;
    HostileWrites& writes_;
    std::optional<RingWriter> writer_;
    std::set<std::uint32_t> open_;
    std::uint64_t opened_ = 0;
};

/// Uses a BlockPlacer, like RingReceiver: receives aimed at slots, and packets in or out of order.
class ByNumber {
public:
    ByNumber(const BlockRing& ring, HostileWrites& writes, std::uint8_t what)
        : ring_{ring},
          writes_{writes},
          placer_{ring,
                  {.sequence = SequenceField{},
                   .when_full = static_cast<WhenFull>(what % 3),
                   .reorder_window = (what & 0x40) != 0 ? 5U : 0U,
                   .jump_limit = 1000},
                  packets} {
        for (std::uint32_t i = 0; i < packets; ++i) posted_.push_back(own_buffers(i));
    }
    ~ByNumber() {
        writes_.begin_call();
        const bool flushed = placer_.flush();
        const RingStats& stats = placer_.stats;
        const std::uint64_t counted = stats.placed + stats.duplicate + stats.late + stats.no_block;
        // A packet that waits for its slot is not yet in any; with WhenFull::wait the consumer may make it wait.
        expect(flushed ? counted == sent_ : counted <= sent_, "every packet is in one count");
        expect(!flushed || stats.placed + stats.missing == stats.block_slots, "every slot is in one count");
        writes_.begin_call();
    }

    void step(std::uint8_t what) {
        writes_.begin_call();
        switch (what & 15) {
            case 14:
                placer_.flush();
                return;
            case 15:
                if (placer_.restart()) next_ += 1000;
                return;
            case 13:
                placer_.writer().consumer();
                return;
            default:
                return receive(1 + (what & 7), what >> 4);
        }
    }

private:
    static constexpr std::uint32_t packets = 12;
    struct Receive {
        BlockPlacer::Buffers buffers;
        RingSlotIndex slot;
    };

    Receive own_buffers(std::uint32_t i) {
        std::uint8_t* const bytes = own_[i].data();
        return {{ibv_sge{reinterpret_cast<std::uint64_t>(bytes), 16, 0},
                 ibv_sge{reinterpret_cast<std::uint64_t>(bytes + 16), 48, 0}},
                {}};
    }
    void receive(std::uint32_t count, std::uint32_t how) {
        std::vector<Receive> done;
        placer_.begin_batch();
        for (; count > 0 && !posted_.empty(); --count) {
            const Receive got = posted_.front();
            posted_.pop_front();
            done.push_back(got);
            if (how == 1) next_ += 3;                                 // lost
            if (how == 2) next_ += 2 * ring_.geometry().block_slots;  // many lost
            std::uint64_t number = next_;
            if (how == 3 && number > 4) number -= 4;  // late, or twice
            if (number == next_) ++next_;
            ++sent_;
            const RingSlot info{ring_.geometry().header_bytes + 8, 0, number};
            const BlockPlacer::Packet packet{reinterpret_cast<const std::uint8_t*>(got.buffers[0].addr),
                                             reinterpret_cast<const std::uint8_t*>(got.buffers[1].addr), info,
                                             got.slot};
            writes_.begin_call();
            switch (placer_.place(number, packet)) {
                case BlockPlacer::Placed::placed:
                    continue;
                case BlockPlacer::Placed::duplicate:
                    ++placer_.stats.duplicate;
                    break;
                case BlockPlacer::Placed::late:
                    ++placer_.stats.late;
                    break;
                case BlockPlacer::Placed::no_block:
                    ++placer_.stats.no_block;
            }
            placer_.vacate(packet.landed);
        }
        writes_.begin_call();
        placer_.end_batch();
        post(done);
    }
    /// As Landing::aim.
    void post(const std::vector<Receive>& done) {
        const RingView& view = placer_.writer().view();
        std::uint64_t posted_before = posted_.size();
        for (std::size_t i = 0; i < done.size();) {
            writes_.begin_call();
            const BlockPlacer::Target target = placer_.aim(posted_before);
            std::uint32_t count = 0;
            for (; count < target.count && i < done.size(); ++count, ++i) {
                if (done[i].slot.is_nowhere()) placer_.put_spare(done[i].buffers);
                std::uint8_t* const payload = target.payload + std::size_t{view.geometry().payload_stride} * count;
                std::uint8_t* const header = target.header + std::size_t{view.geometry().header_stride} * count;
                posted_.push_back({{ibv_sge{reinterpret_cast<std::uint64_t>(header), 16, 0},
                                    ibv_sge{reinterpret_cast<std::uint64_t>(payload), 48, 0}},
                                   slot_at(view, payload)});
            }
            posted_before += count;
            if (count != 0) {
                placer_.aimed(count);
                continue;
            }
            posted_.push_back(done[i].slot.is_nowhere() ? done[i] : Receive{placer_.take_spare(), {}});
            ++posted_before;
            ++i;
        }
    }
    static RingSlotIndex slot_at(const RingView& view, const std::uint8_t* payload) {
        const RingLayout& layout = view.layout();
        const auto offset = static_cast<std::uint64_t>(payload - view.block(0));
        return {static_cast<std::uint32_t>(offset / layout.block_stride),
                static_cast<std::uint32_t>((offset % layout.block_stride - layout.payloads_offset) /
                                           layout.geometry.payload_stride)};
    }

    const BlockRing& ring_;
    HostileWrites& writes_;
    std::array<std::array<std::uint8_t, 64>, packets> own_{};
    std::deque<Receive> posted_;
    BlockPlacer placer_;
    std::uint64_t next_ = 5;
    std::uint64_t sent_ = 0;
};

template <class Producer>
void run(Producer& producer, Reader& reader, std::span<const std::uint8_t> steps) {
    for (const std::uint8_t step : steps) {
        if ((step & 0x80) == 0)
            producer.step(step);
        else if ((step & 3) != 0)
            reader.next();
        else if (step != 0xfc)
            reader.give_back(step >> 2 & 7);
        else
            reader.replace();
    }
}

}  // namespace

void run_ring_writer_case(std::span<const std::uint8_t> input) {
    if (input.size() < 2) return;
    const std::uint8_t what = input[0];
    const std::size_t steps = std::min<std::size_t>(input[1], input.size() - 2);
    const BlockRing ring{geometry_of(what)};
    RingLayout layout{ring.geometry()};
    HostileWrites writes{input.subspan(2 + steps), RingView{ring.memory().data(), layout}};
    try {
        Reader reader{ring, writes};
        writes.begin_call();
        if ((what & 0x20) != 0) {
            ByNumber producer{ring, writes, what};
            run(producer, reader, input.subspan(2, steps));
        } else {
            ByHand producer{ring, writes};
            run(producer, reader, input.subspan(2, steps));
        }
        writes.begin_call();
    } catch (const std::system_error& refused) {
        expect(false, refused.what());
    }
}

}  // namespace pktverbs::testing
