// SPDX-License-Identifier: MIT
// The functions of perilune.core for those that keep values: as a key, or as a copy.
#pragma once
#include <lauxlib.h>

extern const luaL_Reg peri_core_keep_functions[];
