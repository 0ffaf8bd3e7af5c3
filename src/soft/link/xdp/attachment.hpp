// SPDX-License-Identifier: Apache-2.0
// Attachment: the XDP program on an interface, and the sockets that it gives frames to.
#pragma once

#include <cstdint>
#include <span>

#include "base/file_descriptor.hpp"
#include "interface/interface.hpp"
#include "soft/steering/flow_match.hpp"

namespace pktverbs::soft::xdp {

/// The program is attached by a link (bpf(2): BPF_LINK_CREATE): it needs no bpffs, nobody else can replace the program,
/// and it is detached when the descriptor is closed, however the process ends.
class Attachment {
public:
    /// For queues below `queues`. Throws std::system_error: EPERM with the capabilities that are missing.
    Attachment(const Interface& interface, std::uint32_t queues);

    /// The program may give frames of the queue to this socket, which is bound to it. Throws std::system_error.
    void add_socket(const Interface& interface, std::uint32_t queue, int socket);
    /// Attaches a program that passes all frames to the kernel. For an interface in the calling thread's network
    /// namespace. Throws std::system_error: EBUSY if there is another program.
    void attach(const Interface& interface);

    /// Replaces the program in one step. Returns 0 or an errno, and then the old one stays: EOPNOTSUPP for flows that
    /// are to get copies, ENOSPC for more than the kernel takes, ENODEV once the interface is gone.
    int set_flows(std::span<const FlowMatch* const> flows) noexcept;

private:
    FileDescriptor load(std::span<const FlowMatch* const> flows) const;

    FileDescriptor sockets_;
    FileDescriptor link_;
};

}  // namespace pktverbs::soft::xdp
