// SPDX-License-Identifier: MIT
// The functions of perilune.core that declarations of Java types need.
#pragma once
#include <lauxlib.h>

extern const luaL_Reg peri_core_java_functions[];
