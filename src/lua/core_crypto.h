// SPDX-License-Identifier: MIT
// The functions of perilune.core that authenticate messages.
#pragma once
#include <lauxlib.h>

extern const luaL_Reg peri_core_crypto_functions[];
