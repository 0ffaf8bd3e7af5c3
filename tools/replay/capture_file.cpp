// SPDX-License-Identifier: Apache-2.0
#include "capture_file.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <limits>
#include <stdexcept>
#include <utility>

#ifdef PKTVERBS_TOOL_PCAP
#include <pcap/pcap.h>
#endif

namespace tool {

#ifdef PKTVERBS_TOOL_PCAP

struct CaptureFile::Reader {
    explicit Reader(const std::string& name) {
        char why[PCAP_ERRBUF_SIZE] = "";
        // pcap_open_offline(3PCAP): nanoseconds, whatever the file has.
        handle = pcap_open_offline_with_tstamp_precision(name.c_str(), PCAP_TSTAMP_PRECISION_NANO, why);
        if (handle == nullptr) throw std::runtime_error{fmt::format("cannot read {}: {}", name, why)};
        const int type = pcap_datalink(handle);
        if (type == DLT_EN10MB) return;
        const char* const type_name = pcap_datalink_val_to_name(type);
        const auto text = fmt::format("cannot replay {}: its frames are not Ethernet's, but {}", name,
                                      type_name != nullptr ? type_name : std::to_string(type));
        pcap_close(handle);
        throw std::runtime_error{text};
    }
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;
    ~Reader() { pcap_close(handle); }

    pcap_t* handle;
    std::uint64_t frames = 0;
};

std::optional<CaptureFile::Frame> CaptureFile::next() {
    pcap_pkthdr* header = nullptr;
    const unsigned char* bytes = nullptr;
    const int result = pcap_next_ex(reader_->handle, &header, &bytes);
    if (result == PCAP_ERROR_BREAK) return {};
    if (result != 1)
        throw std::runtime_error{
            fmt::format("{} is broken behind frame {}: {}", name_, reader_->frames, pcap_geterr(reader_->handle))};
    ++reader_->frames;
    // With that precision, tv_usec has nanoseconds. As nanoseconds in 64 bits, times reach to the year 2262.
    constexpr std::int64_t end_of_seconds = std::numeric_limits<std::int64_t>::max() / 1'000'000'000;
    if (header->ts.tv_sec < 0 || header->ts.tv_sec >= end_of_seconds || header->ts.tv_usec < 0 ||
        header->ts.tv_usec >= 1'000'000'000)
        throw std::runtime_error{fmt::format("{} is broken: frame {} was recorded {} s after 1970", name_,
                                             reader_->frames, header->ts.tv_sec)};
    return Frame{{bytes, header->caplen},
                 std::chrono::seconds{header->ts.tv_sec} + std::chrono::nanoseconds{header->ts.tv_usec},
                 header->caplen < header->len};
}

#else

struct CaptureFile::Reader {
    explicit Reader(const std::string&) {
        throw std::runtime_error{"this build cannot read capture files: it was made without libpcap (libpcap-dev)"};
    }
};

std::optional<CaptureFile::Frame> CaptureFile::next() { return {}; }

#endif

CaptureFile::CaptureFile(std::string name) : name_{std::move(name)}, reader_{std::make_unique<Reader>(name_)} {}
CaptureFile::CaptureFile(CaptureFile&&) noexcept = default;
CaptureFile& CaptureFile::operator=(CaptureFile&&) noexcept = default;
CaptureFile::~CaptureFile() = default;

void CaptureFile::rewind() {
    if (name_ == "-") throw std::runtime_error{"standard input cannot be read twice"};
    reader_ = std::make_unique<Reader>(name_);
}

}  // namespace tool
