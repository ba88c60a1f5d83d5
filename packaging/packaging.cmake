# SPDX-License-Identifier: MIT
# What is installed besides the binary and the Lua half, and the Debian package of all of it. Paths
# are relative to the prefix, so that `cmake --install --prefix` makes a tree that can be moved.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(from ${CMAKE_CURRENT_LIST_DIR})
set(made ${PROJECT_BINARY_DIR}/packaging)
# For files that name an absolute path, such as the unit: where a Debian package puts the binary.
set(PERILUNE_UNIT_PREFIX "/usr" CACHE PATH "Prefix that the systemd unit names")

install(FILES ${PROJECT_SOURCE_DIR}/src/perilune.h DESTINATION include COMPONENT development)
if(TARGET perilune_shared)
  install(TARGETS perilune_shared EXPORT perilune
          LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library
          NAMELINK_COMPONENT development)
endif()

find_program(gzip gzip REQUIRED)

# ---- CMake package, pkg-config ------------------------------------------------------------------

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/perilune)
configure_package_config_file(${from}/perilune-config.cmake.in ${made}/perilune-config.cmake
                              INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${made}/perilune-config-version.cmake
                                 COMPATIBILITY SameMinorVersion)
if(TARGET perilune_shared)
  install(EXPORT perilune NAMESPACE perilune:: FILE perilune-targets.cmake
          DESTINATION ${package_dir} COMPONENT development)
endif()
install(FILES ${made}/perilune-config.cmake ${made}/perilune-config-version.cmake
              ${from}/perilune-plugin.cmake
        DESTINATION ${package_dir} COMPONENT development)
file(RELATIVE_PATH pc_to_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(${from}/perilune.pc.in ${made}/perilune.pc @ONLY)
install(FILES ${made}/perilune.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig
        COMPONENT development)

# ---- completion and manual, written by the parser of the command line -----------------------------

if(TARGET perilune AND PERILUNE_MANUAL)
  set(manual ${made}/perilune.1 ${made}/perilune.bash ${made}/_perilune ${made}/perilune.fish)
  add_custom_command(
    OUTPUT ${manual}
    COMMAND $<TARGET_FILE:perilune> manual --output ${made}/perilune.1
    COMMAND ${gzip} -9nkf ${made}/perilune.1
    COMMAND $<TARGET_FILE:perilune> completion bash --output ${made}/perilune.bash
    COMMAND $<TARGET_FILE:perilune> completion zsh --output ${made}/_perilune
    COMMAND $<TARGET_FILE:perilune> completion fish --output ${made}/perilune.fish
    DEPENDS perilune ${ffi_cdef} ${from}/packaging.cmake
    VERBATIM)
  add_custom_target(peri_manual ALL DEPENDS ${manual})
  install(FILES ${made}/perilune.1.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT runtime)
  install(FILES ${made}/perilune.bash RENAME perilune COMPONENT runtime
          DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
  install(FILES ${made}/_perilune COMPONENT runtime
          DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions)
  install(FILES ${made}/perilune.fish COMPONENT runtime
          DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
endif()

# ---- systemd ------------------------------------------------------------------------------------

set(AT "@")
configure_file(${from}/perilune@.service.in ${made}/perilune@.service @ONLY)
install(FILES ${made}/perilune@.service ${from}/perilune@.socket
        DESTINATION lib/systemd/system COMPONENT runtime)

# ---- the Debian package ---------------------------------------------------------------------------

install(FILES ${from}/copyright DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT runtime)
install(FILES ${PROJECT_SOURCE_DIR}/README.md DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT runtime)
install(FILES ${from}/lintian-overrides RENAME perilune
        DESTINATION ${CMAKE_INSTALL_DATADIR}/lintian/overrides COMPONENT runtime)
file(MAKE_DIRECTORY ${made})
add_custom_command(
  OUTPUT ${made}/changelog.gz
  COMMAND ${gzip} -9nc ${PROJECT_SOURCE_DIR}/CHANGELOG.md > ${made}/changelog.gz
  DEPENDS ${PROJECT_SOURCE_DIR}/CHANGELOG.md)
add_custom_target(peri_changelog ALL DEPENDS ${made}/changelog.gz)
install(FILES ${made}/changelog.gz DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT runtime)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME perilune)
set(CPACK_PACKAGE_CONTACT "The Perilune developers <perilune@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "RPC runtime that is scripted in Lua")
set(CPACK_PACKAGE_DESCRIPTION
    "Runs services and the policies around them as Lua scripts on as many
threads as there are cores, and speaks the wire protocol of JoyRPC. This
package has the binary, the library and header for C plugins and for
embedding, and a systemd unit.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEB_COMPONENT_INSTALL OFF)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "lua-cjson, lua-argparse, lua-filesystem, lua-term")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "lua-busted, luarocks")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
file(WRITE ${made}/triggers "activate-noawait ldconfig\n")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${made}/triggers)
include(CPack)
