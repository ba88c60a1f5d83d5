// SPDX-License-Identifier: MIT
// Where the Lua half lies, relative to the file that holds the C half.
#pragma once
#include <limits.h>
#include <stdbool.h>

// Looks from `folder`, in which the binary or the library is: in the tree ../../lua, installed
// ../share/perilune/lua, or one further up for libraries of an architecture. False when there is
// none.
bool peri_library_find(const char *folder, char library[PATH_MAX]);
