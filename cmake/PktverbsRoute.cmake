# SPDX-License-Identifier: Apache-2.0
# The component pktverbs::route: a separate library, because it needs libnl-route.
find_package(LibnlRoute REQUIRED)

add_library(pktverbs_route
  src/route/neighbour.cpp
  src/route/netlink.cpp
  src/route/resolve.cpp
  src/route/route.cpp)
pktverbs_component(route)
target_link_libraries(pktverbs_route PRIVATE LibnlRoute::LibnlRoute)
