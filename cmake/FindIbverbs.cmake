# SPDX-License-Identifier: Apache-2.0
# Finds libibverbs (Debian: libibverbs-dev, which ships a .pc file but no CMake config) and makes Ibverbs::Ibverbs.
find_package(PkgConfig QUIET)
if(PkgConfig_FOUND)
  pkg_check_modules(PC_Ibverbs QUIET libibverbs)
endif()
find_path(Ibverbs_INCLUDE_DIR infiniband/verbs.h HINTS ${PC_Ibverbs_INCLUDE_DIRS})
find_library(Ibverbs_LIBRARY ibverbs HINTS ${PC_Ibverbs_LIBRARY_DIRS})
set(Ibverbs_VERSION "${PC_Ibverbs_VERSION}")

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Ibverbs REQUIRED_VARS Ibverbs_LIBRARY Ibverbs_INCLUDE_DIR VERSION_VAR Ibverbs_VERSION)
mark_as_advanced(Ibverbs_INCLUDE_DIR Ibverbs_LIBRARY)

if(Ibverbs_FOUND AND NOT TARGET Ibverbs::Ibverbs)
  add_library(Ibverbs::Ibverbs UNKNOWN IMPORTED)
  set_target_properties(Ibverbs::Ibverbs PROPERTIES
    IMPORTED_LOCATION "${Ibverbs_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${Ibverbs_INCLUDE_DIR}")
endif()
