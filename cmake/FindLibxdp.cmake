# SPDX-License-Identifier: Apache-2.0
# Finds libxdp (Debian: libxdp-dev), with the libbpf that it stands on (libbpf-dev), and makes Libxdp::Libxdp.
find_package(PkgConfig QUIET)
if(PkgConfig_FOUND)
  pkg_check_modules(PC_Libxdp QUIET libxdp)
  pkg_check_modules(PC_Libbpf QUIET libbpf)
endif()
find_path(Libxdp_INCLUDE_DIR xdp/xsk.h HINTS ${PC_Libxdp_INCLUDE_DIRS})
find_path(Libxdp_BPF_INCLUDE_DIR bpf/bpf.h HINTS ${PC_Libbpf_INCLUDE_DIRS})
find_library(Libxdp_LIBRARY xdp HINTS ${PC_Libxdp_LIBRARY_DIRS})
find_library(Libxdp_BPF_LIBRARY bpf HINTS ${PC_Libbpf_LIBRARY_DIRS})
set(Libxdp_VERSION "${PC_Libxdp_VERSION}")

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Libxdp
  REQUIRED_VARS Libxdp_LIBRARY Libxdp_BPF_LIBRARY Libxdp_INCLUDE_DIR Libxdp_BPF_INCLUDE_DIR VERSION_VAR Libxdp_VERSION)
mark_as_advanced(Libxdp_INCLUDE_DIR Libxdp_BPF_INCLUDE_DIR Libxdp_LIBRARY Libxdp_BPF_LIBRARY)

if(Libxdp_FOUND AND NOT TARGET Libxdp::Libxdp)
  add_library(Libxdp::Libxdp UNKNOWN IMPORTED)
  set_target_properties(Libxdp::Libxdp PROPERTIES
    IMPORTED_LOCATION "${Libxdp_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${Libxdp_INCLUDE_DIR};${Libxdp_BPF_INCLUDE_DIR}"
    INTERFACE_LINK_LIBRARIES "${Libxdp_BPF_LIBRARY}")
endif()
