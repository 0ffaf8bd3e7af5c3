// SPDX-License-Identifier: Apache-2.0
#include "messages/messenger_device.hpp"

#include <string>

#include "messages/messenger_state.hpp"

namespace pktverbs::messages {

namespace {

verbs::Device device_of(const rdma_cm_id& id, const verbs::Provider& provider) {
    verbs::Device device;
    ibv_device* const raw = id.verbs->device;
    device.name = raw->name + ('/' + std::to_string(id.port_num));
    device.port = id.port_num;
    // Not owned here: an open context holds it.
    device.handle = std::shared_ptr<ibv_device>{std::shared_ptr<void>{}, raw};
    device.provider = &provider;
    return device;
}

}  // namespace

MessengerDevice::MessengerDevice(MessengerState& messenger, const rdma_cm_id& id)
    : messenger_{messenger},
      device_{device_of(id, *messenger.manager().provider)},
      pd_{device_},
      channel_{device_},
      completion_hook_{messenger.executor(), async::Hook::call<&MessengerDevice::take_completions>(*this)},
      event_hook_{messenger.executor(), async::Hook::call<&MessengerDevice::take_events>(*this)} {
    completion_hook_.watch(channel_.fd());
    event_hook_.watch(device_.async_fd());
}

// Either may destroy this object.
bool MessengerDevice::take_completions() { return messenger_.take_completions(*this); }
bool MessengerDevice::take_events() { return messenger_.take_events(*this); }

}  // namespace pktverbs::messages
