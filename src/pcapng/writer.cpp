// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/pcapng/writer.hpp>

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

namespace pktverbs {

namespace {

template <class Value>
std::span<const std::uint8_t> memory_of(const Value& value) noexcept {
    return {reinterpret_cast<const std::uint8_t*>(&value), sizeof value};
}

/// All of it. 0, or an errno.
int write_all(int fd, std::span<const std::uint8_t> bytes) noexcept {
    while (!bytes.empty()) {
        const auto written = ::write(fd, bytes.data(), bytes.size());
        if (written > 0) {
            bytes = bytes.subspan(static_cast<std::size_t>(written));
        } else if (written == 0) {
            return EIO;
        } else if (errno == EAGAIN) {
            pollfd room{.fd = fd, .events = POLLOUT, .revents = 0};
            if (::poll(&room, 1, -1) < 0 && errno != EINTR) return errno;
        } else if (errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

}  // namespace

PcapngWriter::PcapngWriter(int fd, std::string_view program, const pcapng::Interface& interface)
    : fd_{fd},
      snap_length_{interface.snap_length != 0 ? interface.snap_length : std::numeric_limits<std::size_t>::max()},
      buffer_(buffer_bytes) {
    append(pcapng::section_header(program));
    append(pcapng::interface_description(interface));
}

PcapngWriter::~PcapngWriter() { flush(); }

void PcapngWriter::add(std::span<const std::uint8_t> header, std::span<const std::uint8_t> rest,
                       std::chrono::nanoseconds time) noexcept {
    if (error_ != 0) return;
    constexpr std::uint8_t zeros[4]{};
    const std::size_t original = header.size() + rest.size();
    header = header.first(std::min(header.size(), snap_length_));
    rest = rest.first(std::min(rest.size(), snap_length_ - header.size()));
    const std::size_t captured = header.size() + rest.size();
    const auto block = pcapng::packet_header(captured, original, time);
    append(memory_of(block));
    append(header);
    append(rest);
    append(std::span{zeros}.first(pcapng::padded(captured) - captured));
    append(memory_of(block.block_bytes));
    if (error_ == 0) ++packets_;
}

void PcapngWriter::append(std::span<const std::uint8_t> bytes) noexcept {
    while (!bytes.empty() && error_ == 0) {
        const std::size_t part = std::min(bytes.size(), buffer_.size() - used_);
        std::memcpy(buffer_.data() + used_, bytes.data(), part);
        used_ += part;
        bytes = bytes.subspan(part);
        if (used_ == buffer_.size()) flush();
    }
}

bool PcapngWriter::flush() noexcept {
    if (error_ == 0) error_ = write_all(fd_, std::span{buffer_}.first(used_));
    used_ = 0;
    return error_ == 0;
}

bool PcapngWriter::finish(pcapng::Statistics statistics) {
    statistics.delivered = packets_;
    append(pcapng::interface_statistics(statistics));
    return flush();
}

}  // namespace pktverbs
