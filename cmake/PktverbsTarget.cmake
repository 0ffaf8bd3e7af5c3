# SPDX-License-Identifier: Apache-2.0
include(CheckLinkerFlag)
check_linker_flag(CXX -fuse-ld=lld pktverbs_lld)  # for what is linked often: tests

# Compile options for this project's targets, never for its users'.
function(pktverbs_target target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wconversion -Wshadow)
  if(PKTVERBS_WARNINGS_ARE_ERRORS)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  # A tenth of the time that g++ takes is collecting garbage: not before there are 512 MiB of it.
  target_compile_options(${target} PRIVATE "$<$<CXX_COMPILER_ID:GNU>:SHELL:--param ggc-min-heapsize=524288>")
  if(PKTVERBS_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${PKTVERBS_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
    target_link_options(${target} PRIVATE -fsanitize=${PKTVERBS_SANITIZE})
  endif()
endfunction()

# For a target with Asio's coroutines. Asio 1.22 assumes that clang has no coroutines, unless it uses libc++. Clang 14
# can't emit coroutines with the sanitizer for calls through pointers ("Cannot represent a difference across sections").
function(pktverbs_asio_coroutines target)
  if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    target_compile_definitions(${target} PRIVATE ASIO_HAS_CO_AWAIT)
    if(PKTVERBS_SANITIZE MATCHES "undefined")
      target_compile_options(${target} PRIVATE -fno-sanitize=function)
    endif()
  endif()
endfunction()

# For the library's own code: with PKTVERBS_UNITY, files are compiled in groups, which parses what they include once and
# takes a third of the time. So names in unnamed namespaces must differ throughout a namespace. Every file still
# includes what it uses: the long form of a package test compiles each by itself, with the two warnings that see a whole
# group.
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
  pktverbs_unity(${target})
endfunction()

# The size of a group: with more files, two processors take less time in all; with fewer, one changed file does.
function(pktverbs_unity target)
  if(PKTVERBS_UNITY)
    if(NOT CMAKE_UNITY_BUILD_BATCH_SIZE)
      set(CMAKE_UNITY_BUILD_BATCH_SIZE 24)
    endif()
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE ${CMAKE_UNITY_BUILD_BATCH_SIZE})
    target_compile_options(${target} PRIVATE -Wno-shadow $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
  endif()
endfunction()
