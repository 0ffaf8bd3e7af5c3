# SPDX-License-Identifier: Apache-2.0
# The component pktverbs::messages: a separate library, because it needs librdmacm.
find_package(Rdmacm REQUIRED)

add_library(pktverbs_messages
  src/messages/address.cpp
  src/messages/connection.cpp
  src/messages/connection_manager.cpp
  src/messages/connection_receive.cpp
  src/messages/connection_send.cpp
  src/messages/connection_setup.cpp
  src/messages/error.cpp
  src/messages/listener.cpp
  src/messages/listener_state.cpp
  src/messages/message.cpp
  src/messages/messenger.cpp
  src/messages/messenger_device.cpp
  src/messages/messenger_state.cpp
  src/messages/pending_request.cpp
  src/messages/pool.cpp
  src/messages/request.cpp
  src/messages/socket.cpp)
pktverbs_component(messages)
target_link_libraries(pktverbs_messages PUBLIC Rdmacm::Rdmacm)
