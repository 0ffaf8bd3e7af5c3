// SPDX-License-Identifier: Apache-2.0
#include "soft/link/memif/control.hpp"

#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <exception>
#include <new>
#include <system_error>
#include <utility>

#include <fmt/core.h>

#include "base/blocked_signals.hpp"
#include "base/deadline.hpp"
#include "soft/link/memif/refusal.hpp"

namespace pktverbs::soft::memif {

namespace {

using Progress = Step::Progress;

constexpr std::chrono::seconds handshake_limit{3};
constexpr std::chrono::milliseconds hello_limit{500};   ///< for a client that leaves
constexpr std::chrono::milliseconds accept_pause{100};  ///< without descriptors or memory
constexpr std::chrono::milliseconds max_stall_interval{5};
constexpr std::size_t max_visits = 16;

Terms terms_of(const Settings& settings) {
    return {.id = settings.id,
            .mode = settings.mode,
            .secret = settings.secret,
            .max_rings = settings.queues,
            .name = settings.interface_name()};
}

}  // namespace

Control::Control(const Settings& settings, DataPath& data, const EventFd& wake)
    : settings_{settings}, data_{data}, wake_{wake}, maker_{getpid()} {
    if (settings.is_server) place_.emplace(Listener::at(settings.socket), terms_of(settings));
    if (settings.finds_role) try_listening();
    visits_.reserve(max_visits + 1);
    polled_.reserve(max_visits + 5);
}

Control::~Control() { stop(); }

void Control::start(Sink& sink) {
    sink_ = &sink;
    {
        const BlockedSignals signals_are_the_programs;
        thread_ = std::make_unique<std::thread>([this] { run(); });
    }
    pthread_setname_np(thread_->native_handle(), "memif");
    if (settings_.is_server) return;
    tried_.get_future().wait();
    if (!was_busy_ || !settings_.finds_role) return;
    stop();
    throw std::system_error{EBUSY, std::generic_category(),
                            fmt::format("the pipe {} has two ends already", settings_.socket.text())};
}

bool Control::is_in_child() const noexcept { return getpid() != maker_; }

void Control::stop() noexcept {
    if (!thread_) return;
    if (is_in_child()) {
        static_cast<void>(thread_.release());  // it can't be joined, nor destroyed without that
        return;
    }
    stopping_.store(true);
    wake_.set();
    thread_->join();
    thread_.reset();
}

void Control::run() noexcept {
    while (!stopping_.load()) {
        try {
            turn();
        } catch (const std::exception&) {
            // Without memory nothing is agreed; what is connected goes on. Clients come again.
            visits_.clear();
            if (place_ && !peer_) place_->set_free();
            attempt_.reset();
            connect_at_ = Clock::now() + settings_.reconnect;
            accept_at_ = Clock::now() + accept_pause;
        }
        end_first_try();
        wait();
    }
    for (Visit& visit : visits_) visit.guest->channel.send({disconnect_message("the server closes")});
    if (attempt_) leave_attempt();
    sink_ = nullptr;
    if (peer_) disconnected("the interface is closed");
    visits_.clear();
}

/// Also where there was none: a pipe's first end listens.
void Control::end_first_try() noexcept {
    if (attempt_ || std::exchange(has_tried_, true)) return;
    tried_.set_value();
}

std::optional<Control::Clock::time_point> Control::next_time() const noexcept {
    std::optional<Clock::time_point> next;
    const auto consider = [&next](Clock::time_point time) { next = next ? std::min(*next, time) : time; };
    for (const Visit& visit : visits_) consider(visit.deadline);
    if (attempt_) consider(attempt_->deadline);
    if (!place_ && !attempt_ && !peer_) consider(connect_at_);
    if (place_ && accept_at_ != Clock::time_point{}) consider(accept_at_);
    if (data_.is_stalled()) consider(Clock::now() + stall_interval_);
    return next;
}

void Control::wait() noexcept {
    polled_.clear();
    const auto add = [this](int fd) { polled_.push_back({fd, POLLIN, 0}); };
    add(wake_.get());
    if (place_) add(place_->fd());
    if (place_ && accept_at_ == Clock::time_point{}) add(place_->listener().fd());
    if (peer_) add(peer_->fd());
    if (attempt_) add(attempt_->channel.fd());
    for (const Visit& visit : visits_) add(visit.guest->channel.fd());
    const auto next = next_time();
    const Deadline deadline{next ? *next - Clock::now() : std::chrono::nanoseconds::max()};
    timespec left;
    if (ppoll(polled_.data(), polled_.size(), deadline.left(left), nullptr) > 0 && polled_[0].revents != 0)
        wake_.clear();
}

void Control::turn() {
    if (peer_) watch_peer();
    if (data_.is_stalled()) relieve();
    if (place_) {
        if (auto guest = place_->guest()) visits_.push_back({std::move(guest), Clock::now() + handshake_limit, true});
        accept_guests();
        for (Visit& visit : visits_) serve(visit);
        std::erase_if(visits_, [](const Visit& visit) { return !visit.guest; });
        drop_late_guests();
    } else if (attempt_) {
        continue_attempt();
    } else if (!peer_ && Clock::now() >= connect_at_) {
        try_connecting();
    }
}

/// A peer does not say when it has made room. One that makes none for long is asked less often.
void Control::relieve() noexcept {
    data_.relieve();
    stall_interval_ =
        data_.is_stalled() ? std::min<Clock::duration>(stall_interval_ * 2, max_stall_interval) : min_stall_interval;
}

void Control::accept_guests() {
    if (accept_at_ > Clock::now()) return;
    accept_at_ = {};
    for (std::size_t i = 0; i < max_visits; ++i) {
        errno = 0;
        auto guest = place_->listener().accept();
        if (guest) {
            if (visits_.size() == max_visits) drop_oldest_guest();
            visits_.push_back({std::move(guest), Clock::now() + handshake_limit});
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
            accept_at_ = Clock::now() + accept_pause;
        if (errno != 0) return;
    }
}

/// So that those who only connect don't keep others out. At most one is claimed.
void Control::drop_oldest_guest() noexcept {
    const auto oldest = std::ranges::find(visits_, false, &Visit::claimed);
    close(*oldest, "too many clients at once");
    visits_.erase(oldest);
}

/// Without a guest, the visit is over.
void Control::close(Visit& visit, std::string_view reason) noexcept {
    record_.ended(reason);
    if (!reason.empty()) visit.guest->channel.send({disconnect_message(reason)});
    if (visit.claimed) place_->set_free();
    visit.guest.reset();
}

void Control::drop_late_guests() noexcept {
    const auto now = Clock::now();
    for (Visit& visit : visits_)
        if (visit.deadline <= now) close(visit, "the handshake takes too long");
    std::erase_if(visits_, [](const Visit& visit) { return !visit.guest; });
}

/// A client that was killed, and has come again, must not be in its own way.
bool Control::claim(std::uint32_t id) noexcept {
    if (place_->listener().claim(id)) return true;
    if (id != place_->id() || !peer_) return false;
    watch_peer();
    return place_->listener().claim(id);
}

void Control::serve(Visit& visit) {
    for (;;) {
        Guest& guest = *visit.guest;
        auto received = guest.channel.receive();
        if (received.what == Channel::Received::What::nothing) return;
        if (received.what == Channel::Received::What::closed) return close(visit, {});
        Step step = guest.handshake.receive(received.message(), std::move(received.fd));
        const std::uint32_t id = guest.handshake.terms().id;
        if (step.progress == Progress::agreed && !claim(id)) {
            guest.channel.send({disconnect_message(fmt::format("id {} has its client already", id), EBUSY)});
            return close(visit, {});
        }
        if (step.progress == Progress::agreed && id == place_->id()) visit.claimed = true;
        if (step.progress == Progress::refused) record_.ended(step.reason);  // before the client can know
        if (step.reply && !guest.channel.send(*step.reply)) return close(visit, {});
        switch (step.progress) {
            case Progress::going_on:
                break;
            case Progress::refused:
                return close(visit, {});
            case Progress::agreed:
                if (visit.claimed) break;
                return place_->listener().pass(std::move(visit.guest));
            case Progress::ready:
                try {
                    auto connection = Connection::serve(guest.handshake.take_offer(), form());
                    const Message answer = guest.handshake.connected();
                    LinkPeer peer = describe(guest.handshake, *connection);
                    connected(guest.channel, std::move(connection), std::move(peer), &answer);
                    visit.guest.reset();
                } catch (const Refusal& refusal) {
                    close(visit, refusal.what());
                } catch (const std::exception&) {
                    close(visit, "no memory");
                }
                return;
        }
    }
}

/// False if another end listens.
bool Control::try_listening() {
    try {
        place_.emplace(Listener::at(settings_.socket), terms_of(settings_));
    } catch (const std::system_error& error) {
        if (error.code().value() != EADDRINUSE && error.code().value() != EBUSY) throw;
        return false;
    }
    return true;
}

void Control::try_connecting() {
    connect_at_ = Clock::now() + settings_.reconnect;
    FileDescriptor socket{::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    const auto [address, bytes] = settings_.socket.address();
    if (!socket) return;
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), bytes) != 0) {
        if (settings_.finds_role && (errno == ECONNREFUSED || errno == ENOENT)) try_listening();
        return;
    }
    ClientTerms terms{.id = settings_.id,
                      .mode = settings_.mode,
                      .secret = settings_.secret,
                      .rings = settings_.queues,
                      .log2_slots = settings_.log2_slots,
                      .name = settings_.interface_name()};
    attempt_.reset(
        new Attempt{Channel{std::move(socket)}, ClientHandshake{std::move(terms)}, Clock::now() + handshake_limit});
}

void Control::fail_attempt(std::string_view reason) noexcept {
    record_.ended(reason);
    if (!reason.empty()) attempt_->channel.send({disconnect_message(reason)});
    attempt_.reset();
    connect_at_ = Clock::now() + settings_.reconnect;
}

/// Not before the server has said HELLO: DPDK's ends its whole process if nobody is there for it
/// (drivers/net/memif/memif_socket.c, memif_listener_handler closes a socket that its interrupt thread still polls).
void Control::leave_attempt() noexcept {
    pollfd polled{attempt_->channel.fd(), POLLIN, 0};
    timespec left;
    if (attempt_->handshake.awaits_hello()) ppoll(&polled, 1, Deadline{hello_limit}.left(left), nullptr);
    // What is left unread costs the peer our last word: it gets ECONNRESET (unix_release_sock() in net/unix/af_unix.c).
    static_cast<void>(attempt_->channel.receive());
    fail_attempt("the client closes");
}

OfferShape Control::shape_for(const ClientHandshake& handshake) const noexcept {
    return {.to_server = handshake.rings_to_server(),
            .to_client = handshake.rings_to_client(),
            .log2_slots = handshake.log2_slots(),
            .buffer_bytes = settings_.buffer_bytes};
}

void Control::continue_attempt() {
    if (attempt_->deadline <= Clock::now()) return fail_attempt("the handshake takes too long");
    for (;;) {
        auto received = attempt_->channel.receive();
        if (received.what == Channel::Received::What::nothing) return;
        if (received.what == Channel::Received::What::closed) return fail_attempt({});
        Step step = attempt_->handshake.receive(received.message());
        try {
            if (step.progress == Progress::agreed) {
                const OfferShape shape = shape_for(attempt_->handshake);
                attempt_->offer = make_offer(shape);
                step = attempt_->handshake.offer(attempt_->offer);
                attempt_->connection = Connection::bring(attempt_->offer, shape, form());
            }
            if (step.progress == Progress::refused) record_.ended(step.reason);
            if (step.reply && !attempt_->channel.send(*step.reply)) return fail_attempt({});
            if (step.progress == Progress::refused) {
                was_busy_ = was_busy_ || (!has_tried_ && step.code == EBUSY);
                return fail_attempt({});
            }
            if (step.progress != Progress::ready) continue;
            LinkPeer peer = describe(attempt_->handshake, *attempt_->connection);
            connected(attempt_->channel, std::move(attempt_->connection), std::move(peer), nullptr);
            attempt_.reset();
        } catch (const std::exception&) {
            fail_attempt("no memory");
        }
        return;
    }
}

FrameForm Control::form() const noexcept { return {settings_.mode, settings_.mac, settings_.max_frame()}; }

template <class Handshake>
LinkPeer Control::describe(const Handshake& handshake, const Connection& connection) const {
    return {.is_client = place_.has_value(),
            .id = settings_.id,
            .program = handshake.peer(),
            .interface = handshake.peer_interface(),
            .send_rings = connection.count_send_rings(),
            .recv_rings = connection.count_receive_rings(),
            .ring_slots = connection.ring_slots(),
            .last_end = {}};
}

/// With the answer that a server still owes. The channel is left if it throws.
void Control::connected(Channel& channel, std::unique_ptr<Connection> connection, LinkPeer peer,
                        const Message* answer) {
    data_.connect(std::move(connection));
    record_.connected(std::move(peer));
    peer_.emplace(std::move(channel));
    if (answer && !peer_->send({*answer})) return disconnected({});
    up_.store(true, std::memory_order_relaxed);
    sink_->link_changed(true);
}

void Control::watch_peer() noexcept {
    if (const char* const fault = data_.fault()) return disconnected(fault);
    auto received = peer_->receive();
    if (received.what == Channel::Received::What::nothing) return;
    const bool is_open = received.what == Channel::Received::What::message;
    Message message;
    const bool is_message = received.size == sizeof message;
    if (is_message) std::memcpy(&message, received.bytes.data(), sizeof message);
    const bool said_why = is_message && message.type == MessageType::disconnect;
    if (said_why) record_.said(message.body.disconnect);
    disconnected(is_open && !said_why ? "a message that is not expected" : "");
}

void Control::disconnected(std::string_view reason) noexcept {
    record_.ended(reason);
    if (!reason.empty()) peer_->send({disconnect_message(reason)});
    data_.disconnect();
    record_.disconnected();
    peer_.reset();
    if (place_) place_->set_free();
    connect_at_ = Clock::now() + settings_.reconnect;
    if (up_.exchange(false, std::memory_order_relaxed) && sink_) sink_->link_changed(false);
}

}  // namespace pktverbs::soft::memif
