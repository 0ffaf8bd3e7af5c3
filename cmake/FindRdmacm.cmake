# SPDX-License-Identifier: Apache-2.0
# Finds librdmacm (Debian: librdmacm-dev) and makes Rdmacm::Rdmacm.
find_package(PkgConfig QUIET)
if(PkgConfig_FOUND)
  pkg_check_modules(PC_Rdmacm QUIET librdmacm)
endif()
find_path(Rdmacm_INCLUDE_DIR rdma/rdma_cma.h HINTS ${PC_Rdmacm_INCLUDE_DIRS})
find_library(Rdmacm_LIBRARY rdmacm HINTS ${PC_Rdmacm_LIBRARY_DIRS})
set(Rdmacm_VERSION "${PC_Rdmacm_VERSION}")

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Rdmacm REQUIRED_VARS Rdmacm_LIBRARY Rdmacm_INCLUDE_DIR VERSION_VAR Rdmacm_VERSION)
mark_as_advanced(Rdmacm_INCLUDE_DIR Rdmacm_LIBRARY)

if(Rdmacm_FOUND AND NOT TARGET Rdmacm::Rdmacm)
  add_library(Rdmacm::Rdmacm UNKNOWN IMPORTED)
  set_target_properties(Rdmacm::Rdmacm PROPERTIES
    IMPORTED_LOCATION "${Rdmacm_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${Rdmacm_INCLUDE_DIR}")
endif()
