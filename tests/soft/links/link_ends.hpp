// SPDX-License-Identifier: Apache-2.0
// LinkEnds: Contexts at both ends of a link, and frames from one to the other.
#pragma once

#include <gtest/gtest.h>
#include <sched.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <pktverbs/pktverbs.hpp>
#include <pktverbs/verbs/async_event.hpp>

#include "frames.hpp"
#include "link_row.hpp"
#include "medium.hpp"

namespace pktverbs::testing {

inline constexpr std::chrono::seconds patience{20};  ///< a test that needs it has failed
inline const Options link_options{.send_packets = 64, .recv_packets = 256, .max_packet_size = 9216};

/// Changes some of link_options.
template <class Change>
Options link_options_with(Change&& change) {
    Options options = link_options;
    change(options);
    return options;
}

/// Both open, and their links up.
class LinkEnds {
public:
    explicit LinkEnds(const LinkRow& row, const Options& options = link_options) : LinkEnds{row, options, options} {}
    LinkEnds(const LinkRow& row, const Options& left, const Options& right);

    Context& left() { return *contexts_[0]; }
    Context& right() { return *contexts_[1]; }
    /// First from left to right, then back.
    std::array<std::pair<Context*, Context*>, 2> both_ways() {
        return {std::pair{&left(), &right()}, std::pair{&right(), &left()}};
    }
    /// The longest untagged frame.
    std::size_t max_frame() { return left().limits().mtu + std::size_t{14}; }

    const std::string& device(std::size_t end) const { return devices_[end]; }
    void close(std::size_t end) { contexts_[end].reset(); }
    void open(std::size_t end) { contexts_[end].emplace(open_another(end)); }
    Context open_another(std::size_t end) { return medium_->open(end, devices_[end], options_[end]); }
    /// Takes the left end's link down, or up again.
    void set_link(bool up) { medium_->set_link(*this, up); }
    void wait_until_up();

private:
    std::unique_ptr<Medium> medium_;
    std::array<std::string, 2> devices_;
    std::array<Options, 2> options_;
    std::array<std::optional<Context>, 2> contexts_;
};

/// Waits for an event of that type; others are left out. False if none came.
bool wait_for(Context& context, ibv_event_type type);

/// A broadcast frame that only the one with this number and length is like; of 18 bytes or more, number_of() is in it.
Bytes link_frame(std::uint32_t number, std::size_t bytes);

/// Puts a frame into a packet, over as many chunks as it takes.
void put(SendPkt& pkt, const Bytes& bytes);
/// The bytes of all chunks.
Bytes whole(RecvPkt& pkt);

/// Sends one frame.
void send_frame(Context& from, const Bytes& bytes);

/// Sends frames and expects them at the other end, all of them and in order, by a rule for everything. No more are on
/// their way at a time than there are packets for.
void pass(Context& from, Context& to, std::uint32_t count, const std::function<Bytes(std::uint32_t)>& make);
/// The same for `count` frames of 64 bytes.
void pass(Context& from, Context& to, std::uint32_t count = 20);

/// Keeps the thread on its processor. A veth pair hands a frame over on the sender's: a thread that moves could
/// overtake itself (veth_forward_skb() in drivers/net/veth.c queues it there).
class OnOneProcessor {
public:
    OnOneProcessor();
    ~OnOneProcessor();
    OnOneProcessor(const OnOneProcessor&) = delete;
    OnOneProcessor& operator=(const OnOneProcessor&) = delete;

private:
    cpu_set_t before_;
};

/// A case for every link of a suite.
class OnLink : public ::testing::TestWithParam<LinkRow> {
protected:
    void SetUp() override;
};

}  // namespace pktverbs::testing
