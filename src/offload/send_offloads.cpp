// SPDX-License-Identifier: Apache-2.0
#include "offload/send_offloads.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>

#include <pktverbs/verbs/error.hpp>

#include "net/internet_checksum.hpp"
#include "net/segment.hpp"
#include "verbs/scatter.hpp"

namespace pktverbs {
namespace {

std::span<const ibv_sge> sges_of(const ibv_send_wr& wr) noexcept {
    return {wr.sg_list, static_cast<std::size_t>(wr.num_sge)};
}

/// Inserts a tag into the header at the beginning of `head`; returns the new length.
std::size_t put_tag(std::span<std::uint8_t> head, std::size_t bytes, std::uint16_t tci) noexcept {
    std::memmove(&head[mac_pair_bytes + vlan_tag_bytes], &head[mac_pair_bytes], bytes - mac_pair_bytes);
    head[mac_pair_bytes] = 0x81;
    head[mac_pair_bytes + 1] = 0;
    head[mac_pair_bytes + 2] = static_cast<std::uint8_t>(tci >> 8);
    head[mac_pair_bytes + 3] = static_cast<std::uint8_t>(tci);
    return bytes + 4;
}

std::uint16_t tci_of(const ibv_send_wr& wr) noexcept { return static_cast<std::uint16_t>(wr.imm_data >> 16); }

}  // namespace

SendOffloads::SendOffloads(const verbs::Port& port, const GrantedOffloads& granted, std::size_t chunks,
                           std::uint32_t packets, std::uint32_t max_work_requests)
    : granted_{granted.by},
      max_tso_{granted.max_tso},
      splits_{granted.by.segmentation == Offload::software},
      chunks_{chunks} {
    const auto allow = [this](Offload offload, std::uint32_t bit) {
        if (offload != Offload::off) may_ask_ |= bit;
    };
    allow(granted_.send_checksums, SendPkt::asks_checksums);
    allow(granted_.insert_vlan, SendPkt::asks_vlan);
    allow(granted_.segmentation, SendPkt::asks_segments);
    if ((may_ask_ & (SendPkt::asks_vlan | SendPkt::asks_segments)) == 0) return;

    // A power of two, as indexes run free.
    capacity_ = std::bit_ceil(packets);
    if (splits_) {
        constexpr std::uint32_t segments_per_packet = 8, least = 512;
        const std::uint32_t room = max_work_requests > packets ? max_work_requests - packets : 1;
        capacity_ = std::min(std::bit_ceil(std::max(packets * segments_per_packet, least)), std::bit_floor(room));
    }
    memory_ = Memory{sizeof(Entry) * capacity_};
    mr_ = verbs::MrHandle{
        verbs::check_pointer(port.action("reg_mr", "register headers to send"),
                             [&] { return port.provider.reg_mr(port.domain, memory_.data(), memory_.size(), 0); }),
        {&port.provider}};
}

SendOffloads::Entry& SendOffloads::entry(std::uint32_t index) const noexcept {
    return *reinterpret_cast<Entry*>(memory_.data() + sizeof(Entry) * (index & (capacity_ - 1)));
}

bool SendOffloads::is_entry(const ibv_send_wr* wr) const noexcept {
    const auto* const at = reinterpret_cast<const std::uint8_t*>(wr);
    return at >= memory_.data() && at < memory_.data() + memory_.size();
}

int SendOffloads::shape(SendPkt& pkt, unsigned& flags, ibv_send_wr*& first) noexcept {
    first = &pkt.wr_;
    const std::uint32_t asks = pkt.asks();
    if ((asks & ~may_ask_) != 0) return EOPNOTSUPP;
    if ((asks & SendPkt::asks_segments) != 0) return segment(pkt, flags, first);
    if ((asks & SendPkt::asks_vlan) != 0) {
        if (const int error = insert_vlan(pkt)) return error;
        flags &= ~unsigned{IBV_SEND_INLINE};  // four bytes more may be too many
    }
    if ((asks & SendPkt::asks_checksums) == 0) return 0;
    if (granted_.send_checksums == Offload::device)
        flags |= IBV_SEND_IP_CSUM;
    else
        fill(pkt);
    return 0;
}

void SendOffloads::fill(SendPkt& pkt) const noexcept {
    std::array<ByteSpan, Layout::max_chunks> pieces;
    const auto chunks = chunks_of(pkt);
    for (std::size_t i = 0; i < chunks.size(); ++i) pieces[i] = bytes_of(chunks[i]);
    fill_checksums(bytes_of(chunks[0]), std::span{pieces}.first(chunks.size()).subspan(1));
}

/// Makes `wr` send an entry's head, followed by a part of `sges`.
void SendOffloads::use(ibv_send_wr& wr, Entry& from, std::uint32_t head_bytes, std::span<const ibv_sge> sges,
                       std::uint32_t offset, std::uint32_t length) const noexcept {
    ibv_sge* next = from.sges;
    if (head_bytes != 0) *next++ = {reinterpret_cast<std::uint64_t>(from.head), head_bytes, mr_->lkey};
    next += slice_sges(sges, offset, length, next);
    wr.sg_list = from.sges;
    wr.num_sge = static_cast<int>(next - from.sges);
}

int SendOffloads::insert_vlan(SendPkt& pkt) noexcept {
    if (available() == 0) return ENOBUFS;
    Entry& extra = entry(used_++);
    copy_first(chunks_of(pkt), std::span{extra.head}.first(mac_pair_bytes));
    const std::size_t head = put_tag(extra.head, mac_pair_bytes, tci_of(pkt.wr_));
    use(pkt.wr_, extra, static_cast<std::uint32_t>(head), chunks_of(pkt), mac_pair_bytes, pkt.length_);
    return 0;
}

int SendOffloads::segment(SendPkt& pkt, unsigned& flags, ibv_send_wr*& first) noexcept {
    const std::uint32_t header_bytes = pkt.wr_.tso.hdr_sz;
    if (header_bytes > max_header || header_bytes > pkt.length_) return EINVAL;
    std::array<std::uint8_t, max_header + vlan_tag_bytes> space;
    copy_first(chunks_of(pkt), std::span{space}.first(header_bytes));
    std::size_t bytes = header_bytes;
    if ((pkt.asks() & SendPkt::asks_vlan) != 0 && bytes >= mac_pair_bytes)
        bytes = put_tag(space, bytes, tci_of(pkt.wr_));
    const auto header = std::span{space}.first(bytes);
    const FrameHeaders headers = find_segment_headers(header);
    if (headers.protocol != net::ip_protocol::tcp && (!splits_ || headers.protocol != net::ip_protocol::udp))
        return EINVAL;
    const std::uint32_t longest = std::min<std::uint32_t>(pkt.wr_.tso.mss, pkt.length_ - header_bytes);
    if (!Segment::fits(header.size(), headers.ip_offset, longest)) return EMSGSIZE;
    if (!splits_) {
        flags = (flags & ~unsigned{IBV_SEND_INLINE}) | IBV_SEND_IP_CSUM;
        return segment_by_device(pkt, header);
    }
    const std::uint32_t count = Segment::count(pkt.length_ - header_bytes, pkt.wr_.tso.mss);
    if (count > capacity_) return EMSGSIZE;
    if (count > available()) return ENOBUFS;
    flags &= ~unsigned{IBV_SEND_INLINE};
    split(pkt, header, count, first);
    return 0;
}

int SendOffloads::segment_by_device(SendPkt& pkt, std::span<const std::uint8_t> header) noexcept {
    const std::uint32_t header_bytes = pkt.wr_.tso.hdr_sz;
    if (pkt.length_ - header_bytes > max_tso_ || header.size() > max_header) return EMSGSIZE;
    if (available() == 0) return ENOBUFS;
    Entry& extra = entry(used_++);
    std::ranges::copy(header, extra.head);
    use(pkt.wr_, extra, 0, chunks_of(pkt), header_bytes, pkt.length_ - header_bytes);
    pkt.wr_.opcode = IBV_WR_TSO;
    pkt.wr_.tso.hdr = extra.head;
    pkt.wr_.tso.hdr_sz = static_cast<std::uint16_t>(header.size());
    return 0;
}

void SendOffloads::split(SendPkt& pkt, std::span<const std::uint8_t> header, std::uint32_t count,
                         ibv_send_wr*& first) noexcept {
    const FrameHeaders headers = find_segment_headers(header);
    const std::uint32_t header_bytes = pkt.wr_.tso.hdr_sz;
    const std::uint32_t payload = pkt.length_ - header_bytes;
    const std::span<const ibv_sge> sges = chunks_of(pkt);
    ibv_send_wr* before = nullptr;
    for (std::uint32_t i = 0; i < count; ++i) {
        Entry& extra = entry(used_++);
        const Segment segment = Segment::at(i, payload, pkt.wr_.tso.mss);
        const auto head = std::span{extra.head}.first(header.size());
        std::ranges::copy(header, head.begin());
        write_segment_header(head, headers, segment);
        ibv_send_wr& wr = segment.last ? pkt.wr_ : extra.wr;
        if (!segment.last) {
            wr = {};
            wr.wr_id = reinterpret_cast<std::uint64_t>(&pkt) | part;
            wr.opcode = IBV_WR_SEND;
        }
        use(wr, extra, static_cast<std::uint32_t>(head.size()), sges, header_bytes + i * segment.mss, segment.bytes);
        std::array<ByteSpan, Layout::max_chunks> pieces;
        const auto parts = sges_of(wr).subspan(1);
        std::ranges::transform(parts, pieces.begin(), [](const ibv_sge& sge) { return ByteSpan{bytes_of(sge)}; });
        fill_checksums(head, std::span{pieces}.first(parts.size()));
        if (before)
            before->next = &wr;
        else
            first = &wr;
        before = &wr;
    }
}

void SendOffloads::take_back(const ibv_send_wr* bad, const SendPkt& refused, std::uint32_t first) noexcept {
    used_ = first;
    if (!bad) return;
    if (is_entry(bad)) {
        const auto* const entries = reinterpret_cast<const Entry*>(memory_.data());
        const auto index = static_cast<std::uint32_t>(reinterpret_cast<const Entry*>(bad) - entries);
        used_ += (index - first) & (capacity_ - 1);
    } else if (refused.entries_until_ - first > 1) {
        used_ = refused.entries_until_ - 1;  // all but the last, which is the packet's own
    }
}

void SendOffloads::unshape(ibv_send_wr* first) noexcept {
    ibv_send_wr* packet = nullptr;
    for (ibv_send_wr* wr = first; wr; wr = wr->next) {
        if (is_entry(wr)) continue;
        if (packet) packet->next = wr;
        packet = wr;
        SendPkt& pkt = *packet_of(wr);
        if (wr->sg_list == pkt.sges_) continue;
        wr->sg_list = pkt.sges_;
        wr->num_sge = static_cast<int>(chunks_);
        if (wr->opcode == IBV_WR_TSO && (pkt.asks() & SendPkt::asks_vlan) != 0)
            wr->tso.hdr_sz = static_cast<std::uint16_t>(wr->tso.hdr_sz - vlan_tag_bytes);
        wr->opcode = IBV_WR_SEND;
    }
}

}  // namespace pktverbs
