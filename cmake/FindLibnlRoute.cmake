# SPDX-License-Identifier: Apache-2.0
# Finds libnl-route (Debian: libnl-route-3-dev), with the libnl that it stands on, and makes LibnlRoute::LibnlRoute.
find_package(PkgConfig QUIET)
if(PkgConfig_FOUND)
  pkg_check_modules(PC_LibnlRoute QUIET libnl-route-3.0)
endif()
find_path(LibnlRoute_INCLUDE_DIR netlink/route/route.h HINTS ${PC_LibnlRoute_INCLUDE_DIRS} PATH_SUFFIXES libnl3)
find_library(LibnlRoute_LIBRARY nl-route-3 HINTS ${PC_LibnlRoute_LIBRARY_DIRS})
find_library(LibnlRoute_CORE_LIBRARY nl-3 HINTS ${PC_LibnlRoute_LIBRARY_DIRS})
set(LibnlRoute_VERSION "${PC_LibnlRoute_VERSION}")

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibnlRoute
  REQUIRED_VARS LibnlRoute_LIBRARY LibnlRoute_CORE_LIBRARY LibnlRoute_INCLUDE_DIR VERSION_VAR LibnlRoute_VERSION)
mark_as_advanced(LibnlRoute_INCLUDE_DIR LibnlRoute_LIBRARY LibnlRoute_CORE_LIBRARY)

if(LibnlRoute_FOUND AND NOT TARGET LibnlRoute::LibnlRoute)
  add_library(LibnlRoute::LibnlRoute UNKNOWN IMPORTED)
  set_target_properties(LibnlRoute::LibnlRoute PROPERTIES
    IMPORTED_LOCATION "${LibnlRoute_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${LibnlRoute_INCLUDE_DIR}"
    INTERFACE_LINK_LIBRARIES "${LibnlRoute_CORE_LIBRARY}")
endif()
