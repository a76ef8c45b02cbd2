# What belongs to the program: man pages and completion for shells, its own print; a module file; documents; packages.
option(DISTGAT_MANUAL "Let the program, as it is built, print man pages and completion for shells" ON)

if(DISTGAT_MANUAL AND NOT CMAKE_CROSSCOMPILING)
  set(out ${CMAKE_BINARY_DIR}/manual)
  set(templates ${CMAKE_SOURCE_DIR}/src/cli)
  add_custom_command(OUTPUT ${out}/distgat.bash
    COMMAND ${CMAKE_COMMAND} -E env ASAN_OPTIONS=detect_leaks=0 ${CMAKE_COMMAND} -DPROGRAM=$<TARGET_FILE:distgat>
      -DTEMPLATES=${templates} -DOUT=${out} -P ${CMAKE_SOURCE_DIR}/cmake/manual.cmake
    DEPENDS distgat cmake/manual.cmake data/import.py jobs/report.py ${templates}/distgat.bash.in ${templates}/distgat.zsh.in
    COMMENT "Printing man pages and completion for shells" VERBATIM)
  add_custom_target(manual ALL DEPENDS ${out}/distgat.bash)
  install(DIRECTORY ${out}/man1 DESTINATION ${CMAKE_INSTALL_MANDIR})
  install(FILES ${out}/distgat.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME distgat)
  install(FILES ${out}/_distgat DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
endif()

# Importers and report stand on the path as well, by links that may be moved with what they name.
foreach(script data/import jobs/report)
  get_filename_component(name ${script} NAME)
  file(RELATIVE_PATH target /${CMAKE_INSTALL_BINDIR} /${CMAKE_INSTALL_DATADIR}/distgat/${script}.py)
  file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/links)
  file(CREATE_LINK ${target} ${CMAKE_BINARY_DIR}/links/distgat-${name} SYMBOLIC)
  install(PROGRAMS ${CMAKE_BINARY_DIR}/links/distgat-${name} TYPE BIN)
endforeach()

configure_file(cmake/modulefile.in modulefile @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/modulefile DESTINATION ${CMAKE_INSTALL_DATADIR}/distgat/modulefiles/distgat
  RENAME ${PROJECT_VERSION})
install(FILES README.md CHANGELOG.md CITATION.cff LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

# cpack gives a Debian package where dpkg is, else an archive.
find_program(DPKG_SHLIBDEPS dpkg-shlibdeps)
mark_as_advanced(DPKG_SHLIBDEPS)
set(CPACK_GENERATOR TGZ)
if(DPKG_SHLIBDEPS)
  set(CPACK_GENERATOR DEB)
endif()
set(CPACK_PACKAGE_CONTACT "the distgat authors")
set(CPACK_RESOURCE_FILE_LICENSE ${CMAKE_SOURCE_DIR}/LICENSE)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_THREADS 0)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
# Libraries by what the program needs; ranks by the launcher of its MPI; importers, report and module by Python's packages.
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS openmpi-bin)
if(DISTGAT_IS_MPICH)
  set(CPACK_DEBIAN_PACKAGE_DEPENDS mpich)
endif()
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS
  "python3, python3-h5py, python3-numpy, python3-scipy, python3-matplotlib, python3-sklearn, curl | wget, ca-certificates")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "python3-pandas, slurm-client")
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_SOURCE_DIR}/cmake/debian.cmake)
include(CPack)
