// SPDX-License-Identifier: MIT
// Lua values held by C. Made and dropped only here, so that what is still held at the end of a VM
// can be counted.
#pragma once
#include <lua.h>

// Pops the value at the top of the stack and returns a reference to it.
int peri_ref(lua_State *L);
void peri_unref(lua_State *L, int ref);
static inline void peri_ref_push(lua_State *L, int ref) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, ref);
}
// References now held by this thread's VMs.
long peri_ref_count(void);
