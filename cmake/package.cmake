# The shared library beside the static one, of the same objects; what other projects find it by; the examples.
include(CMakePackageConfigHelpers)

add_library(distgat_shared SHARED $<TARGET_OBJECTS:libdistgat>)
set_target_properties(distgat_shared PROPERTIES OUTPUT_NAME distgat EXPORT_NAME distgat LINKER_LANGUAGE C
  VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
set(DISTGAT_SHOWN ${CMAKE_SOURCE_DIR}/cmake/shown.map)
set_target_properties(distgat_shared PROPERTIES LINK_DEPENDS ${DISTGAT_SHOWN} LINK_OPTIONS -Wl,--version-script=${DISTGAT_SHOWN})
target_include_directories(distgat_shared PUBLIC $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include>
  $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
get_target_property(DISTGAT_LINKED libdistgat LINK_LIBRARIES)
target_link_libraries(distgat_shared PUBLIC MPI::MPI_C PRIVATE $<BUILD_INTERFACE:${DISTGAT_LINKED}>)

set(DISTGAT_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/distgat)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/distgatConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(TARGETS distgat_shared EXPORT distgatTargets)
install(EXPORT distgatTargets NAMESPACE distgat:: DESTINATION ${DISTGAT_CMAKE_DIR})
install(FILES cmake/distgatConfig.cmake ${CMAKE_BINARY_DIR}/distgatConfigVersion.cmake DESTINATION ${DISTGAT_CMAKE_DIR})

# Examples use what the shared library shows, and nothing else.
foreach(name train halo)
  add_executable(example_${name} src/examples/${name}.c)
  target_link_libraries(example_${name} PRIVATE distgat_shared distgat_flags)
endforeach()
