// SPDX-License-Identifier: Apache-2.0
#include "soft/link/memif/handshake.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include <fmt/core.h>

#include "soft/link/memif/ring.hpp"

namespace pktverbs::soft::memif {

namespace {

using Progress = Step::Progress;

constexpr std::string_view own_name = "pktverbs";
/// Of one connection, together: what a client can make this process map.
constexpr std::uint64_t max_offered_bytes = std::uint64_t{16} << 30;

std::string_view name_of(Mode mode) noexcept { return mode == Mode::ip ? "ip" : "ethernet"; }

/// In a time that does not depend on where they differ.
bool same_secret(const std::string& expected, const Text<24>& given) noexcept {
    const auto wanted = to_text<24>(expected);
    unsigned difference = 0;
    for (std::size_t i = 0; i < wanted.size(); ++i)
        difference |= static_cast<unsigned char>(wanted[i]) ^ static_cast<unsigned char>(given[i]);
    return difference == 0;
}

Step refuse(std::string reason) {
    Step step{Progress::refused, Reply{disconnect_message(reason)}, {}};
    step.reason = std::move(reason);
    return step;
}

Step acknowledge(Progress progress = Progress::going_on) {
    return {progress, Reply{Message::of(MessageType::ack)}, {}};
}

/// What ends every conversation, in every state.
std::optional<Step> read_end(std::span<const std::byte> bytes, Message& message) {
    if (bytes.size() != sizeof message)
        return refuse(fmt::format("a message of {} bytes, not {}", bytes.size(), sizeof message));
    std::memcpy(&message, bytes.data(), sizeof message);
    if (message.type != MessageType::disconnect) return std::nullopt;
    return Step{.progress = Progress::refused,
                .reason = from_text(Text<96>{message.body.disconnect.reason}),
                .code = message.body.disconnect.code};
}

Step unexpected(const Message& message) {
    return refuse(fmt::format("message {} comes out of order", static_cast<unsigned>(message.type)));
}

}  // namespace

Message disconnect_message(std::string_view reason, std::uint32_t code) noexcept {
    Message message = Message::of(MessageType::disconnect);
    message.body.disconnect.code = code;
    message.body.disconnect.reason = to_text<96>(reason);
    return message;
}

Message ServerHandshake::hello() const noexcept {
    Message message = Message::of(MessageType::hello);
    Hello& hello = message.body.hello;
    hello.name = to_text<32>(own_name);
    hello.min_version = hello.max_version = protocol_version;
    hello.max_region = max_regions - 1;
    hello.max_to_client_ring = hello.max_to_server_ring = static_cast<std::uint16_t>(limits_.rings - 1);
    hello.max_log2_slots = limits_.log2_slots;
    return message;
}

Message ServerHandshake::connected() const noexcept {
    Message message = Message::of(MessageType::connected);
    message.body.named.interface_name = to_text<32>(terms_.name);
    return message;
}

Step ServerHandshake::receive(std::span<const std::byte> bytes, FileDescriptor fd) {
    Message message;
    if (auto end = read_end(bytes, message)) return std::move(*end);
    if (state_ == State::init && message.type == MessageType::init) return init(message.body.init);
    if (state_ == State::offer) switch (message.type) {
            case MessageType::add_region:
                return add_region(message.body.add_region, std::move(fd));
            case MessageType::add_ring:
                return add_ring(message.body.add_ring, std::move(fd));
            case MessageType::connect:
                return connect(message.body.named);
            default:
                break;
        }
    return unexpected(message);
}

Step ServerHandshake::init(const Init& init) {
    if (init.version != protocol_version)
        return refuse(fmt::format("version {}.{}, and this is 2.0", init.version >> 8, init.version & 0xff));
    const std::uint32_t id = init.id;
    auto terms = find_(id);
    if (!terms) return refuse(fmt::format("no interface has the id {} here", id));
    if (init.mode != static_cast<std::uint8_t>(terms->mode))
        return refuse(fmt::format("mode {}, and id {} is in mode {} ({})", init.mode, id,
                                  static_cast<unsigned>(terms->mode), name_of(terms->mode)));
    if (!terms->secret.empty() && !same_secret(terms->secret, Text<24>{init.secret}))
        return refuse(fmt::format("wrong secret for id {}", id));
    terms_ = std::move(*terms);
    peer_ = from_text(Text<32>{init.name});
    state_ = State::offer;
    return acknowledge(Progress::agreed);
}

Step ServerHandshake::add_region(const AddRegion& region, FileDescriptor fd) {
    const std::size_t index = offer_.regions.size();
    if (region.index != index) return refuse(fmt::format("region {} where region {} is next", +region.index, index));
    if (index == max_regions) return refuse(fmt::format("more than {} regions", max_regions));
    const std::uint64_t bytes = region.bytes;
    if (bytes == 0 || bytes > max_offered_bytes - offered_bytes_)
        return refuse(
            fmt::format("region {} of {} bytes: 1 to {} are left", index, bytes, max_offered_bytes - offered_bytes_));
    if (!fd) return refuse(fmt::format("region {} comes without a descriptor", index));
    offered_bytes_ += bytes;
    offer_.regions.push_back({bytes, std::move(fd)});
    return acknowledge();
}

Step ServerHandshake::add_ring(const AddRing& ring, FileDescriptor fd) {
    auto& rings = (ring.flags & AddRing::to_server) != 0 ? offer_.to_server : offer_.to_client;
    const std::size_t index = rings.size();
    if (ring.index != index) return refuse(fmt::format("ring {} where ring {} is next", +ring.index, index));
    if (index == terms_.max_rings)
        return refuse(fmt::format("ring {}: id {} takes {} in each direction", index, terms_.id, terms_.max_rings));
    if (ring.log2_slots > limits_.log2_slots)
        return refuse(fmt::format("ring {} has 2^{} slots: 2^{} at most", index, ring.log2_slots, limits_.log2_slots));
    if (ring.region >= offer_.regions.size())
        return refuse(fmt::format("ring {} lies in region {}, which is not there", index, +ring.region));
    const std::uint64_t needed = Ring::bytes(ring.log2_slots);
    const std::uint64_t there = offer_.regions[ring.region].bytes;
    if (needed > there || ring.offset > there - needed)
        return refuse(fmt::format("ring {} reaches past the end of its region", index));
    if (ring.offset % Ring::alignment != 0)
        return refuse(
            fmt::format("ring {} at offset {}, no multiple of {}", index, std::uint32_t{ring.offset}, Ring::alignment));
    if (!fd) return refuse(fmt::format("ring {} comes without a descriptor", index));
    rings.push_back({ring.region, ring.offset, ring.log2_slots, std::move(fd)});
    return acknowledge();
}

Step ServerHandshake::connect(const Named& named) {
    if (offer_.to_server.empty() || offer_.to_client.empty()) return refuse("no ring in each direction");
    peer_interface_ = from_text(Text<32>{named.interface_name});
    state_ = State::done;
    return {Progress::ready, {}, {}};
}

Step ClientHandshake::receive(std::span<const std::byte> bytes) {
    Message message;
    if (auto end = read_end(bytes, message)) return std::move(*end);
    if (state_ == State::hello && message.type == MessageType::hello) return hello(message.body.hello);
    if (state_ == State::offer) {
        const bool all_sent = sent_ == messages_.size();
        if (message.type == MessageType::ack && !all_sent) return next();
        if (message.type == MessageType::connected && all_sent) {
            peer_interface_ = from_text(Text<32>{message.body.named.interface_name});
            state_ = State::done;
            return {Progress::ready, {}, {}};
        }
    }
    return unexpected(message);
}

Step ClientHandshake::hello(const Hello& hello) {
    if (hello.min_version > protocol_version || hello.max_version < protocol_version)
        return refuse(fmt::format("versions {}.{} to {}.{}, and this is 2.0", hello.min_version >> 8,
                                  hello.min_version & 0xff, hello.max_version >> 8, hello.max_version & 0xff));
    const auto count = [this](unsigned max_index) {
        return static_cast<std::uint16_t>(std::min<unsigned>(terms_.rings, max_index + 1));
    };
    to_server_ = count(hello.max_to_server_ring);
    to_client_ = count(hello.max_to_client_ring);
    terms_.log2_slots = std::min(terms_.log2_slots, std::uint8_t{hello.max_log2_slots});
    peer_ = from_text(Text<32>{hello.name});
    state_ = State::agreed;
    return {Progress::agreed, {}, {}};
}

/// DPDK's server takes the rings to it first, then those to the client.
Step ClientHandshake::offer(const Offer& offer) {
    Message init = Message::of(MessageType::init);
    init.body.init.version = protocol_version;
    init.body.init.id = terms_.id;
    init.body.init.mode = static_cast<std::uint8_t>(terms_.mode);
    init.body.init.secret = to_text<24>(terms_.secret);
    init.body.init.name = to_text<32>(own_name);
    messages_.push_back({init});
    for (std::size_t i = 0; i < offer.regions.size(); ++i) {
        Message message = Message::of(MessageType::add_region);
        message.body.add_region.index = static_cast<std::uint16_t>(i);
        message.body.add_region.bytes = offer.regions[i].bytes;
        messages_.push_back({message, offer.regions[i].memory.get()});
    }
    for (const auto* rings : {&offer.to_server, &offer.to_client})
        for (std::size_t i = 0; i < rings->size(); ++i) {
            const OfferedRing& ring = (*rings)[i];
            Message message = Message::of(MessageType::add_ring);
            AddRing& added = message.body.add_ring;
            added.flags = rings == &offer.to_server ? AddRing::to_server : std::uint16_t{0};
            added.index = static_cast<std::uint16_t>(i);
            added.region = ring.region;
            added.offset = ring.offset;
            added.log2_slots = ring.log2_slots;
            messages_.push_back({message, ring.event.get()});
        }
    Message connect = Message::of(MessageType::connect);
    connect.body.named.interface_name = to_text<32>(terms_.name);
    messages_.push_back({connect});
    state_ = State::offer;
    return next();
}

Step ClientHandshake::next() noexcept { return {Progress::going_on, messages_[sent_++], {}}; }

}  // namespace pktverbs::soft::memif
