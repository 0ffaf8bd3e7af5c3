// SPDX-License-Identifier: Apache-2.0
// Any order of what peers, the connection manager and a program do to listeners, requests and sockets: events in and
// out of order, private data, failing verbs, ends at any time. Ended objects are not called, each handler gets its
// event once, no more requests wait than allowed, and nothing is left over: the fabric and the sanitizer check.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <list>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "../messages/pair.hpp"

namespace {

using namespace pktverbs;
using namespace std::chrono_literals;

void expect(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "not so: %s\n", what);
    std::abort();
}

/// The fabric's expectations hold here, too.
class Abort : public ::testing::EmptyTestEventListener {
    void OnTestPartResult(const ::testing::TestPartResult& result) override {
        if (result.failed()) expect(false, result.message());
    }
};

/// Not one of the library's exceptions.
struct Thrown {};

class World {
public:
    explicit World(std::span<const std::uint8_t> input) : left_{input} {}
    World(const World&) = delete;
    World& operator=(const World&) = delete;
    ~World() {
        fabric_.fail(0, 0);
        mood_ = 0;
        fabric_.let_data_pass();
        fabric_.let_established_pass();
        settle();
        for (const auto& end : ends_) check(end.notes);
    }

    void run() {
        // One of them is twice as likely: something has to happen between the others.
        constexpr void (World::*deeds[])() = {
            &World::step_server, &World::step_client, &World::step_both,    &World::listen,     &World::end_listener,
            &World::connect,     &World::ask,         &World::give_up,      &World::accept,     &World::reject,
            &World::drop,        &World::forge,       &World::send,         &World::disconnect, &World::end_socket,
            &World::fail,        &World::hold,        &World::replace_data, &World::end_loop,   &World::keep,
            &World::change_mood, &World::spawn,       &World::step_both,    &World::tell,       &World::lose,
        };
        while (!left_.empty()) {
            (this->*deeds[byte() % std::size(deeds)])();
            std::size_t waiting = 0;
            for (const Kept& kept : requests_) waiting += kept.of == listeners_;
            expect(waiting <= static_cast<std::size_t>(options.backlog), "no more requests wait than may");
        }
    }

private:
    static constexpr messages::Options options{
        .message_bytes = 100, .receives = 3, .sends = 3, .keepalive = 0ms, .backlog = 4};
    struct End {
        std::size_t on;  ///< the loop
        pktverbs::testing::Notes notes{};
        std::optional<messages::Socket> socket{};
    };
    struct Kept {
        int of;  ///< index of its listener
        messages::Request request;
    };

    std::uint8_t byte() {
        if (left_.empty()) return 0;
        const auto first = left_.front();
        left_ = left_.subspan(1);
        return first;
    }
    std::vector<std::uint8_t> bytes() {
        const std::size_t size = std::min<std::size_t>(byte(), left_.size());
        const std::vector<std::uint8_t> taken{left_.begin(), left_.begin() + static_cast<std::ptrdiff_t>(size)};
        left_ = left_.subspan(size);
        return taken;
    }
    /// One of them; null if there is none.
    template <class Container>
    auto pick(Container& all) -> decltype(&*all.begin()) {
        if (all.empty()) return nullptr;
        return &*std::next(all.begin(), static_cast<std::ptrdiff_t>(byte() % all.size()));
    }
    /// Calls that may throw: verbs fail, handlers throw.
    template <class Deed>
    static bool may_fail(Deed&& deed) {
        try {
            deed();
            return true;
        } catch (const std::system_error&) {
        } catch (const Thrown&) {
        }
        return false;
    }

    messages::SocketHandlers handlers(End& end) {
        const auto note = [&end](const char* what) {
            expect(end.socket.has_value(), "no handler of an ended socket is called");
            expect(end.notes.disconnected == 0, "disconnected is the last handler to be called");
            end.notes.order.emplace_back(what);
        };
        const auto keep = [this](messages::Message message) {
            if (messages_.size() < 8) messages_.push_back(std::move(message));
        };
        return {
            .established =
                [=, this, &end](auto&) {
                    note("established");
                    ++end.notes.established;
                    obey(end, 0);
                },
            .message =
                [=, this, &end](auto&, messages::Message message) {
                    note("message");
                    expect(end.notes.established == 1, "messages come when it is established");
                    keep(std::move(message));
                    obey(end, 1);
                },
            .sent =
                [=, this, &end](auto&, messages::Message message) {
                    note("sent");
                    keep(std::move(message));
                    obey(end, 2);
                },
            .writable = [=](auto&) { note("writable"); },
            .disconnected =
                [=, this, &end](auto&, std::error_code) {
                    note("disconnected");
                    ++end.notes.disconnected;
                    obey(end, 3);
                },
            .error =
                [=, this, &end](auto&, const std::system_error& error) {
                    note("error");
                    end.notes.errors.emplace_back(error.what());
                    obey(end, 4);
                },
        };
    }
    /// Two bits of the mood say what else handlers do, the others which handlers.
    void obey(End& end, unsigned which) {
        if ((mood_ >> 2 & 1U << which) == 0) return;
        if ((mood_ & 1) != 0) end.socket.reset();
        if ((mood_ & 2) != 0) throw Thrown{};
    }
    static void check(const pktverbs::testing::Notes& notes) {
        expect(notes.established <= 1, "established once");
        expect(notes.disconnected <= 1, "disconnected once");
        expect(notes.errors.size() <= 1, "one error");
        const auto& order = notes.order;
        if (!notes.errors.empty())
            expect(std::ranges::find(order, "error") + 2 >= order.end(), "nothing but the end follows an error");
    }

    std::optional<pktverbs::testing::Loop>& loop(std::size_t which) { return loops_[which % loops_.size()]; }
    bool step(std::size_t which) {
        bool did = false;
        if (auto& one = loop(which)) did = !may_fail([&] { did = one->step(0ns); }) || did;
        return did;
    }
    void settle() {
        for (int i = 0; i < 100'000; ++i) {
            const bool at_server = step(0);
            const bool at_client = step(1);
            if (!at_server && !at_client) return;
        }
        expect(false, "it settles");
    }

    void step_server() { step(0); }
    void step_client() { step(1); }
    void step_both() {
        step(0);
        step(1);
    }
    void listen() {
        if (!loop(0) || listener_) return;
        const bool has_handler = (byte() & 1) != 0;
        messages::ListenerHandlers handlers;
        if (has_handler)
            handlers.request = [this, of = listeners_ + 1](messages::Request request) {
                requests_.push_back({of, std::move(request)});
                if ((mood_ & 0x82) == 0x82) throw Thrown{};
            };
        handlers.error = [this](const std::system_error&) {
            if ((mood_ & 0x81) == 0x81) listener_.reset();
        };
        may_fail([&] { listener_.emplace(*loop(0), messages::Address{}, options, std::move(handlers)); });
        if (listener_) ++listeners_;
    }
    void end_listener() { listener_.reset(); }
    void connect() {
        if (!loop(1) || ends_.size() >= 16) return;
        auto& end = ends_.emplace_back(End{1});
        may_fail([&] { end.socket.emplace(*loop(1), "10.0.0.2", options, handlers(end)); });
    }
    void ask() {
        if (listener_ && fabric_.listens()) fabric_.ask();  // its device may have been removed
    }
    rdma_cm_event_type event() { return static_cast<rdma_cm_event_type>(byte() % (RDMA_CM_EVENT_TIMEWAIT_EXIT + 1)); }
    void give_up() {
        if ((byte() & 1) != 0)
            fabric_.give_up(std::nullopt);
        else
            fabric_.give_up(event_of_an_answer());
    }
    rdma_cm_event_type event_of_an_answer() {
        constexpr rdma_cm_event_type those[] = {RDMA_CM_EVENT_REJECTED,      RDMA_CM_EVENT_UNREACHABLE,
                                                RDMA_CM_EVENT_CONNECT_ERROR, RDMA_CM_EVENT_DISCONNECTED,
                                                RDMA_CM_EVENT_TIMEWAIT_EXIT, RDMA_CM_EVENT_DEVICE_REMOVAL};
        return those[byte() % std::size(those)];
    }
    void accept() {
        if (requests_.empty() || ends_.size() >= 16) return;
        Kept kept = take_request();
        auto& end = ends_.emplace_back(End{0});
        may_fail([&] { end.socket.emplace(kept.request.accept(handlers(end))); });
    }
    void reject() {
        if (requests_.empty()) return;
        const auto reason = bytes();
        take_request().request.reject({reinterpret_cast<const char*>(reason.data()), reason.size()});
    }
    void drop() {
        if (!requests_.empty()) take_request();
    }
    Kept take_request() {
        const auto at = std::next(requests_.begin(), static_cast<std::ptrdiff_t>(byte() % requests_.size()));
        Kept kept = std::move(*at);
        requests_.erase(at);
        return kept;
    }
    void forge() {
        constexpr int statuses[] = {0, 8, 28, -ETIMEDOUT, -ECONNREFUSED, -EHOSTUNREACH, 1 << 30, -4096};
        const auto type = event();
        // Without a listener there are no requests.
        if (type == RDMA_CM_EVENT_CONNECT_REQUEST) return ask();
        const int status = statuses[byte() % std::size(statuses)];
        const std::size_t which = byte();
        fabric_.forge_event_at(which, type, status, bytes());
    }
    /// A device's events about a queue pair.
    void tell() {
        constexpr ibv_event_type types[] = {IBV_EVENT_COMM_EST,   IBV_EVENT_QP_FATAL, IBV_EVENT_QP_REQ_ERR,
                                            IBV_EVENT_SQ_DRAINED, IBV_EVENT_CQ_ERR,   IBV_EVENT_QP_LAST_WQE_REACHED};
        const auto type = types[byte() % std::size(types)];
        if (auto* const qp = pick(fabric_.qps)) fabric_.forge_async_event(qp->first, type);
    }
    void lose() { fabric_.lose_device((byte() & 1) != 0); }
    void send() {
        End* const end = pick(ends_);
        if (!end || !end->socket) return;
        may_fail([&] {
            auto message = messages_.empty() || (byte() & 1) != 0 ? end->socket->try_acquire() : take_message();
            if (!message) return;
            message.resize(byte() % (message.capacity() + 1));
            static_cast<void>(end->socket->try_send(std::move(message)));
        });
    }
    messages::Message take_message() {
        auto message = std::move(messages_.back());
        messages_.pop_back();
        return message;
    }
    void disconnect() {
        if (End* const end = pick(ends_); end && end->socket) end->socket->disconnect();
    }
    void end_socket() {
        if (End* const end = pick(ends_)) end->socket.reset();
    }
    void fail() { fabric_.fail(1 + byte() % 16, ENOMEM); }
    void hold() {
        switch (byte() % 6) {
            case 0:
                fabric_.holds_data = true;
                return;
            case 1:
                return fabric_.let_data_pass();
            case 2:
                fabric_.holds_established = true;
                return;
            case 3:
                return fabric_.let_established_pass();
            case 4:
                return fabric_.cut();
            default:
                fabric_.is_silent = !fabric_.is_silent;
        }
    }
    void replace_data() {
        fabric_.replaces_private_data = true;
        fabric_.replaced_private_data = bytes();
    }
    void end_loop() {
        auto& one = loop(byte() % 2);
        if (one)
            one.reset();
        else
            may_fail([&] { one.emplace(fabric_.manager()); });
    }
    void keep() {
        if (!messages_.empty()) take_message();
    }
    void change_mood() { mood_ = byte(); }
    void spawn() {
        const auto what = byte() % 5;
        if (what == 4) {
            if (!loop(0) || !listener_) return;
            const auto take = [](World& world, messages::Listener& from) -> async::Task<> {
                auto socket = co_await from.accept();
                if (socket && world.accepted_.size() < 8) world.accepted_.push_back(std::move(*socket));
            };
            loop(0)->spawn(take(*this, *listener_));
            step(0);  // it starts while the listener is there
            return;
        }
        End* const end = pick(ends_);
        if (!end || !end->socket || !loop(end->on)) return;
        // The socket may have gone when it goes on.
        const auto wait = [](messages::Socket& socket, int what) -> async::Task<> {
            if (what == 0) static_cast<void>(co_await socket.receive());
            if (what == 1) static_cast<void>(co_await socket.acquire());
            if (what == 2) co_await socket.established();
            if (what == 3) static_cast<void>(co_await socket.send(socket.try_acquire()));
        };
        loop(end->on)->spawn(wait(*end->socket, what));
        step(end->on);
    }

    bool make_loops() {
        for (auto& one : loops_) one.emplace(fabric_.manager());
        return true;
    }

    std::span<const std::uint8_t> left_;
    pktverbs::testing::FakeFabric fabric_;
    std::uint8_t mood_ = 0;
    int listeners_ = 0;  ///< so far
    std::list<End> ends_;
    std::vector<Kept> requests_;
    std::list<messages::Socket> accepted_;
    std::vector<messages::Message> messages_;
    std::optional<messages::Listener> listener_;
    std::array<std::optional<pktverbs::testing::Loop>, 2> loops_{};
    bool made_ = make_loops();
};

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
    ::testing::UnitTest::GetInstance()->listeners().Append(new Abort);
    return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    World{{data, size}}.run();
    return 0;
}
