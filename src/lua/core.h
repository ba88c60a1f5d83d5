// SPDX-License-Identifier: MIT
// The functions of perilune.core that concern fibers, time and values.
#pragma once
#include <lauxlib.h>

extern const luaL_Reg peri_core_functions[];
