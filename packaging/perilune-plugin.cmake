# SPDX-License-Identifier: MIT
# perilune_add_plugin(TARGET POINT NAME SOURCE...): a C plugin, built and installed where perilune
# looks for it: lib/lua/5.1/perilune/protocol/POINT/NAME.so below the prefix (in the build folder,
# lua/perilune/...). Use --prefix .rocks beside a script.
function(perilune_add_plugin target point name)
  if(NOT point MATCHES "^(compression|serializer)$")
    message(FATAL_ERROR "perilune_add_plugin: point '${point}' takes no C plugins; "
                        "there are compression and serializer")
  endif()
  set(folder perilune/protocol/${point})
  get_target_property(include perilune::perilune INTERFACE_INCLUDE_DIRECTORIES)
  add_library(${target} MODULE ${ARGN})
  target_include_directories(${target} SYSTEM PRIVATE ${include})
  set_target_properties(${target} PROPERTIES PREFIX "" OUTPUT_NAME ${name}
    C_VISIBILITY_PRESET hidden
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/lua/${folder})
  install(TARGETS ${target} LIBRARY DESTINATION lib/lua/5.1/${folder})
endfunction()
