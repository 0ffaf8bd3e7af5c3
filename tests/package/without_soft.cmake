# SPDX-License-Identifier: Apache-2.0
# Prepares a copy of the source tree `source` at `copy` that has no soft device at all. Unchanged files keep their time.
# cmake -D source=DIR -D copy=DIR -P without_soft.cmake
file(GLOB_RECURSE copied RELATIVE "${copy}" "${copy}/include/*" "${copy}/src/*")
foreach(path IN LISTS copied)
  if(NOT EXISTS "${source}/${path}")
    file(REMOVE "${copy}/${path}")
  endif()
endforeach()
file(COPY "${source}/CMakeLists.txt" "${source}/cmake" "${source}/include" "${source}/src" DESTINATION "${copy}"
  REGEX "/(include/pktverbs|src)/soft$" EXCLUDE)
