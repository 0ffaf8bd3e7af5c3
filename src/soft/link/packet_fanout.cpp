// SPDX-License-Identifier: Apache-2.0
#include "soft/link/packet_fanout.hpp"

#include <linux/if_packet.h>
#include <sys/socket.h>

#include <cerrno>

#include "soft/link/bpf_program.hpp"
#include "soft/link/packet_filter.hpp"

namespace pktverbs::soft {
namespace {

constexpr std::uint16_t every_protocol = 0x0003;  // ETH_P_ALL
// linux/if_packet.h has it since Linux 6.2; before, the kernel takes it and does nothing.
constexpr int ignore_outgoing = 0x4000;  // PACKET_FANOUT_FLAG_IGNORE_OUTGOING

/// A group gets what is sent on the interface as well before Linux 6.2, whatever its sockets say (fanout_add() in
/// net/packet/af_packet.c).
std::vector<sock_filter> without_outgoing(std::span<const sock_filter> program) {
    std::vector<sock_filter> longer{
        bpf::load_ancillary(SKF_AD_PKTTYPE),
        {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, PACKET_OUTGOING},
        bpf::give(0),
    };
    longer.insert(longer.end(), program.begin(), program.end());
    return longer;
}

/// Long programs don't fit net.core.optmem_max, or are longer than the kernel takes; the device refuses for itself what
/// no flow matches.
int attach_or_accept_all(const PacketSocket& socket, std::span<const sock_filter> program, bool is_group) {
    const auto everything = accept_all_filter();
    if (!is_group) {
        const int error = socket.attach_filter(program);
        return error == ENOMEM ? socket.attach_filter(everything) : error;
    }
    const auto longer = without_outgoing(program);
    const int error = longer.size() <= BPF_MAXINSNS ? socket.attach_filter(longer) : ENOMEM;
    return error == ENOMEM ? socket.attach_filter(without_outgoing(everything)) : error;
}

}  // namespace

PacketFanout::PacketFanout(const std::shared_ptr<const Interface>& interface, const PacketSettings& settings)
    : interface_{interface}, spread_{settings.spread} {
    for (std::uint32_t i = 0; i < settings.queues; ++i) {
        const PacketSocket& socket = queues_.emplace_back(std::make_unique<Queue>(interface, settings))->socket;
        socket.set(PACKET_IGNORE_OUTGOING, 1, "leave out what is sent on");
    }
    if (const int error = attach_filter(compile_packet_filter({}))) first().fail(error, "filter frames on");
}

void PacketFanout::bind() {
    int group = -1;
    for (const auto& queue : queues_) {
        queue->socket.bind(every_protocol);
        if (is_group()) join(queue->socket, group);
    }
}

/// Makes the group if it is negative.
void PacketFanout::join(const PacketSocket& socket, int& group) const {
    int type = ignore_outgoing | (spread_ == PacketSpread::by_hash ? PACKET_FANOUT_HASH : PACKET_FANOUT_CPU);
    if (group < 0) type |= PACKET_FANOUT_FLAG_UNIQUEID;
    int error = socket.set(PACKET_FANOUT, type << 16 | (group < 0 ? 0 : group));
    socklen_t bytes = sizeof group;
    if (error == 0 && group < 0 && ::getsockopt(socket.fd(), SOL_PACKET, PACKET_FANOUT, &group, &bytes) != 0)
        error = errno;
    group &= 0xffff;
    if (error == EINVAL && !interface_->is_up()) error = ENETDOWN;
    if (error != 0) socket.fail(error, "spread frames over the sockets of");
}

std::vector<int> PacketFanout::fds() const {
    std::vector<int> fds;
    for (const auto& queue : queues_) fds.push_back(queue->socket.fd());
    return fds;
}

bool PacketFanout::ready() const noexcept {
    for (const auto& queue : queues_)
        if (queue->ring.ready()) return true;
    return false;
}

bool PacketFanout::begin_wait() noexcept {
    bool is_worth_it = false;
    bool is_busy = false;
    for (const auto& queue : queues_) {
        is_busy |= queue->ring.is_busy();
        is_worth_it |= queue->ring.begin_wait();
    }
    return is_worth_it && !is_busy;
}

void PacketFanout::read_whole_blocks() noexcept {
    for (const auto& queue : queues_) queue->ring.read_whole_blocks();
}

std::size_t PacketFanout::take(std::span<RxFrame> frames) noexcept {
    for (std::size_t i = 0; i < queues_.size(); ++i) {
        if (const std::size_t taken = queues_[current_]->ring.take(frames)) return taken;
        current_ = after(current_);
    }
    return 0;
}

void PacketFanout::release() noexcept {
    queues_[current_]->ring.release();
    current_ = after(current_);
}

int PacketFanout::attach_filter(std::span<const sock_filter> program) {
    std::vector<sock_filter> filter(program.begin(), program.end());
    for (std::size_t i = 0; i < queues_.size(); ++i) {
        const int error = attach_or_accept_all(queues_[i]->socket, filter, is_group());
        if (error == 0) continue;
        while (i-- > 0) attach_or_accept_all(queues_[i]->socket, filter_, is_group());
        return error;
    }
    filter_.swap(filter);
    return 0;
}

void PacketFanout::clear_errors() const noexcept {
    for (const auto& queue : queues_) {
        int error = 0;
        socklen_t bytes = sizeof error;
        ::getsockopt(queue->socket.fd(), SOL_SOCKET, SO_ERROR, &error, &bytes);
    }
}

std::uint64_t PacketFanout::lost() noexcept {
    std::uint64_t cut = 0;
    for (const auto& queue : queues_) {
        tpacket_stats_v3 statistics{};
        socklen_t bytes = sizeof statistics;
        // Reading sets the kernel's counters back to 0 (packet(7)).
        if (::getsockopt(queue->socket.fd(), SOL_PACKET, PACKET_STATISTICS, &statistics, &bytes) == 0)
            kernel_lost_.fetch_add(statistics.tp_drops, std::memory_order_relaxed);
        cut += queue->ring.cut();
    }
    return kernel_lost_.load(std::memory_order_relaxed) + cut;
}

}  // namespace pktverbs::soft
