# SPDX-License-Identifier: Apache-2.0
# Finds libpcap's header (Debian: libpcap-dev) and makes Libpcap::Headers. Nothing is linked to libpcap: the program
# that opens a capture file loads it.
find_package(PkgConfig QUIET)
if(PkgConfig_FOUND)
  pkg_check_modules(PC_Libpcap QUIET libpcap)
endif()
find_path(Libpcap_INCLUDE_DIR pcap/pcap.h HINTS ${PC_Libpcap_INCLUDE_DIRS})
set(Libpcap_VERSION "${PC_Libpcap_VERSION}")

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Libpcap REQUIRED_VARS Libpcap_INCLUDE_DIR VERSION_VAR Libpcap_VERSION)
mark_as_advanced(Libpcap_INCLUDE_DIR)

if(Libpcap_FOUND AND NOT TARGET Libpcap::Headers)
  add_library(Libpcap::Headers INTERFACE IMPORTED)
  set_target_properties(Libpcap::Headers PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${Libpcap_INCLUDE_DIR}")
endif()
