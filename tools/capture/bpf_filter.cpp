// SPDX-License-Identifier: Apache-2.0
#include "bpf_filter.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "common/bad_use.hpp"

#ifdef PKTVERBS_TOOL_PCAP
#include <pcap/pcap.h>
#endif

namespace tool {

#ifdef PKTVERBS_TOOL_PCAP

struct BpfFilter::Program {
    explicit Program(const std::string& text) {
        constexpr int snap_length = 262144;  // tcpdump's
        std::unique_ptr<pcap_t, void (*)(pcap_t*)> handle{pcap_open_dead(DLT_EN10MB, snap_length), pcap_close};
        if (!handle) throw std::bad_alloc{};
        constexpr int optimized = 1;
        if (pcap_compile(handle.get(), &code, text.c_str(), optimized, PCAP_NETMASK_UNKNOWN) != 0)
            throw example::BadUse{fmt::format("--filter: '{}': {}", text, pcap_geterr(handle.get()))};
    }
    Program(const Program&) = delete;
    Program& operator=(const Program&) = delete;
    ~Program() { pcap_freecode(&code); }

    bpf_program code{};
};

bool BpfFilter::takes(std::span<const std::uint8_t> header, std::span<const std::uint8_t> rest) {
    frame_.resize(std::max(frame_.size(), header.size() + rest.size()));
    std::ranges::copy(rest, std::ranges::copy(header, frame_.begin()).out);
    const auto bytes = static_cast<unsigned>(header.size() + rest.size());
    return bpf_filter(program_->code.bf_insns, frame_.data(), bytes, bytes) != 0;
}

#else

struct BpfFilter::Program {
    explicit Program(const std::string&) {
        throw example::BadUse{"--filter: this build has none: it was made without libpcap (libpcap-dev)"};
    }
};

bool BpfFilter::takes(std::span<const std::uint8_t>, std::span<const std::uint8_t>) { return true; }

#endif

BpfFilter::BpfFilter(const std::string& text) : program_{std::make_unique<Program>(text)} {}
BpfFilter::~BpfFilter() = default;

}  // namespace tool
