// SPDX-License-Identifier: Apache-2.0
// RecordedFiles: the file of a recording, or one after the other.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>

#include "block_writer.hpp"
#include "recorder.hpp"

namespace capture {

/// When the next file begins; by default, never.
struct Rotation {
    std::uint64_t bytes = std::numeric_limits<std::uint64_t>::max();  ///< a file is longer by less than a block
    std::chrono::nanoseconds time = std::chrono::nanoseconds::max();

    bool is_on() const noexcept {
        return bytes != std::numeric_limits<std::uint64_t>::max() || time != std::chrono::nanoseconds::max();
    }
};

/// Records into `path`, or, with a rotation, into path-00001, path-00002, ... with the path's ending behind the number.
/// Each is whole, and appears under its name when the next one begins. For one thread at a time.
class RecordedFiles final : public Recorder {
public:
    using Make = std::function<std::unique_ptr<Recorder>(BlockWriter&)>;

    /// Opens the first one. Throws std::system_error. Streams can't be rotated.
    RecordedFiles(std::string path, WriterOptions options, const Rotation& rotation, Make make);

    /// Throws what the end of a file or the beginning of another one does.
    void add(pktverbs::RingBlock block) override;
    void poll() override {
        if (recorder_) recorder_->poll();
    }
    int error() const noexcept override { return file_->error(); }
    /// The sum of all files. The last one gets these statistics, those before it their own packets.
    File finish(const pktverbs::pcapng::Statistics& statistics) override;

    /// See BlockWriter, of the current file.
    bool is_stream() const noexcept { return file_->is_stream(); }
    std::string name() const { return file_->name(); }
    std::string how() const { return file_->how(); }
    std::string leave() noexcept { return file_->leave(); }
    std::uint64_t count() const noexcept { return number_; }

private:
    std::string next_path() const;
    void open();
    void close(const pktverbs::pcapng::Statistics& statistics);
    bool is_due(std::chrono::steady_clock::time_point now) const noexcept;

    std::string path_;
    WriterOptions options_;
    Rotation rotation_;
    Make make_;
    std::uint64_t number_ = 0;  ///< of the current file, from 1
    std::unique_ptr<BlockWriter> file_;
    std::unique_ptr<Recorder> recorder_;  // ends before file_; null after an error between two files
    std::chrono::steady_clock::time_point begun_;
    std::chrono::system_clock::time_point began_at_;
    std::uint64_t bytes_ = 0, packets_ = 0;  ///< of the current one, so far
    File sum_;
};

}  // namespace capture
