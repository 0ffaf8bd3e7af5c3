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

/// Writes all bytes. Returns 0 or an errno.
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
    : fd_{fd}, buffer_(buffer_bytes) {
    append(pcapng::section_header(program));
    add_interface(interface);
}

PcapngWriter::~PcapngWriter() { flush(); }

std::uint32_t PcapngWriter::add_interface(const pcapng::Interface& interface) {
    const auto description = pcapng::interface_description(interface);
    interfaces_.push_back(
        {interface.snap_length != 0 ? interface.snap_length : std::numeric_limits<std::size_t>::max()});
    append(description);
    return static_cast<std::uint32_t>(interfaces_.size() - 1);
}

bool PcapngWriter::has(std::uint32_t interface) noexcept {
    if (interface < interfaces_.size()) [[likely]]
        return true;
    if (error_ == 0) error_ = EINVAL;
    return false;
}

void PcapngWriter::add(std::span<const std::uint8_t> header, std::span<const std::uint8_t> rest,
                       std::chrono::nanoseconds time, std::uint32_t interface) noexcept {
    if (error_ != 0 || !has(interface)) return;
    Interface& from = interfaces_[interface];
    constexpr std::uint8_t zeros[4]{};
    const std::size_t original = header.size() + rest.size();
    header = header.first(std::min(header.size(), from.snap_length));
    rest = rest.first(std::min(rest.size(), from.snap_length - header.size()));
    const std::size_t captured = header.size() + rest.size();
    const auto block = pcapng::packet_header(captured, original, time, interface);
    append(memory_of(block));
    append(header);
    append(rest);
    append(std::span{zeros}.first(pcapng::padded(captured) - captured));
    append(memory_of(block.block_bytes));
    if (error_ == 0) ++from.packets;
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

bool PcapngWriter::finish(pcapng::Statistics statistics, std::uint32_t interface) {
    if (!has(interface)) return false;
    statistics.delivered = packets(interface);
    append(pcapng::interface_statistics(statistics, interface));
    return flush();
}

std::uint64_t PcapngWriter::packets() const noexcept {
    std::uint64_t sum = 0;
    for (const Interface& interface : interfaces_) sum += interface.packets;
    return sum;
}

std::uint64_t PcapngWriter::packets(std::uint32_t interface) const noexcept {
    return interface < interfaces_.size() ? interfaces_[interface].packets : 0;
}

}  // namespace pktverbs
