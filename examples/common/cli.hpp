// SPDX-License-Identifier: Apache-2.0
// Cli: what all examples do alike on the command line: exit statuses, one-line reasons, addresses as options.
#pragma once

#include <pktverbs/format.hpp>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>

#include <pktverbs/pktverbs.hpp>

namespace example {

/// What was asked for can't be: exit status 2. Everything else that goes wrong is 1.
struct BadUse : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// Says why, in one line on stderr.
inline int fail(const CLI::App& app, std::string reason, int status) {
    std::ranges::replace(reason, '\n', ' ');
    fmt::print(stderr, "{}: {}\n", app.get_name(), reason);
    return status;
}

/// Parses the command line and runs the program; what is thrown becomes a one-line reason and an exit status.
template <class Program>
int run(CLI::App& app, int argc, char** argv, Program&& program) {
    try {
        app.parse(argc, argv);
        return program();
    } catch (const CLI::Success& help) {
        return app.exit(help);
    } catch (const CLI::ParseError& error) {
        return fail(app, fmt::format("{} (see --help)", error.what()), 2);
    } catch (const BadUse& error) {
        return fail(app, error.what(), 2);
    } catch (const std::exception& error) {
        return fail(app, error.what(), 1);
    }
}

/// A check for numbers, with a shorter reason than CLI::Range's.
inline CLI::Validator between(double low, double high) {
    const auto range = fmt::format("{:.15g} to {:.15g}", low, high);
    auto check = [=](const std::string& text) {
        char* end = nullptr;
        const double number = std::strtod(text.c_str(), &end);
        if (end != text.c_str() && *end == '\0' && number >= low && number <= high) return std::string{};
        return fmt::format("'{}' is not a number from {}", text, range);
    };
    return CLI::Validator{check, range};
}
inline constexpr double most_packets = 1e15;
inline constexpr double longest_seconds = 1e9;

/// An option that holds an address type with a parse() function.
template <class Address>
CLI::Option* add_address(CLI::App& app, const std::string& name, std::optional<Address>& value,
                         const std::string& help) {
    static constexpr bool is_mac = std::is_same_v<Address, pktverbs::MacAddress>;
    auto store = [&value, name](const std::string& text) {
        value = Address::parse(text);
        if (!value)
            throw CLI::ValidationError(
                name, fmt::format("'{}' is not {}", text, is_mac ? "a MAC address" : "an IPv4 address"));
    };
    return app.add_option_function<std::string>(name, store, help)->type_name(is_mac ? "MAC" : "IP");
}

/// The device that a device string names; what there is to tell about the choice goes to stderr.
inline pktverbs::Device find_device(std::string_view text) {
    try {
        auto device = pktverbs::find_device(text);
        if (!device.note.empty()) fmt::print(stderr, "{}\n", device.note);
        return device;
    } catch (const std::system_error& error) {
        if (error.code().value() == EINVAL) throw BadUse{error.what()};
        throw;
    }
}

/// Buffers for any frame that the device's port lets through, and `packets` of them each way.
inline pktverbs::Options options_for(const pktverbs::Device& device, std::uint32_t packets) {
    constexpr std::uint32_t ethernet_header_with_vlan = 18;
    pktverbs::Options options{.send_packets = packets, .recv_packets = packets};
    if (device.mtu != 0) options.max_packet_size = device.mtu + ethernet_header_with_vlan;
    return options;
}

/// Throws BadUse if the port doesn't let an IP packet of that size through in one piece.
inline void check_mtu(const pktverbs::Context& ctx, std::size_t packet_bytes) {
    const std::size_t most = ctx.limits().mtu != 0 ? ctx.limits().mtu : ctx.limits().max_packet_size - 14;
    if (packet_bytes > most)
        throw BadUse{fmt::format("packets of {} bytes, IP header included, are longer than the {} bytes that {} takes",
                                 packet_bytes, most, ctx.device().name)};
}

/// Throws if receiving came to an end for another reason than time or the user.
inline void check_outcome(pktverbs::Context& ctx, pktverbs::Outcome outcome) {
    if (outcome != pktverbs::Outcome::queue_error && outcome != pktverbs::Outcome::device_error) return;
    const int error = ctx.queue(0).error();
    throw std::system_error{error != 0 ? error : EIO, std::generic_category(),
                            fmt::format("cannot receive from {}: {}", ctx.device().name, to_string(outcome))};
}

inline std::chrono::nanoseconds to_nanoseconds(double seconds) {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>{seconds});
}

}  // namespace example
