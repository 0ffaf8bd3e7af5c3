// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/soft/wire.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <mutex>
#include <new>
#include <string>

#include <fmt/core.h>

#include "base/quick_mutex.hpp"
#include "net/frame_sizes.hpp"
#include "soft/link/frame_faults.hpp"
#include "soft/link/link_kind.hpp"
#include "soft/link/link_string.hpp"

namespace pktverbs::soft {

/// Something at the wire that gets frames.
class WireEnd {
public:
    /// Returns how many it took: without memory for more, the rest is lost.
    virtual std::size_t arrive(std::span<const RxFrame> frames) noexcept = 0;
    /// The same with requests, of which it may take fewer for other reasons.
    virtual std::uint32_t arrive(PlainSends&) noexcept { return 0; }
    virtual void link_changed(bool up) noexcept = 0;

    HeldFrame held;  ///< under the medium's lock

protected:
    ~WireEnd() = default;
};

/// The wire itself. Its lock is held while a frame is carried, so that frames of several senders
/// arrive everywhere in one order, and an end that has left gets none.
class WireMedium {
public:
    static std::shared_ptr<WireMedium> named(std::string_view name);

    /// `longest`: the bytes of a frame that the end may send in pieces.
    void join(WireEnd& end, std::size_t longest) {
        const std::lock_guard lock{mutex_};
        if (longest > scratch_.size()) scratch_.resize(std::max(longest, batch_bytes));
        ends_.push_back(&end);
    }

    void leave(WireEnd& end) noexcept {
        const std::lock_guard lock{mutex_};
        if (end.held.drop()) ++counters_.lost;
        std::erase(ends_, &end);
    }

    void carry(const WireEnd& from, std::span<const TxFrame> frames) noexcept {
        const std::lock_guard lock{mutex_};
        std::array<RxFrame, batch> carried;
        while (!frames.empty()) {
            const std::size_t count = gather(frames.first(std::min(frames.size(), batch)), carried);
            if (count == 0) return;  // longer than its NIC may send
            counters_.sent += count;
            for (WireEnd* end : ends_)
                if (end != &from) pass(*end, std::span{carried}.first(count));
            frames = frames.subspan(count);
        }
    }

    /// Between two ends, undisturbed.
    std::uint32_t pass_straight(const WireEnd& from, PlainSends& sends) noexcept {
        const std::lock_guard lock{mutex_};
        if (!up() || faults_.any() || ends_.size() != 2) return 0;
        const bool is_first = ends_[0] == &from;
        if (!is_first && ends_[1] != &from) return 0;  // it has left, and both hear it
        WireEnd& end = *ends_[is_first ? 1 : 0];
        const std::uint32_t taken = end.arrive(sends);
        counters_.sent += taken;
        counters_.offered += taken;
        counters_.delivered += taken;
        if (taken != 0) deliver_held(end);
        return taken;
    }

    void set_faults(const WireFaults& faults) {
        const std::lock_guard lock{mutex_};
        faults_.set({.loss = faults.loss,
                     .duplication = faults.duplication,
                     .reordering = faults.reordering,
                     .corruption = faults.corruption,
                     .seed = faults.seed});
    }

    void set_link(bool up) {
        const std::lock_guard lock{mutex_};
        if (up_.exchange(up) == up) return;
        for (WireEnd* end : ends_) {
            if (!up && end->held.drop()) ++counters_.link_down;
            end->link_changed(up);
        }
    }

    bool up() const noexcept { return up_.load(std::memory_order_relaxed); }

    WireCounters counters() const {
        const std::lock_guard lock{mutex_};
        WireCounters counters = counters_;
        const FrameFaults::Counts& made = faults_.counts();
        counters.lost += made.lost;
        counters.duplicated = made.duplicated;
        counters.reordered = made.reordered;
        counters.corrupted = made.corrupted;
        for (const WireEnd* end : ends_) counters.held += end->held.empty() ? 0U : 1U;
        return counters;
    }

    void release_held() {
        const std::lock_guard lock{mutex_};
        for (WireEnd* end : ends_) deliver_held(*end);
    }

    template <class Do>
    void locked(Do&& action) {
        const std::lock_guard lock{mutex_};
        action();
    }

private:
    static constexpr std::size_t batch = 64;
    static constexpr std::size_t batch_bytes = batch * 2048;  ///< of frames in pieces

    void pass_undisturbed(WireEnd& end, std::span<const RxFrame> frames) noexcept {
        counters_.offered += frames.size();
        deliver(end, frames);
        deliver_held(end);  // from before the faults were switched off
    }

    /// Frames in one piece are carried from where they are; scattered ones are gathered first, as many as there is room
    /// for: at least one, since join().
    std::size_t gather(std::span<const TxFrame> frames, std::span<RxFrame> carried) noexcept {
        std::size_t used = 0;
        std::size_t count = 0;
        for (; count < frames.size(); ++count) {
            const TxFrame& frame = frames[count];
            RxFrame& one = carried[count];
            one = {.data = reinterpret_cast<const std::uint8_t*>(frame.sges->addr),
                   .length = frame.length,
                   .checksum_ok = frame.checksum_ok};
            if (frame.sge_count == 1) continue;
            if (frame.length > scratch_.size() - used) break;
            one.data = &scratch_[used];
            for (const ibv_sge& sge : std::span{frame.sges, frame.sge_count}) {
                if (sge.length == 0) continue;
                std::memcpy(&scratch_[used], reinterpret_cast<const void*>(sge.addr), sge.length);
                used += sge.length;
            }
        }
        return count;
    }

    void pass(WireEnd& end, std::span<const RxFrame> frames) noexcept {
        if (up() && !faults_.any()) return pass_undisturbed(end, frames);
        counters_.offered += frames.size();
        if (!up()) {
            counters_.link_down += frames.size();
        } else {
            for (const RxFrame& frame : frames)
                faults_.pass(frame, end.held, [&](const RxFrame& arriving) { deliver(end, {&arriving, 1}); });
        }
    }

    void deliver(WireEnd& end, std::span<const RxFrame> frames) noexcept {
        const std::size_t taken = end.arrive(frames);
        counters_.delivered += taken;
        counters_.lost += frames.size() - taken;
    }

    void deliver_held(WireEnd& end) noexcept {
        end.held.release([&](const RxFrame& frame) { deliver(end, {&frame, 1}); });
    }

    mutable QuickMutex mutex_;
    std::vector<WireEnd*> ends_;
    std::atomic<bool> up_{true};
    FrameFaults faults_;
    WireCounters counters_;
    std::vector<std::uint8_t> scratch_;
};

std::shared_ptr<WireMedium> WireMedium::named(std::string_view name) {
    static std::mutex mutex;
    static std::map<std::string, std::weak_ptr<WireMedium>, std::less<>> media;
    const std::lock_guard lock{mutex};
    if (const auto known = media.find(name); known != media.end())
        if (auto medium = known->second.lock()) return medium;
    std::erase_if(media, [](const auto& entry) { return entry.second.expired(); });
    auto medium = std::make_shared<WireMedium>();
    media.emplace(name, medium);
    return medium;
}

namespace {

// Locally administered, and different for every NIC of the process.
MacAddress next_mac() {
    static std::atomic<std::uint32_t> count{0};
    const std::uint32_t n = ++count;
    return MacAddress{MacAddress::Bytes{0x02, 0x50, 0x56, static_cast<std::uint8_t>(n >> 16),
                                        static_cast<std::uint8_t>(n >> 8), static_cast<std::uint8_t>(n)}};
}

struct WireOptions {
    MacAddress mac;  ///< all zero: one of its own for every open, locally administered
    std::uint32_t mtu;
    std::vector<Ipv6Address> addresses;
    /// The NIC computes the checksums of every frame that it receives, as hardware does; it takes time. Otherwise it
    /// vouches only for those that the sending NIC has just computed, and that were not damaged since.
    bool verify_checksums;
};

/// A NIC's end.
class WireLink final : public Link, private WireEnd {
public:
    WireLink(const std::string& name, const WireOptions& options)
        : medium_{WireMedium::named(name)},
          mac_{options.mac.is_zero() ? next_mac() : options.mac},
          mtu_{options.mtu},
          addresses_{options.addresses},
          verify_checksums_{options.verify_checksums} {}

    MacAddress mac() const noexcept override { return mac_; }
    std::uint32_t mtu() const noexcept override { return mtu_; }
    bool up() const noexcept override { return medium_->up(); }
    std::vector<Ipv6Address> addresses() const override { return addresses_; }
    bool verifies_checksums() const noexcept override { return verify_checksums_; }

    void attach(Sink& sink) override {
        sink_ = &sink;
        medium_->join(*this, mtu_ + max_ethernet_bytes);
    }
    void detach() noexcept override { medium_->leave(*this); }

    std::size_t send(std::span<const TxFrame> frames) noexcept override {
        medium_->carry(*this, frames);
        return frames.size();
    }
    std::uint32_t pass_straight(PlainSends& sends) noexcept override { return medium_->pass_straight(*this, sends); }
    void receive(std::size_t) noexcept override {}

private:
    std::size_t arrive(std::span<const RxFrame> frames) noexcept override {
        sink_->deliver(frames);
        return frames.size();
    }
    std::uint32_t arrive(PlainSends& sends) noexcept override { return sink_->deliver_sent(sends); }
    void link_changed(bool up) noexcept override { sink_->link_changed(up); }

    std::shared_ptr<WireMedium> medium_;
    MacAddress mac_;
    std::uint32_t mtu_;
    std::vector<Ipv6Address> addresses_;
    bool verify_checksums_;
    Sink* sink_ = nullptr;
};

constexpr std::uint32_t default_mtu = 9000;
constexpr LinkKind::Key wire_keys[] = {
    LinkString::mac_key, LinkString::mtu_key, LinkString::ip_key, {"checksums", "verify"}};

bool read_checksums(const LinkString& string) {
    const auto value = string.value("checksums", "trust");
    if (value != "trust" && value != "verify")
        string.refuse(fmt::format("checksums are \"trust\" or \"verify\", not \"{}\"", value));
    return value == "verify";
}

LinkPort find_wire(const LinkString& string) {
    if (string.name().find_first_of(",&=") != std::string::npos)
        string.refuse(
            "a wire's name has no \",\", \"&\" or \"=\"; options stand behind \"?\", with \"&\" between them");
    const WireOptions options{.mac = string.mac(),
                              .mtu = string.mtu(default_mtu),
                              .addresses = string.addresses(),
                              .verify_checksums = read_checksums(string)};
    LinkPort port;
    port.open = [name = string.name(), options] { return std::make_unique<WireLink>(name, options); };
    port.mac = [mac = options.mac] { return mac; };
    port.addresses = [addresses = options.addresses] { return addresses; };
    port.mtu = options.mtu;
    return port;
}

}  // namespace

extern const LinkKind wire_kind;
const LinkKind wire_kind{.prefix = "wire",
                         .name = "NAME",
                         .keys = wire_keys,
                         .purpose = "an in-memory wire inside the program; another process never hears it",
                         .find = find_wire};

Wire::Wire(std::string_view name) : medium_{WireMedium::named(name)} {}
void Wire::set_faults(const WireFaults& faults) { medium_->set_faults(faults); }
void Wire::set_link(bool up) { medium_->set_link(up); }
WireCounters Wire::counters() const { return medium_->counters(); }
void Wire::release_held() { medium_->release_held(); }

class WireTapEnd final : public WireEnd {
public:
    explicit WireTapEnd(std::string_view wire) : medium{WireMedium::named(wire)} { medium->join(*this, 0); }
    ~WireTapEnd() { medium->leave(*this); }

    using WireEnd::arrive;
    std::size_t arrive(std::span<const RxFrame> frames) noexcept override {
        std::size_t taken = 0;
        try {
            for (; taken < frames.size(); ++taken)
                arrived.emplace_back(frames[taken].data, frames[taken].data + frames[taken].length);
        } catch (const std::bad_alloc&) {
        }
        return taken;
    }
    void link_changed(bool) noexcept override {}

    std::shared_ptr<WireMedium> medium;
    std::vector<std::vector<std::uint8_t>> arrived;
};

WireTap::WireTap(std::string_view wire) : end_{std::make_unique<WireTapEnd>(wire)} {}
WireTap::WireTap(WireTap&&) noexcept = default;
WireTap& WireTap::operator=(WireTap&&) noexcept = default;
WireTap::~WireTap() = default;

void WireTap::send(std::span<const std::uint8_t> frame) {
    const ibv_sge sge{reinterpret_cast<std::uint64_t>(frame.data()), static_cast<std::uint32_t>(frame.size()), 0};
    const TxFrame sent{&sge, 1, sge.length, false, nullptr};
    end_->medium->carry(*end_, {&sent, 1});
}

std::vector<std::vector<std::uint8_t>> WireTap::receive() {
    std::vector<std::vector<std::uint8_t>> frames;
    end_->medium->locked([&] { frames.swap(end_->arrived); });
    return frames;
}

}  // namespace pktverbs::soft
