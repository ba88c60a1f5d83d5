// SPDX-License-Identifier: MIT
#include "lua/argument_types.h"

#include <lauxlib.h>

#include "lua/value.h"

static char lists_key;  // in the registry: number -> string

static bool push_lists(lua_State *L) {
  lua_pushlightuserdata(L, &lists_key);
  lua_rawget(L, LUA_REGISTRYINDEX);
  return lua_istable(L, -1);
}

peri_bytes peri_argument_types(lua_State *L, uint32_t number) {
  peri_bytes list = {NULL, 0};
  int top = lua_gettop(L);
  if (number != 0 && push_lists(L)) {
    lua_rawgeti(L, -1, (int)number);
    list.ptr = (const uint8_t *)lua_tolstring(L, -1, &list.len);
  }
  lua_settop(L, top);
  return list;
}

int peri_lua_argument_types(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  peri_buf out = {0};
  peri_err err = {0};
  const peri_serializer *msgpack = peri_serializer_by_id(PERI_SER_MSGPACK);
  if (peri_value_encode(L, 1, msgpack, &PERI_VALUE_LIMITS_DEFAULT, &out, &err) != 0) {
    peri_buf_fini(&out);
    return luaL_error(L, "argument_types: %s", err.text);
  }
  if (!push_lists(L)) {
    lua_pushlightuserdata(L, &lists_key);
    lua_newtable(L);
    lua_rawset(L, LUA_REGISTRYINDEX);
    lua_settop(L, 1);
    push_lists(L);
  }
  int number = (int)lua_objlen(L, -1) + 1;
  lua_pushlstring(L, (const char *)out.data, out.len);
  peri_buf_fini(&out);
  lua_rawseti(L, -2, number);
  lua_pushinteger(L, number);
  return 1;
}
