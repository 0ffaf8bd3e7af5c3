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
