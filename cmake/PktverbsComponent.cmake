# SPDX-License-Identifier: Apache-2.0
# pktverbs_component(NAME): the common part of components that have a separate library, whose target pktverbs_NAME must
# exist: headers in include/pktverbs/NAME, linked to libpktverbs.
function(pktverbs_component name)
  set(library pktverbs_${name})
  add_library(pktverbs::${name} ALIAS ${library})
  file(GLOB headers CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/include/pktverbs/${name}/*.hpp")
  target_sources(${library} PUBLIC FILE_SET HEADERS BASE_DIRS include FILES ${headers})
  pktverbs_library_target(${library})
  target_link_libraries(${library} PUBLIC pktverbs)
  target_link_options(${library} PRIVATE "LINKER:--version-script=${PROJECT_SOURCE_DIR}/cmake/pktverbs.map")
  # Installed beside libpktverbs, which a program that links only this one must find.
  set_target_properties(${library} PROPERTIES
    INSTALL_RPATH "$ORIGIN"
    EXPORT_NAME ${name}
    VERSION ${PROJECT_VERSION}
    SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
    LINK_DEPENDS "${PROJECT_SOURCE_DIR}/cmake/pktverbs.map")
endfunction()
