# SPDX-License-Identifier: Apache-2.0
# What the examples find in place of the library's own build: an installed library, and which parts of it there are.
find_package(pktverbs 0.2 REQUIRED OPTIONAL_COMPONENTS messages route asio)
foreach(component IN ITEMS messages route asio)
  string(TOUPPER "PKTVERBS_${component}" option)
  set(${option} ${pktverbs_${component}_FOUND})
endforeach()
get_target_property(pktverbs_headers pktverbs::pktverbs HEADER_DIRS)
find_file(pktverbs_wire pktverbs/soft/wire.hpp PATHS ${pktverbs_headers} NO_DEFAULT_PATH NO_CACHE)
set(PKTVERBS_SOFT "${pktverbs_wire}")

# Its warnings, its sanitizers and how it groups files are the library's own.
function(pktverbs_target target)
endfunction()
function(pktverbs_unity target)
endfunction()
# Asio 1.22 takes clang for a compiler without coroutines, unless libc++ has them.
function(pktverbs_asio_coroutines target)
  if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    target_compile_definitions(${target} PRIVATE ASIO_HAS_CO_AWAIT)
  endif()
endfunction()
