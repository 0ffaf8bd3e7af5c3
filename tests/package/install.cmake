# SPDX-License-Identifier: Apache-2.0
# Installs the build tree `build` to `prefix`, by way of another folder: what is installed must not know where it is.
# cmake -D build=DIR -D prefix=DIR -P install.cmake
file(REMOVE_RECURSE "${prefix}" "${prefix}.staged")
execute_process(COMMAND "${CMAKE_COMMAND}" --install "${build}" --prefix "${prefix}.staged" COMMAND_ERROR_IS_FATAL ANY)
file(RENAME "${prefix}.staged" "${prefix}")
