// SPDX-License-Identifier: Apache-2.0
#include "context/completions.hpp"

#include <cerrno>

namespace pktverbs {

namespace {

ibv_cq_init_attr_ex attributes(ibv_comp_channel* channel, std::uint32_t entries, std::uint32_t comp_vector,
                               std::uint64_t flags) noexcept {
    ibv_cq_init_attr_ex attr{};
    attr.cqe = entries;
    attr.channel = channel;
    attr.comp_vector = comp_vector;
    attr.wc_flags = flags;
    return attr;
}

}  // namespace

void Completions::open(const verbs::Port& port, std::uint32_t entries, std::uint32_t comp_vector,
                       std::string_view what) {
    queue_ = verbs::make_completion_queue(port, attributes(channel_.get(), entries, comp_vector, 0), what);
}

bool Completions::open_extended(const verbs::Port& port, std::uint32_t entries, std::uint32_t comp_vector,
                                std::uint64_t flags, std::string_view what) {
    extended_ =
        verbs::make_extended_completion_queue(port, attributes(channel_.get(), entries, comp_vector, flags), what);
    if (extended_) queue_ = verbs::CqHandle{ibv_cq_ex_to_cq(extended_), {&provider_}};
    return extended_ != nullptr;
}

void Completions::close() noexcept {
    events_.acknowledge(provider_, queue_.get());
    queue_.reset();
    extended_ = nullptr;
}

void Completions::take_events() noexcept {
    if (!channel_) return;
    ibv_cq* from = nullptr;
    void* cq_context = nullptr;
    errno = 0;
    while (provider_.get_cq_event(channel_.get(), &from, &cq_context) == 0) events_.add(provider_, queue_.get());
    // The channel of a device that was removed stays readable.
    if (errno != EAGAIN && errno != EINTR) fail(errno);
}

}  // namespace pktverbs
