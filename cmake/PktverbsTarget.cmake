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
