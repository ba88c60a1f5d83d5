// SPDX-License-Identifier: MIT
#include "lua/ref.h"

#include <lauxlib.h>

static _Thread_local long held;

int peri_ref(lua_State *L) {
  held++;
  return luaL_ref(L, LUA_REGISTRYINDEX);
}

void peri_unref(lua_State *L, int ref) {
  if (ref != LUA_NOREF && ref != LUA_REFNIL) {
    held--;
    luaL_unref(L, LUA_REGISTRYINDEX, ref);
  }
}

long peri_ref_count(void) {
  return held;
}
