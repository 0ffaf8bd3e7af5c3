# SPDX-License-Identifier: Apache-2.0
# The component pktverbs::route: a library of its own, because it needs one more.
find_package(LibnlRoute REQUIRED)

add_library(pktverbs_route
  src/route/neighbour.cpp
  src/route/netlink.cpp
  src/route/resolve.cpp
  src/route/route.cpp)
add_library(pktverbs::route ALIAS pktverbs_route)

file(GLOB pktverbs_route_headers CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/include/pktverbs/route/*.hpp")
target_sources(pktverbs_route PUBLIC FILE_SET HEADERS BASE_DIRS include FILES ${pktverbs_route_headers})
target_include_directories(pktverbs_route PRIVATE src)
target_compile_features(pktverbs_route PUBLIC cxx_std_20)
target_link_libraries(pktverbs_route PUBLIC pktverbs PRIVATE LibnlRoute::LibnlRoute)
target_link_options(pktverbs_route PRIVATE "LINKER:--version-script=${PROJECT_SOURCE_DIR}/cmake/pktverbs.map")
# Installed beside libpktverbs, which a program that links only this one must find.
set_target_properties(pktverbs_route PROPERTIES
  INSTALL_RPATH "$ORIGIN"
  EXPORT_NAME route
  VERSION ${PROJECT_VERSION}
  SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
  CXX_VISIBILITY_PRESET hidden
  VISIBILITY_INLINES_HIDDEN ON
  POSITION_INDEPENDENT_CODE ON
  LINK_DEPENDS "${PROJECT_SOURCE_DIR}/cmake/pktverbs.map"
  VERIFY_INTERFACE_HEADER_SETS ON)
pktverbs_target(pktverbs_route)
