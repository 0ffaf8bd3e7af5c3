# SPDX-License-Identifier: Apache-2.0
# The drop-in libraries: the soft device behind libibverbs' (and librdmacm's) own functions, for unmodified programs.
include(GNUInstallDirs)

# pktverbs_dropin_library(TARGET SYSTEM_LIBRARY SONAME MAP): a library `TARGET` in front of the system's. Programs get
# it by LD_PRELOAD, or because it is named SONAME in a folder in LD_LIBRARY_PATH.
#
# It is linked to the system's library by absolute path, as its SONAME would mean ourselves in the latter case. So the
# loader finds there whatever we don't export; and our library must define a version node for all of that.
function(pktverbs_dropin_library target system_library soname map)
  get_filename_component(system_library "${system_library}" REALPATH)
  get_filename_component(folder "${system_library}" DIRECTORY)
  set(system_library "${folder}/${soname}")
  if(NOT EXISTS "${system_library}")
    message(FATAL_ERROR "there is no ${system_library}: the drop-in library stands in front of it "
      "(-DPKTVERBS_DROPIN=OFF builds without it)")
  endif()

  execute_process(COMMAND "${CMAKE_READELF}" --wide --version-info "${system_library}"
    OUTPUT_VARIABLE info COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCHALL "Name: (IBVERBS|RDMACM)_[A-Z0-9_.]+" versions "${info}")
  list(TRANSFORM versions REPLACE "Name: " "")
  list(REMOVE_DUPLICATES versions)
  file(READ "${map}" text)
  set(private_version "")
  set(other_versions "")
  foreach(version IN LISTS versions)
    string(FIND "${text}" "\n${version} {" known)
    if(version MATCHES "^IBVERBS_PRIVATE")
      set(private_version "${version}")
    elseif(known EQUAL -1)
      string(APPEND other_versions "${version} {};\n")
    endif()
  endforeach()
  configure_file("${map}" "${PROJECT_BINARY_DIR}/dropin/${target}.map" @ONLY)

  # A stub library of that name for linking: only the name counts, and the loader takes a name with a slash for a path.
  add_library(${target}_system SHARED "${PROJECT_SOURCE_DIR}/src/dropin/nothing.cpp")
  target_link_options(${target}_system PRIVATE "LINKER:-soname,${system_library}")
  set_target_properties(${target}_system PROPERTIES
    NO_SONAME ON
    LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/dropin/link")

  target_compile_features(${target} PRIVATE cxx_std_20)
  target_compile_definitions(${target} PRIVATE
    PKTVERBS_SYSTEM_LIBRARY="${system_library}" PKTVERBS_PRIVATE_VERSION="${private_version}")
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/include")
  # fmt's headers, and not its library: other programs need not find our fmt.
  target_include_directories(${target} PRIVATE $<TARGET_PROPERTY:fmt::fmt,INTERFACE_INCLUDE_DIRECTORIES>)
  target_link_libraries(${target} PRIVATE Threads::Threads)
  target_link_options(${target} PRIVATE
    "LINKER:--version-script=${PROJECT_BINARY_DIR}/dropin/${target}.map"
    "LINKER:--no-as-needed,$<TARGET_FILE:${target}_system>,--as-needed" "LINKER:-z,defs")
  add_dependencies(${target} ${target}_system)
  string(REPLACE "_" "-" output_name "${target}")
  set_target_properties(${target} PROPERTIES
    OUTPUT_NAME "${output_name}"
    LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/dropin/lib"
    # The two find each other also from the folder for LD_LIBRARY_PATH.
    INSTALL_RPATH "$ORIGIN:$ORIGIN/.."
    BUILD_RPATH "$ORIGIN:$ORIGIN/.."
    BUILD_WITH_INSTALL_RPATH ON
    CXX_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON
    LINK_DEPENDS "${PROJECT_BINARY_DIR}/dropin/${target}.map")
  pktverbs_target(${target})
  pktverbs_unity(${target})

  # The folder for LD_LIBRARY_PATH.
  set(folder "${PROJECT_BINARY_DIR}/dropin/lib/pktverbs")
  file(MAKE_DIRECTORY "${folder}")
  file(CREATE_LINK "../lib${output_name}.so" "${folder}/${soname}" SYMBOLIC)
  if(PKTVERBS_INSTALL)
    install(TARGETS ${target} LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}")
    install(FILES "${folder}/${soname}" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pktverbs")
  endif()
endfunction()

add_library(pktverbs_verbs SHARED
  $<TARGET_OBJECTS:pktverbs_soft_objects>
  src/dropin/device_verbs.cpp
  src/dropin/devices.cpp
  src/dropin/fault_plan.cpp
  src/dropin/faulty_verbs.cpp
  src/dropin/formatting.cpp
  src/dropin/object_verbs.cpp
  src/dropin/process.cpp
  src/dropin/system_library.cpp
  src/dropin/system_verbs.cpp)
target_link_libraries(pktverbs_verbs PRIVATE ${pktverbs_soft_libraries})
pktverbs_dropin_library(pktverbs_verbs "${Ibverbs_LIBRARY}" libibverbs.so.1
  "${CMAKE_CURRENT_LIST_DIR}/pktverbs-verbs.map.in")

if(Rdmacm_FOUND)
  add_library(pktverbs_rdmacm SHARED
    src/dropin/rdmacm.cpp
    src/dropin/rdmacm_devices.cpp
    src/dropin/system_library.cpp)
  target_link_libraries(pktverbs_rdmacm PRIVATE pktverbs_verbs)
  pktverbs_dropin_library(pktverbs_rdmacm "${Rdmacm_LIBRARY}" librdmacm.so.1
    "${CMAKE_CURRENT_LIST_DIR}/pktverbs-rdmacm.map.in")
endif()

# The wrapper finds the libraries relative to its own place, so that an installed tree may be moved, unless its parts
# are absolute.
if(IS_ABSOLUTE "${CMAKE_INSTALL_BINDIR}" OR IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
  set(pktverbs_run_libdir "${CMAKE_INSTALL_FULL_LIBDIR}")
else()
  file(RELATIVE_PATH pktverbs_run_libdir "/${CMAKE_INSTALL_BINDIR}" "/${CMAKE_INSTALL_LIBDIR}")
endif()
# Its help has the table of links, which the soft device's objects know.
add_executable(pktverbs_fill_links tools/fill_links.cpp $<TARGET_OBJECTS:pktverbs_soft_objects>)
target_include_directories(pktverbs_fill_links PRIVATE src include)
target_link_libraries(pktverbs_fill_links PRIVATE
  Ibverbs::Ibverbs fmt::fmt Threads::Threads ${pktverbs_soft_libraries})
target_compile_features(pktverbs_fill_links PRIVATE cxx_std_20)
pktverbs_target(pktverbs_fill_links)
set(links @links@)
# pktverbs_run(OUTPUT): with pktverbs_run_libdir.
function(pktverbs_run output)
  configure_file(tools/pktverbs-run.in "${output}.in" @ONLY)
  add_custom_command(OUTPUT "${output}" DEPENDS "${output}.in" pktverbs_fill_links
    COMMAND pktverbs_fill_links "${output}.in" "${output}" VERBATIM)
endfunction()
pktverbs_run("${PROJECT_BINARY_DIR}/dropin/install/pktverbs-run")
set(pktverbs_run_libdir lib)
set(PKTVERBS_RUN "${PROJECT_BINARY_DIR}/dropin/pktverbs-run")
pktverbs_run("${PKTVERBS_RUN}")
add_custom_target(pktverbs_run ALL DEPENDS "${PKTVERBS_RUN}" "${PROJECT_BINARY_DIR}/dropin/install/pktverbs-run")
if(PKTVERBS_INSTALL)
  install(PROGRAMS "${PROJECT_BINARY_DIR}/dropin/install/pktverbs-run" DESTINATION "${CMAKE_INSTALL_BINDIR}")
endif()
