// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/messages/event_loop.hpp>

#include <utility>

#include "messages/loop.hpp"

namespace pktverbs::messages {

EventLoop::EventLoop(const ConnectionManager& manager) : loop_{std::make_unique<Loop>(manager)} {}
EventLoop::~EventLoop() = default;

void EventLoop::run(std::stop_token stop) { loop_->run(stop); }
bool EventLoop::step(std::chrono::nanoseconds timeout) { return loop_->step(timeout); }
int EventLoop::fd() const noexcept { return loop_->fd(); }
void EventLoop::post(std::function<void()> call) { loop_->post(std::move(call)); }
void EventLoop::wake() noexcept { loop_->wake(); }
void EventLoop::stop() noexcept { loop_->stop(); }
void EventLoop::spawn(Task<> task) { loop_->spawn(std::move(task)); }

Task<Socket> EventLoop::connect(std::string where, Options options) {
    Socket socket{*this, where, options};
    co_await socket.established();
    co_return std::move(socket);
}

}  // namespace pktverbs::messages
