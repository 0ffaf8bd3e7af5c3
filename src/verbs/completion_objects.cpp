// SPDX-License-Identifier: Apache-2.0
#include "verbs/completion_objects.hpp"

#include "verbs/non_blocking.hpp"

namespace pktverbs::verbs {

CompChannelHandle make_completion_channel(const Port& port) {
    CompChannelHandle channel{check_pointer(port.action("create_comp_channel", "create a completion channel"),
                                            [&] { return port.provider.create_comp_channel(port.context); }),
                              {&port.provider}};
    set_non_blocking(channel->fd, port.action("fcntl", "make a completion channel non-blocking"));
    return channel;
}

CqHandle make_completion_queue(const Port& port, const ibv_cq_init_attr_ex& attr, std::string_view what) {
    return CqHandle{check_pointer(port.action("create_cq", what),
                                  [&] {
                                      return port.provider.create_cq(port.context, static_cast<int>(attr.cqe),
                                                                     attr.cq_context, attr.channel,
                                                                     static_cast<int>(attr.comp_vector));
                                  }),
                    {&port.provider}};
}

ibv_cq_ex* make_extended_completion_queue(const Port& port, const ibv_cq_init_attr_ex& attr, std::string_view what) {
    ibv_cq_init_attr_ex asked = attr;
    errno = 0;
    ibv_cq_ex* const queue = port.provider.create_cq_ex(port.context, &asked);
    if (!queue && errno != EOPNOTSUPP && errno != ENOSYS)
        throw_error(errno != 0 ? errno : EIO, port.action("create_cq", what));
    return queue;
}

}  // namespace pktverbs::verbs
