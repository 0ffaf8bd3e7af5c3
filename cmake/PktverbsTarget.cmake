# SPDX-License-Identifier: Apache-2.0
# How every target of this project is compiled; never what its users' targets are.
function(pktverbs_target target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wconversion -Wshadow)
  if(PKTVERBS_WARNINGS_ARE_ERRORS)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  if(PKTVERBS_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${PKTVERBS_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
    target_link_options(${target} PRIVATE -fsanitize=${PKTVERBS_SANITIZE})
  endif()
endfunction()

# For a target whose own coroutines are Asio's. Asio 1.22 takes clang for a compiler without them, unless libc++ has them.
# Clang 14 can't emit coroutines with the sanitizer of calls through pointers ("Cannot represent a difference across
# sections").
function(pktverbs_asio_coroutines target)
  if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    target_compile_definitions(${target} PRIVATE ASIO_HAS_CO_AWAIT)
    if(PKTVERBS_SANITIZE MATCHES "undefined")
      target_compile_options(${target} PRIVATE -fno-sanitize=function)
    endif()
  endif()
endfunction()

# For the library's own code. All of it is compiled alike, so that it can share precompiled headers.
function(pktverbs_library_target target)
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}/src")
  target_compile_features(${target} PUBLIC cxx_std_20)
  if(PKTVERBS_SOFT)
    target_compile_definitions(${target} PRIVATE PKTVERBS_SOFT=1)
  endif()
  set_target_properties(${target} PROPERTIES
    CXX_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON
    POSITION_INDEPENDENT_CODE ON)
  pktverbs_target(${target})
endfunction()

# pktverbs_precompile(TARGET [REUSE_FROM OTHER]): headers of others that most of the library's files include. Every file
# still includes what it uses: -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON builds without, and a package test does.
function(pktverbs_precompile target)
  if(ARGN)
    target_precompile_headers(${target} ${ARGN})
    return()
  endif()
  target_precompile_headers(${target} PRIVATE
    <fmt/format.h> <infiniband/verbs.h>
    <algorithm> <array> <atomic> <bit> <cerrno> <charconv> <chrono> <cstddef> <cstdint> <cstring> <functional> <iterator>
    <limits> <map> <memory> <mutex> <optional> <ranges> <span> <stdexcept> <stop_token> <string> <string_view>
    <system_error> <utility> <variant> <vector>)
endfunction()
