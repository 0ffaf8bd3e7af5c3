# SPDX-License-Identifier: Apache-2.0
# The component pktverbs::messages: a library of its own, because it needs one more.
find_package(Rdmacm REQUIRED)

add_library(pktverbs_messages
  src/messages/address.cpp
  src/messages/connection.cpp
  src/messages/connection_manager.cpp
  src/messages/connection_receive.cpp
  src/messages/connection_send.cpp
  src/messages/connection_setup.cpp
  src/messages/error.cpp
  src/messages/event_loop.cpp
  src/messages/listener.cpp
  src/messages/listener_state.cpp
  src/messages/loop.cpp
  src/messages/message.cpp
  src/messages/pool.cpp
  src/messages/request.cpp
  src/messages/socket.cpp
  src/messages/timers.cpp)
add_library(pktverbs::messages ALIAS pktverbs_messages)

file(GLOB pktverbs_messages_headers CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/include/pktverbs/messages/*.hpp")
target_sources(pktverbs_messages PUBLIC FILE_SET HEADERS BASE_DIRS include FILES ${pktverbs_messages_headers})
target_include_directories(pktverbs_messages PRIVATE src)
target_compile_features(pktverbs_messages PUBLIC cxx_std_20)
target_link_libraries(pktverbs_messages PUBLIC pktverbs Rdmacm::Rdmacm)
target_link_options(pktverbs_messages PRIVATE "LINKER:--version-script=${PROJECT_SOURCE_DIR}/cmake/pktverbs.map")
# Installed beside libpktverbs, which a program that links only this one must find.
set_target_properties(pktverbs_messages PROPERTIES
  INSTALL_RPATH "$ORIGIN"
  EXPORT_NAME messages
  VERSION ${PROJECT_VERSION}
  SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
  CXX_VISIBILITY_PRESET hidden
  VISIBILITY_INLINES_HIDDEN ON
  POSITION_INDEPENDENT_CODE ON
  LINK_DEPENDS "${PROJECT_SOURCE_DIR}/cmake/pktverbs.map"
  VERIFY_INTERFACE_HEADER_SETS ON)
pktverbs_target(pktverbs_messages)
