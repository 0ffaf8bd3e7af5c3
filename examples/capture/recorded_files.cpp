// SPDX-License-Identifier: Apache-2.0
#include "recorded_files.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

namespace capture {

namespace {

/// What pcapng adds to a frame, padding apart; raw blocks add some 16 bytes and empty slots.
constexpr std::uint64_t packet_overhead = 32;

}  // namespace

RecordedFiles::RecordedFiles(std::string path, WriterOptions options, const Rotation& rotation, Make make)
    : path_{std::move(path)}, options_{std::move(options)}, rotation_{rotation}, make_{std::move(make)} {
    if (rotation_.is_on() && OutputFile::kind_of(path_) != OutputFile::Kind::file)
        throw std::system_error{EINVAL, std::generic_category(),
                                fmt::format("cannot go on in another file after {}, which is none", path_)};
    open();
}

std::string RecordedFiles::next_path() const {
    if (!rotation_.is_on()) return path_;
    const std::filesystem::path path{path_};
    const auto name = fmt::format("{}-{:05}{}", path.stem().string(), number_ + 1, path.extension().string());
    return (path.parent_path() / name).string();
}

void RecordedFiles::open() {
    auto file = std::make_unique<BlockWriter>(next_path(), options_);
    auto recorder = make_(*file);
    file_ = std::move(file);
    recorder_ = std::move(recorder);
    ++number_;
    begun_ = std::chrono::steady_clock::now();
    began_at_ = std::chrono::system_clock::now();
    bytes_ = packets_ = 0;
}

void RecordedFiles::close(const pktverbs::pcapng::Statistics& statistics) {
    const auto file = recorder_->finish(statistics);
    sum_.packets += file.packets;
    sum_.bytes += file.bytes;
    sum_.filtered += file.filtered;
}

bool RecordedFiles::is_due(std::chrono::steady_clock::time_point now) const noexcept {
    // One that has nothing goes on, whatever its age.
    return packets_ > 0 && (bytes_ >= rotation_.bytes || now - begun_ >= rotation_.time);
}

void RecordedFiles::add(pktverbs::RingBlock block) {
    if (rotation_.is_on()) {
        // After an error there is no other file: what is missing from the one would not be seen in the next.
        if (error() == 0 && is_due(std::chrono::steady_clock::now())) {
            close({.start = began_at_.time_since_epoch(),
                   .end = std::chrono::system_clock::now().time_since_epoch(),
                   .received = packets_,
                   .dropped = 0});
            recorder_.reset();
            if (error() == 0) open();
        }
        for (std::uint32_t slot = block.first_slot(); slot < block.end_slot(); ++slot)
            if (block.valid(slot)) bytes_ += block.length(slot) + packet_overhead;
        packets_ += block.valid_count();
    }
    if (recorder_) recorder_->add(std::move(block));
}

RecordedFiles::File RecordedFiles::finish(const pktverbs::pcapng::Statistics& statistics) {
    if (recorder_) close(statistics);
    return sum_;
}

}  // namespace capture
