// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/pcapng/blocks.hpp>

#include <sys/utsname.h>

#include <cstring>
#include <span>
#include <utility>

namespace pktverbs::pcapng {

namespace {

/// A block as it grows: type and length, a body, options, the length once more.
class Block {
public:
    explicit Block(std::uint32_t type) {
        add(type);
        add(std::uint32_t{0});
    }

    template <class Number>
    void add(Number number) {
        add_bytes({reinterpret_cast<const std::uint8_t*>(&number), sizeof number});
    }

    /// An option (3.5): code, length without padding, value, padding.
    void add_option(std::uint16_t code, std::span<const std::uint8_t> value) {
        add(code);
        add(static_cast<std::uint16_t>(value.size()));
        add_bytes(value);
        bytes_.resize(padded(bytes_.size()));
    }
    void add_option(std::uint16_t code, std::string_view text) {
        constexpr std::size_t longest = 0xffff;
        text = text.substr(0, longest);
        if (!text.empty()) add_option(code, {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
    }
    template <class Number>
    void add_number_option(std::uint16_t code, Number number) {
        add_option(code, {reinterpret_cast<const std::uint8_t*>(&number), sizeof number});
    }
    /// The high half comes first, in either byte order (4.3).
    void add_time(std::chrono::nanoseconds time) {
        const auto header = packet_header(0, 0, time);
        add(header.time_high);
        add(header.time_low);
    }
    void add_time_option(std::uint16_t code, std::chrono::nanoseconds time) {
        add(code);
        add(std::uint16_t{8});
        add_time(time);
    }

    std::vector<std::uint8_t> end() {
        add(std::uint32_t{0});  // opt_endofopt
        const auto length = static_cast<std::uint32_t>(bytes_.size() + 4);
        add(length);
        std::memcpy(bytes_.data() + 4, &length, sizeof length);
        return std::move(bytes_);
    }

private:
    void add_bytes(std::span<const std::uint8_t> bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }

    std::vector<std::uint8_t> bytes_;
};

}  // namespace

std::vector<std::uint8_t> section_header(std::string_view program) {
    Block block{0x0a0d0d0a};
    block.add(std::uint32_t{0x1a2b3c4d});  // its byte order is that of all numbers
    block.add(std::uint16_t{1});
    block.add(std::uint16_t{0});
    block.add(std::int64_t{-1});
    utsname system{};
    if (uname(&system) == 0)
        block.add_option(3, std::string{system.sysname} + ' ' + system.release + ' ' + system.machine);
    block.add_option(4, program);
    return block.end();
}

std::vector<std::uint8_t> interface_description(const Interface& interface) {
    constexpr std::uint16_t ethernet = 1;  // LINKTYPE_ETHERNET
    constexpr std::uint8_t nanoseconds = 9;
    Block block{1};
    block.add(ethernet);
    block.add(std::uint16_t{0});
    block.add(interface.snap_length);
    block.add_option(1, interface.comment);
    block.add_option(2, interface.name);
    if (interface.bits_per_second != 0) block.add_number_option(8, interface.bits_per_second);
    block.add_number_option(9, nanoseconds);
    return block.end();
}

std::vector<std::uint8_t> interface_statistics(const Statistics& statistics, std::uint32_t interface) {
    Block block{5};
    block.add(interface);
    block.add_time(statistics.end);
    block.add_time_option(2, statistics.start);
    block.add_time_option(3, statistics.end);
    block.add_number_option(4, statistics.received);
    block.add_number_option(5, statistics.dropped);
    block.add_number_option(8, statistics.delivered);
    return block.end();
}

}  // namespace pktverbs::pcapng
