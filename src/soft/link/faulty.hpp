// SPDX-License-Identifier: Apache-2.0
// The faulty link: another link, whose arriving frames meet impairments.
#pragma once

#include <memory>

#include "soft/link/frame_faults.hpp"
#include "soft/link/link_kind.hpp"

namespace pktverbs::soft {

/// A link whose impairments can be changed while it is open. Any thread.
class ImpairedLink : public Link {
public:
    /// Without mistakes.
    virtual void set_impairments(const LinkFaults& faults) = 0;
    virtual ImpairmentCounters impairment_counters() const = 0;
};

/// Sends as `inner` does. A frame that is held back for reordering is delivered when the next one has passed it, or by
/// the first receive() that finds nothing new: wants_receive() is set until then, and receive_fd() readable. So
/// frames that come in a burst change places, and a lone one is not kept from anybody who looks for it. What becomes of
/// the nth frame depends on the seed and on nothing else. Lost frames count in lost().
/// Delayed frames are delivered by the first receive() after they are due.
/// Throws std::system_error where there are no descriptors left.
std::unique_ptr<ImpairedLink> make_faulty(std::unique_ptr<Link> inner, const LinkFaults& faults);
/// From now on, the port opens faulty links.
void make_faulty(LinkPort& port, const LinkFaults& faults);

}  // namespace pktverbs::soft
