# SPDX-License-Identifier: Apache-2.0
# `cmake --install`: the library, its headers, a CMake package and a pkg-config file.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(pktverbs_cmake_dir "${CMAKE_INSTALL_LIBDIR}/cmake/pktverbs")

install(TARGETS pktverbs EXPORT pktverbs-targets FILE_SET HEADERS)
install(EXPORT pktverbs-targets NAMESPACE pktverbs:: DESTINATION "${pktverbs_cmake_dir}")
if(PKTVERBS_MESSAGES)
  # A separate export: programs without the component don't need librdmacm.
  install(TARGETS pktverbs_messages EXPORT pktverbs-messages-targets FILE_SET HEADERS)
  install(EXPORT pktverbs-messages-targets NAMESPACE pktverbs:: DESTINATION "${pktverbs_cmake_dir}")
  install(FILES "${CMAKE_CURRENT_LIST_DIR}/FindRdmacm.cmake" DESTINATION "${pktverbs_cmake_dir}")
endif()
if(PKTVERBS_ROUTE)
  install(TARGETS pktverbs_route EXPORT pktverbs-route-targets FILE_SET HEADERS)
  install(EXPORT pktverbs-route-targets NAMESPACE pktverbs:: DESTINATION "${pktverbs_cmake_dir}")
  install(FILES "${CMAKE_CURRENT_LIST_DIR}/FindLibnlRoute.cmake" DESTINATION "${pktverbs_cmake_dir}")
endif()
if(PKTVERBS_ASIO)
  install(TARGETS pktverbs_asio EXPORT pktverbs-asio-targets FILE_SET HEADERS)
  install(EXPORT pktverbs-asio-targets NAMESPACE pktverbs:: DESTINATION "${pktverbs_cmake_dir}")
  install(FILES "${CMAKE_CURRENT_LIST_DIR}/FindAsio.cmake" DESTINATION "${pktverbs_cmake_dir}")
endif()

# A static library leaves to its users what it is linked to.
get_target_property(pktverbs_type pktverbs TYPE)
set(pktverbs_needs_libxdp FALSE)
set(pktverbs_pc_requires "")
if(PKTVERBS_XDP AND pktverbs_type STREQUAL STATIC_LIBRARY)
  set(pktverbs_needs_libxdp TRUE)
  set(pktverbs_pc_requires ", libxdp, libbpf")
  install(FILES "${CMAKE_CURRENT_LIST_DIR}/FindLibxdp.cmake" DESTINATION "${pktverbs_cmake_dir}")
endif()

configure_package_config_file(
  "${CMAKE_CURRENT_LIST_DIR}/pktverbs-config.cmake.in" pktverbs-config.cmake
  INSTALL_DESTINATION "${pktverbs_cmake_dir}" NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(pktverbs-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES
  "${CMAKE_CURRENT_BINARY_DIR}/pktverbs-config.cmake"
  "${CMAKE_CURRENT_BINARY_DIR}/pktverbs-config-version.cmake"
  "${CMAKE_CURRENT_LIST_DIR}/FindIbverbs.cmake"
  DESTINATION "${pktverbs_cmake_dir}")

# The .pc file finds the prefix relative to its own place, so that an installed tree may be moved, unless its parts are
# absolute.
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
  set(pktverbs_pc_prefix "${CMAKE_INSTALL_PREFIX}")
else()
  file(RELATIVE_PATH pktverbs_pc_prefix "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
  string(REGEX REPLACE "/$" "" pktverbs_pc_prefix "\${pcfiledir}/${pktverbs_pc_prefix}")
endif()
cmake_path(APPEND pktverbs_pc_libdir "\${prefix}" "${CMAKE_INSTALL_LIBDIR}")
cmake_path(APPEND pktverbs_pc_includedir "\${prefix}" "${CMAKE_INSTALL_INCLUDEDIR}")
configure_file("${CMAKE_CURRENT_LIST_DIR}/pktverbs.pc.in" pktverbs.pc @ONLY)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/pktverbs.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
foreach(component IN ITEMS messages route)
  string(TOUPPER "PKTVERBS_${component}" option)
  if(${option})
    configure_file("${CMAKE_CURRENT_LIST_DIR}/pktverbs-${component}.pc.in" pktverbs-${component}.pc @ONLY)
    install(FILES "${CMAKE_CURRENT_BINARY_DIR}/pktverbs-${component}.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
  endif()
endforeach()
