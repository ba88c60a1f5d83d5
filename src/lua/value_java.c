// SPDX-License-Identifier: MIT
// Tables that say more of a value than Lua does: boxes around scalars with their type on the wire,
// maps whose order counts, maps of a class. The Lua half (protocol/java.lua) checks what goes in.
#include <lauxlib.h>

#include "lua/value_parts.h"

static const char *const classes[PERI_CASTS] = {
    [PERI_CAST_NONE] = "",
    [PERI_CAST_INT] = "java.lang.Integer",
    [PERI_CAST_LONG] = "java.lang.Long",
    [PERI_CAST_DOUBLE] = "java.lang.Double",
    [PERI_CAST_FLOAT] = "java.lang.Float",
    [PERI_CAST_SHORT] = "java.lang.Short",
    [PERI_CAST_BYTE] = "java.lang.Byte",
    [PERI_CAST_CHAR] = "java.lang.Character",
    [PERI_CAST_DATE] = "java.util.Date",
    [PERI_CAST_DECIMAL] = "java.math.BigDecimal",
    [PERI_CAST_BIGINT] = "java.math.BigInteger",
};

static const char *const names[PERI_CASTS] = {
    [PERI_CAST_INT] = "int",       [PERI_CAST_LONG] = "long",   [PERI_CAST_DOUBLE] = "double",
    [PERI_CAST_FLOAT] = "float",   [PERI_CAST_SHORT] = "short", [PERI_CAST_BYTE] = "byte",
    [PERI_CAST_CHAR] = "char",     [PERI_CAST_DATE] = "date",   [PERI_CAST_DECIMAL] = "decimal",
    [PERI_CAST_BIGINT] = "bigint",
};

void peri_value_box(lua_State *L, peri_cast cast) {
  lua_createtable(L, 1, 0);
  lua_insert(L, -2);
  lua_rawseti(L, -2, 1);
  peri_value_push(L, &peri_value_casts_key);
  lua_rawgeti(L, -1, (int)cast);
  lua_remove(L, -2);
  lua_setmetatable(L, -2);
}

static int box_index(lua_State *L) {
  if (lua_type(L, 2) == LUA_TSTRING && strcmp(lua_tostring(L, 2), "value") == 0) {
    lua_rawgeti(L, 1, 1);
    return 1;
  }
  return 0;
}

static int box_tostring(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_getglobal(L, "tostring");
  lua_rawgeti(L, 1, 1);
  lua_call(L, 1, 1);
  return 1;
}

static int box_equal(lua_State *L) {
  bool same = lua_getmetatable(L, 1) && lua_getmetatable(L, 2) && lua_rawequal(L, -1, -2);
  lua_rawgeti(L, 1, 1);
  lua_rawgeti(L, 2, 1);
  lua_pushboolean(L, same && lua_equal(L, -1, -2));
  return 1;
}

static int lua_box(lua_State *L) {
  int cast = luaL_checkoption(L, 1, NULL, names + 1) + 1;
  luaL_checkany(L, 2);
  lua_settop(L, 2);
  peri_value_box(L, (peri_cast)cast);
  return 1;
}

// mark(kind, class, table): a list, map or entries of a class.
static int lua_mark(lua_State *L) {
  static const char *const kinds[] = {"object", "list", "map", "entries", NULL};
  int kind = luaL_checkoption(L, 1, NULL, kinds);
  size_t len;
  const char *name = luaL_optlstring(L, 2, "", &len);
  luaL_checktype(L, 3, LUA_TTABLE);
  lua_settop(L, 3);
  peri_value_push_class(L, name, len, kind);
  lua_setmetatable(L, 3);
  return 1;
}

static void push_metatable(lua_State *L, int cast) {
  lua_createtable(L, 0, 8);
  lua_pushinteger(L, PERI_KIND_BOX + cast);
  peri_value_set_mark(L, &peri_value_kind_mark);
  lua_pushstring(L, classes[cast]);
  peri_value_set_mark(L, &peri_value_class_mark);
  lua_pushstring(L, classes[cast]);
  lua_setfield(L, -2, "__name");
  lua_pushcfunction(L, box_index);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, box_tostring);
  lua_setfield(L, -2, "__tostring");
  lua_pushcfunction(L, box_equal);
  lua_setfield(L, -2, "__eq");
}

void peri_value_register_java(lua_State *L) {
  lua_pushlightuserdata(L, &peri_value_casts_key);
  lua_createtable(L, PERI_CASTS, 0);
  for (int cast = 1; cast < PERI_CASTS; cast++) {
    push_metatable(L, cast);
    lua_rawseti(L, -2, cast);
  }
  lua_rawset(L, LUA_REGISTRYINDEX);
  lua_pushcfunction(L, lua_box);
  lua_setfield(L, -2, "box");
  lua_pushcfunction(L, lua_mark);
  lua_setfield(L, -2, "mark");
}
