// SPDX-License-Identifier: Apache-2.0
// The recorder that writes the ring's blocks as they are.
#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <deque>
#include <system_error>
#include <utility>

#include "recorder.hpp"

namespace capture {

namespace {

struct alignas(BlockWriter::alignment) FirstPage {
    std::uint8_t bytes[RawHeader::page_bytes]{};
};

RawHeader describe(const pktverbs::RingLayout& layout, pktverbs::TimestampClock clock) {
    return {.block_stride = layout.block_stride,
            .bitmap_offset = layout.bitmap_offset,
            .slots_offset = layout.slots_offset,
            .headers_offset = layout.headers_offset,
            .payloads_offset = layout.payloads_offset,
            .slots = layout.geometry.block_slots,
            .header_bytes = layout.geometry.header_bytes,
            .payload_bytes = layout.geometry.payload_bytes,
            .header_stride = layout.geometry.header_stride,
            .payload_stride = layout.geometry.payload_stride,
            .clock = static_cast<std::uint32_t>(clock)};
}

class RawRecorder final : public Recorder {
public:
    RawRecorder(BlockWriter& file, const pktverbs::RingGeometry& geometry, pktverbs::TimestampClock clock)
        : file_{file}, layout_{geometry.checked()} {
        if (layout_.block_stride % BlockWriter::alignment != 0)
            throw std::system_error{EINVAL, std::generic_category(),
                                    fmt::format("cannot write blocks of {} bytes as they are", layout_.block_stride)};
        const auto header = describe(layout_, clock);
        std::memcpy(first_page_->bytes, &header, sizeof header);
    }
    // Blocks and page must live until all writes from them have ended.
    ~RawRecorder() override { file_.wait(0); }

    void add(pktverbs::RingBlock block) override {
        begin();
        blocks_.push_back(std::move(block));
        // Waits while the most writes are in flight, so no more blocks than that stay out of the ring.
        file_.write(blocks_.back().memory());
        give_back();
    }
    void poll() override {
        begin();
        file_.poll();
        give_back();
    }

    int error() const noexcept override { return file_.error(); }

    File finish(const pktverbs::pcapng::Statistics&) override {
        begin();
        file_.wait(0);
        give_back();
        const auto end = file_.written_bytes();
        const auto bytes = end < RawHeader::page_bytes ? 0 : end - (end - RawHeader::page_bytes) % layout_.block_stride;
        file_.finish(bytes);
        return {packets_, bytes};
    }

private:
    /// In the writing thread: a stream may have to wait for its reader.
    void begin() {
        if (!std::exchange(has_begun_, true)) file_.write(first_page_->bytes);
    }
    /// Completed pieces are the first page and then a block each.
    void give_back() {
        for (; returned_ + 1 < file_.completed(); ++returned_) {
            const auto end = RawHeader::page_bytes + (returned_ + 1) * layout_.block_stride;
            if (end <= file_.written_bytes()) packets_ += blocks_.front().valid_count();
            blocks_.pop_front();
        }
    }

    BlockWriter& file_;
    pktverbs::RingLayout layout_;
    std::unique_ptr<FirstPage> first_page_ = std::make_unique<FirstPage>();
    bool has_begun_ = false;
    std::deque<pktverbs::RingBlock> blocks_;  ///< being written
    std::uint64_t returned_ = 0;
    std::uint64_t packets_ = 0;
};

}  // namespace

std::unique_ptr<Recorder> make_raw_recorder(BlockWriter& file, const pktverbs::RingGeometry& geometry,
                                            pktverbs::TimestampClock clock) {
    return std::make_unique<RawRecorder>(file, geometry, clock);
}

}  // namespace capture
