# SPDX-License-Identifier: Apache-2.0
# The component pktverbs::asio: headers only, apart because they need Asio.
find_package(Asio 1.22 REQUIRED)

add_library(pktverbs_asio INTERFACE)
add_library(pktverbs::asio ALIAS pktverbs_asio)
file(GLOB pktverbs_asio_headers CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/include/pktverbs/asio/*.hpp")
target_sources(pktverbs_asio INTERFACE FILE_SET HEADERS BASE_DIRS include FILES ${pktverbs_asio_headers})
target_link_libraries(pktverbs_asio INTERFACE pktverbs Asio::Asio)
set_target_properties(pktverbs_asio PROPERTIES EXPORT_NAME asio)
