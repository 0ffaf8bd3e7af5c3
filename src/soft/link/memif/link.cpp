// SPDX-License-Identifier: Apache-2.0
// The memif link: frames through memory that is shared with another process, by the protocol of VPP and DPDK.
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include <fmt/core.h>

#include "base/event_fd.hpp"
#include "base/quantity.hpp"
#include "soft/link/link_kind.hpp"
#include "soft/link/link_string.hpp"
#include "soft/link/memif/control.hpp"
#include "soft/link/memif/data_path.hpp"
#include "soft/link/memif/port.hpp"
#include "soft/link/memif/ring.hpp"
#include "soft/link/memif/settings.hpp"
#include "soft/link/random_mac.hpp"

namespace pktverbs::soft {
namespace {

constexpr std::uint32_t memif_default_mtu = 9000;

memif::Settings with_mac(memif::Settings settings) {
    if (settings.mac.is_zero()) settings.mac = random_mac();
    return settings;
}

class MemifLink final : public Link {
public:
    explicit MemifLink(const memif::Settings& settings)
        : settings_{with_mac(settings)}, data_{settings_.max_frame(), wake_}, control_{settings_, data_, wake_} {}

    MacAddress mac() const noexcept override { return settings_.mac; }
    std::uint32_t mtu() const noexcept override { return settings_.mtu; }
    bool up() const noexcept override { return control_.is_up(); }
    std::vector<Ipv6Address> addresses() const override { return settings_.addresses; }
    std::optional<LinkPeer> peer() const override { return control_.peer(); }

    void attach(Sink& sink) override {
        data_.attach(sink);
        control_.start(sink);
        wants_receive_.store(true, std::memory_order_relaxed);
    }
    void detach() noexcept override {
        wants_receive_.store(false, std::memory_order_relaxed);
        // A child does not know who held its locks at fork().
        if (!control_.is_in_child()) data_.detach();
        control_.stop();
    }

    std::size_t send(std::span<const TxFrame> frames) noexcept override { return data_.send(frames); }
    void receive(std::size_t most) noexcept override { data_.receive(most); }
    int receive_fd() const noexcept override { return data_.receive_fd(); }
    void waited() noexcept override { data_.waited(); }
    void watched(bool on) noexcept override { data_.watched(on); }
    int send_fd() const noexcept override { return data_.send_fd(); }
    std::uint64_t lost() noexcept override { return data_.lost(); }
    std::uint64_t unsent() noexcept override { return data_.unsent(); }

private:
    const memif::Settings settings_;
    EventFd wake_;
    memif::DataPath data_;
    memif::Control control_;
};

constexpr LinkKind::Key memif_keys[] = {{"role", "server"},  {"id", "N"},           {"secret", "TEXT"},
                                        {"queues", "N"},     {"size", "BYTES"},     {"ring", "LOG2"},
                                        {"mode", "ip"},      {"reconnect", "TIME"}, LinkString::mac_key,
                                        LinkString::mtu_key, LinkString::ip_key};

/// The value of a key that has two; the first is its default.
bool is_second(const LinkString& string, std::string_view key, std::string_view first, std::string_view second) {
    const auto value = string.value(key, first);
    if (value != first && value != second)
        string.refuse(fmt::format("{} is \"{}\" or \"{}\", not \"{}\"", key, first, second, value));
    return value == second;
}

memif::SocketName read_socket(const LinkString& string) {
    const std::string& name = string.name();
    if (name.size() > memif::SocketName::max_bytes)
        string.refuse(fmt::format("a socket's name has {} bytes at most", memif::SocketName::max_bytes));
    if (name == "@") string.refuse("an abstract socket has a name behind the @");
    if (name.find('\0') != std::string::npos) string.refuse("a zero is in the socket's name");
    return memif::SocketName{name};
}

std::chrono::nanoseconds read_reconnect(const LinkString& string) {
    const auto value = string.value("reconnect", "2s");
    const auto quantity = Quantity::parse(value);
    std::uint64_t unit = 0;
    if (quantity && quantity->unit == "s") unit = 1000;
    if (quantity && quantity->unit == "ms") unit = 1;
    const std::uint64_t ms = unit == 0 ? 0 : quantity->times(unit).value_or(0);
    if (ms == 0 || ms > 3'600'000)
        string.refuse(fmt::format("\"{}\" is no time from 1ms to 3600s for reconnecting", value));
    return std::chrono::milliseconds{ms};
}

void check_client_keys(const LinkString& string, const memif::Settings& settings) {
    if (!settings.is_server) return;
    for (const char* key : {"size", "ring", "reconnect"})
        if (!string.value(key, {}).empty())
            string.refuse(fmt::format("{} is a client's: it connects, and brings the memory", key));
}

LinkPort find_memif(const LinkString& string) {
    memif::Settings settings{.socket = read_socket(string)};
    settings.is_server = is_second(string, "role", "client", "server");
    settings.id = static_cast<std::uint32_t>(string.number("id", "the id", 0, UINT32_MAX, 0));
    settings.secret = string.value("secret", {});
    if (settings.secret.size() > 23) string.refuse("a secret has 23 bytes at most");
    settings.mode = is_second(string, "mode", "ethernet", "ip") ? memif::Mode::ip : memif::Mode::ethernet;
    settings.reconnect = read_reconnect(string);
    memif::read_memory_and_port(string, settings);
    check_client_keys(string, settings);
    return memif::make_port(settings);
}

}  // namespace

namespace memif {

void read_memory_and_port(const LinkString& string, Settings& settings) {
    settings.queues = static_cast<std::uint16_t>(string.number("queues", "the number of queues", 1, 64, 1));
    settings.buffer_bytes = static_cast<std::uint32_t>(string.number("size", "the buffers' size", 64, 65536, 2048));
    settings.log2_slots =
        static_cast<std::uint8_t>(string.number("ring", "the ring's power of two", 1, Ring::max_log2_slots, 10));
    const OfferShape shape{settings.queues, settings.queues, settings.log2_slots, settings.buffer_bytes};
    if (shape.bytes() > UINT32_MAX)
        string.refuse(fmt::format("rings and buffers would take {} bytes, and offsets have 32 bits", shape.bytes()));
    settings.mac = string.mac();
    settings.mtu = string.mtu(memif_default_mtu);
    settings.addresses = string.addresses();
}

LinkPort make_port(const Settings& settings) {
    LinkPort port;
    port.open = [settings] { return std::make_unique<MemifLink>(settings); };
    port.mac = [mac = settings.mac] { return mac; };
    port.addresses = [addresses = settings.addresses] { return addresses; };
    port.mtu = settings.mtu;
    port.waits_for_peer = true;
    return port;
}

}  // namespace memif

extern const LinkKind memif_kind;
const LinkKind memif_kind{.prefix = "memif",
                          .name = "SOCKET",
                          .keys = memif_keys,
                          .purpose = "memory shared with another process: DPDK, VPP, libmemif, or this library",
                          .find = find_memif};

}  // namespace pktverbs::soft
