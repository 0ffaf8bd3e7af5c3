# SPDX-License-Identifier: Apache-2.0
# Finds standalone Asio (Debian: libasio-dev), which is headers only, and makes Asio::Asio.
find_path(Asio_INCLUDE_DIR asio/version.hpp)
if(Asio_INCLUDE_DIR)
  # In it: #define ASIO_VERSION 102201 // 1.22.1
  file(STRINGS "${Asio_INCLUDE_DIR}/asio/version.hpp" Asio_VERSION REGEX "define ASIO_VERSION .*// ")
  string(REGEX REPLACE ".*// *([0-9.]+).*" "\\1" Asio_VERSION "${Asio_VERSION}")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Asio REQUIRED_VARS Asio_INCLUDE_DIR VERSION_VAR Asio_VERSION)
mark_as_advanced(Asio_INCLUDE_DIR)

if(Asio_FOUND AND NOT TARGET Asio::Asio)
  find_package(Threads REQUIRED)
  add_library(Asio::Asio INTERFACE IMPORTED)
  set_target_properties(Asio::Asio PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${Asio_INCLUDE_DIR}")
  target_link_libraries(Asio::Asio INTERFACE Threads::Threads)
endif()
