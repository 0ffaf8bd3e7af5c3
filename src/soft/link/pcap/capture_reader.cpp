// SPDX-License-Identifier: Apache-2.0
#include "soft/link/pcap/capture_reader.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <utility>

#include <fmt/core.h>

#include <pktverbs/verbs/error.hpp>

#include "base/blocked_signals.hpp"
#ifdef PKTVERBS_PCAP
#include "soft/link/pcap/libpcap.hpp"
#endif

namespace pktverbs::soft::pcap {

#ifdef PKTVERBS_PCAP
namespace {

const Libpcap& libpcap(const std::string& path) {
    const Libpcap* const loaded = Libpcap::load();
    if (!loaded)
        verbs::throw_error(EOPNOTSUPP, fmt::format("read {}", path),
                           "capture files are read by libpcap, which is not installed (Debian: libpcap0.8)");
    return *loaded;
}

FileDescriptor open_capture(const std::string& path) {
    FileDescriptor file{path == "-" ? ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
                                    : ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY)};
    const int error = errno;
    if (!file && (error == ENOENT || error == ENOTDIR))
        verbs::throw_message(ENODEV, fmt::format("cannot read {}: there is no such file", path));
    if (!file) verbs::throw_error(error, fmt::format("read {}", path), {});
    return file;
}

/// It can be read again, from its beginning.
bool is_regular(int fd) noexcept {
    struct stat status {};
    return ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

/// What libpcap says is no more than "unknown file format" where people can be told what to do.
std::string_view reason_of(int fd, std::string_view libpcap_says) noexcept {
    struct stat status {};
    if (::fstat(fd, &status) != 0) return libpcap_says;
    if (S_ISDIR(status.st_mode)) return "it is a directory";
    if (S_ISREG(status.st_mode) && status.st_size == 0) return "it is empty, without a capture's header";
    std::array<unsigned char, 4> magic{};
    if (::pread(fd, magic.data(), magic.size(), 0) < 4) return libpcap_says;
    // Of gzip (RFC 1952), zstd (RFC 8878) and xz; and bzip2.
    for (const char* compressed : {"\x1f\x8b", "(\xb5/\xfd", "\xfd\x37zX", "BZh"})
        if (std::memcmp(magic.data(), compressed, std::strlen(compressed)) == 0)
            return "it is compressed: unpack it first";
    return libpcap_says;
}

}  // namespace

void CaptureReader::Close::operator()(::pcap* file) const noexcept { Libpcap::load()->close(file); }

bool CaptureReader::fail(std::string_view reason) noexcept {
    error_[reason.copy(error_.data(), error_.size() - 1)] = '\0';
    return false;
}

bool CaptureReader::open() noexcept {
    pcap_.reset();
    if (!is_stream_ && ::lseek(file_.get(), 0, SEEK_SET) != 0) return fail(std::strerror(errno));
    const int copy = ::fcntl(file_.get(), F_DUPFD_CLOEXEC, 0);
    std::FILE* const stream = copy < 0 ? nullptr : ::fdopen(copy, "r");
    if (!stream) {
        fail(std::strerror(errno));
        if (copy >= 0) ::close(copy);
        return false;
    }
    // So that poll(2) knows of all that a pipe holds.
    if (is_stream_) std::setvbuf(stream, nullptr, _IONBF, 0);
    char reason[PCAP_ERRBUF_SIZE]{};
    pcap_.reset(Libpcap::load()->fopen_offline_with_tstamp_precision(stream, PCAP_TSTAMP_PRECISION_NANO, reason));
    if (pcap_) return true;
    fail(reason_of(file_.get(), reason));
    std::fclose(stream);
    return false;
}

CaptureReader::CaptureReader(const std::string& path)
    : path_{path}, file_{(libpcap(path), open_capture(path))}, is_stream_{!is_regular(file_.get())} {
    const auto refuse = [&](std::string_view reason) {
        verbs::throw_message(EINVAL, fmt::format("cannot replay {}: {} (a pcap or pcapng file of Ethernet frames is "
                                                 "wanted; capinfos tells what a file is)",
                                                 path_, reason));
    };
    if (!open()) refuse(error());
    const Libpcap& functions = libpcap(path);
    const int type = functions.datalink(pcap_.get());
    if (type == DLT_EN10MB) return;
    const char* const name = functions.datalink_val_to_name(type);
    const char* const words = functions.datalink_val_to_description(type);
    refuse(fmt::format("its frames are {}, {}, and not Ethernet",
                       name ? name : "of a type that libpcap has no name for",
                       words ? words : fmt::format("number {}", type)));
}

CaptureReader::Result CaptureReader::read(CapturedFrame& frame) noexcept {
    std::optional<BlockedSignals> undisturbed;
    if (is_stream_) {
        pollfd ready{file_.get(), POLLIN, 0};
        if (::poll(&ready, 1, 0) <= 0) return Result::nothing_yet;
        undisturbed.emplace();  // a handler would break off the read(2)
    }
    const Libpcap& functions = *Libpcap::load();
    pcap_pkthdr* header = nullptr;
    const u_char* data = nullptr;
    const int result = functions.next_ex(pcap_.get(), &header, &data);
    if (result == PCAP_ERROR_BREAK) return Result::end;
    if (result != 1) {
        fail(functions.geterr(pcap_.get()));
        return Result::failed;
    }
    // The microseconds are nanoseconds, which were asked for.
    const auto seconds = static_cast<std::uint64_t>(header->ts.tv_sec);
    frame = {data, header->caplen, seconds * 1'000'000'000U + static_cast<std::uint64_t>(header->ts.tv_usec)};
    return Result::frame;
}

bool CaptureReader::rewind() noexcept {
    if (is_stream_) return fail("a pipe can be read once only");
    return open();
}

#else

void CaptureReader::Close::operator()(::pcap*) const noexcept {}

CaptureReader::CaptureReader(const std::string& path) {
    verbs::throw_error(EOPNOTSUPP, fmt::format("read {}", path),
                       "this build of pktverbs reads no capture files: it was made without libpcap's header, Debian: "
                       "libpcap-dev, or with PKTVERBS_PCAP=OFF");
}

CaptureReader::Result CaptureReader::read(CapturedFrame&) noexcept { return Result::end; }
bool CaptureReader::rewind() noexcept { return false; }

#endif

CaptureReader::~CaptureReader() = default;
CaptureReader::CaptureReader(CaptureReader&&) noexcept = default;

bool CaptureReader::is_stream(const std::string& path) noexcept {
    struct stat status {};
    return path == "-" || (::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode));
}

}  // namespace pktverbs::soft::pcap
