// SPDX-License-Identifier: Apache-2.0
// FullDisk: a queue whose file has limited room.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <vector>

#include "write_queue.hpp"

namespace capture::test {

/// A disk with room for this many bytes.
class FullDisk : public WriteQueue {
public:
    explicit FullDisk(std::uint64_t room) : room_{room} {}
    void submit(int file, Write& write) override {
        const auto rest = room_ - std::min(room_, write.offset);
        const auto bytes = std::min<std::uint64_t>(write.bytes, rest);
        write.result = bytes == 0 ? -ENOSPC : ::pwrite(file, write.data, bytes, static_cast<off_t>(write.offset));
        done_.push_back(&write);
    }
    Write* take_done(bool) override {
        if (done_.empty()) return nullptr;
        Write* write = done_.back();
        done_.pop_back();
        return write;
    }

private:
    std::uint64_t room_;
    std::vector<Write*> done_;
};

}  // namespace capture::test
