// SPDX-License-Identifier: Apache-2.0
// The kind of link "pcap": its device strings.
#include <sys/stat.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>

#include <fmt/core.h>

#include "base/quantity.hpp"
#include "soft/link/link_kind.hpp"
#include "soft/link/link_string.hpp"
#include "soft/link/pcap/capture_reader.hpp"
#include "soft/link/pcap/link.hpp"
#include "soft/link/pcap/settings.hpp"

namespace pktverbs::soft {
namespace {

constexpr std::uint32_t pcap_default_mtu = 9000;
constexpr MacAddress pcap_default_mac{MacAddress::Bytes{0x02, 'p', 'c', 'a', 'p', 0}};
constexpr LinkKind::Key pcap_keys[] = {
    {"speed", "max"}, {"loop", "N"}, LinkString::mac_key, LinkString::mtu_key, LinkString::ip_key};

/// "in=FILE,out=FILE". Names of files have commas, too: one ends a name only if "in=" or "out=" follows.
void read_files(const LinkString& string, pcap::Settings& settings) {
    std::string_view rest = string.name();
    while (!rest.empty()) {
        const bool is_in = rest.starts_with("in=");
        if (!is_in && !rest.starts_with("out="))
            string.refuse("in=FILE, out=FILE or both, with a comma between them, stand behind the colon");
        const std::string_view key = rest.substr(0, rest.find('='));
        rest.remove_prefix(key.size() + 1);
        const std::size_t end = std::min({rest.find(",in="), rest.find(",out="), rest.size()});
        std::string& file = is_in ? settings.in : settings.out;
        if (!file.empty()) string.refuse(fmt::format("{}= is given twice", key));
        if (end == 0) string.refuse(fmt::format("no file follows {}=", key));
        file = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    if (string.name().find('\0') != std::string::npos) string.refuse("a zero is in a file's name");
}

void read_speed(const LinkString& string, pcap::Settings& settings) {
    const auto value = string.value("speed", "recorded");
    settings.at_recorded_times = value != "max";
    if (value == "max" || value == "recorded") return;
    const auto factor = Quantity::parse(value);
    settings.speed = factor && factor->unit == "x" ? factor->times(1.0) : 0;
    if (settings.speed < 0.001 || settings.speed > 1e6)
        string.refuse(
            fmt::format("the speed \"{}\" is not \"recorded\", \"max\" or a factor from 0.001x to 1000000x", value));
}

bool are_the_same(const std::string& one, const std::string& other) noexcept {
    struct stat first {};
    struct stat second {};
    return ::stat(one.c_str(), &first) == 0 && ::stat(other.c_str(), &second) == 0 && first.st_dev == second.st_dev &&
           first.st_ino == second.st_ino && S_ISREG(first.st_mode);
}

/// Only here can a message say more than an errno.
void check_files(const LinkString& string, const pcap::Settings& settings) {
    if (settings.in.empty()) {
        for (const char* key : {"speed", "loop"})
            if (!string.value(key, {}).empty()) string.refuse(fmt::format("{} is for a replay: in= is missing", key));
        return;
    }
    if (are_the_same(settings.in, settings.out)) string.refuse("in and out are the same file");
    const bool is_stream = pcap::CaptureReader::is_stream(settings.in);
    if (is_stream && settings.rounds != 1) string.refuse("a pipe can be read once only: leave out loop");
    if (!is_stream) pcap::CaptureReader{settings.in};
}

LinkPort find_pcap(const LinkString& string) {
    pcap::Settings settings;
    read_files(string, settings);
    read_speed(string, settings);
    settings.rounds = string.number("loop", "the number of rounds", 0, UINT64_MAX, 1);
    settings.mac = string.mac();
    if (settings.mac.is_zero()) settings.mac = pcap_default_mac;
    settings.mtu = string.mtu(pcap_default_mtu);
    settings.addresses = string.addresses();
    check_files(string, settings);
    LinkPort port;
    port.open = [settings] { return std::make_unique<pcap::PcapLink>(settings); };
    port.mac = [mac = settings.mac] { return mac; };
    port.addresses = [addresses = settings.addresses] { return addresses; };
    port.mtu = settings.mtu;
    port.timestamp_clock = settings.in.empty() ? TimestampClock::delivery : TimestampClock::recorded;
    return port;
}

}  // namespace

extern const LinkKind pcap_kind;
const LinkKind pcap_kind{.prefix = "pcap",
                         .name = "in=FILE,out=FILE",
                         .keys = pcap_keys,
                         .purpose = "frames from one capture file, and to another one",
                         .find = find_pcap};

}  // namespace pktverbs::soft
