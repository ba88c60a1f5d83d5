// SPDX-License-Identifier: MIT
// perilune.null, array, bytes and typed. null is the light userdata NULL, which is lua-cjson's null
// too. Marks are metatables that carry keys only this file can make: the class of a typed table,
// and whether a table is a list.
#include <lauxlib.h>

#include "lua/raw_make.h"
#include "lua/value_parts.h"

char peri_value_array_key;
char peri_value_bytes_key;
char peri_value_classes_key;
char peri_value_box_key;
char peri_value_unbox_key;
char peri_value_class_mark;
char peri_value_kind_mark;
char peri_value_casts_key;

static const char helpers[] = "local ffi = require 'ffi'\n"
                              "local i64, u64 = ffi.typeof 'int64_t', ffi.typeof 'uint64_t'\n"
                              "local i64p, u64p = ffi.typeof 'int64_t *', ffi.typeof 'uint64_t *'\n"
                              "local function box(at, unsigned)\n"
                              "  return ffi.cast(unsigned and u64p or i64p, at)[0]\n"
                              "end\n"
                              "local function unbox(value, at)\n"
                              "  if ffi.istype(i64, value) then\n"
                              "    ffi.cast(i64p, at)[0] = value\n"
                              "    return 1\n"
                              "  elseif ffi.istype(u64, value) then\n"
                              "    ffi.cast(u64p, at)[0] = value\n"
                              "    return 2\n"
                              "  end\n"
                              "  return 0\n"
                              "end\n"
                              "return box, unbox\n";

static void keep(lua_State *L, const char *key) {
  lua_pushlightuserdata(L, (void *)(uintptr_t)key);
  lua_insert(L, -2);
  lua_rawset(L, LUA_REGISTRYINDEX);
}

void peri_value_set_mark(lua_State *L, const char *key) {
  lua_pushlightuserdata(L, (void *)(uintptr_t)key);
  lua_insert(L, -2);
  lua_rawset(L, -3);
}

// Makes the metatable of a class, on top of the stack, and keeps it in the table below the name.
static void make_class(lua_State *L, const char *name, size_t len, int kind) {
  lua_createtable(L, 0, 3);
  if (len != 0) {
    lua_pushlstring(L, name, len);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "__name");
    peri_value_set_mark(L, &peri_value_class_mark);
  }
  lua_pushinteger(L, kind);
  peri_value_set_mark(L, &peri_value_kind_mark);
  lua_pushlstring(L, name, len);
  lua_pushvalue(L, -2);
  lua_rawset(L, -4);
}

void peri_value_push_class(lua_State *L, const char *name, size_t len, int kind) {
  peri_value_push(L, &peri_value_classes_key);
  lua_rawgeti(L, -1, kind + 1);
  lua_pushlstring(L, name, len);
  lua_rawget(L, -2);
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    make_class(L, name, len, kind);
  }
  lua_replace(L, -3);
  lua_pop(L, 1);
}

void peri_value_push_bytes(lua_State *L, const void *data, size_t len) {
  void *copy = lua_newuserdata(L, len);
  if (len != 0) {
    memcpy(copy, data, len);
  }
  peri_value_push(L, &peri_value_bytes_key);
  lua_setmetatable(L, -2);
}

bool peri_value_to_bytes(lua_State *L, int index, peri_bytes *out) {
  if (lua_type(L, index) != LUA_TUSERDATA || !lua_getmetatable(L, index)) {
    return false;
  }
  peri_value_push(L, &peri_value_bytes_key);
  bool same = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  if (same) {
    *out = (peri_bytes){lua_touserdata(L, index), lua_objlen(L, index)};
  }
  return same;
}

static peri_bytes check_bytes(lua_State *L, int index) {
  peri_bytes bytes = {NULL, 0};
  if (!peri_value_to_bytes(L, index, &bytes)) {
    luaL_typerror(L, index, "perilune.bytes");
  }
  return bytes;
}

// Refuses a table that has a metatable of another kind: the mark would take its place.
static void check_plain(lua_State *L, int index, const char *what) {
  luaL_checktype(L, index, LUA_TTABLE);
  if (lua_getmetatable(L, index)) {
    lua_pushlightuserdata(L, &peri_value_kind_mark);
    lua_rawget(L, -2);
    if (lua_isnil(L, -1)) {
      luaL_error(L, "%s: the table has a metatable; pass a plain copy of it", what);
    }
    lua_pop(L, 2);
  }
}

static int lua_array(lua_State *L) {
  if (lua_isnoneornil(L, 1)) {
    lua_settop(L, 0);
    lua_newtable(L);
  }
  check_plain(L, 1, "perilune.array");
  lua_settop(L, 1);
  peri_value_push(L, &peri_value_array_key);
  lua_setmetatable(L, 1);
  return 1;
}

static int lua_typed(lua_State *L) {
  size_t len;
  const char *name = luaL_checklstring(L, 1, &len);
  check_plain(L, 2, "perilune.typed");
  int kind = PERI_KIND_OBJECT;
  if (lua_getmetatable(L, 2)) {
    lua_pushlightuserdata(L, &peri_value_kind_mark);
    lua_rawget(L, -2);
    kind = (int)lua_tointeger(L, -1);
    kind = kind == PERI_KIND_LIST || kind == PERI_KIND_ENTRIES ? kind : PERI_KIND_OBJECT;
  }
  lua_settop(L, 2);
  peri_value_push_class(L, name, len, kind);
  lua_setmetatable(L, 2);
  return 1;
}

static int lua_class_of(lua_State *L) {
  luaL_checkany(L, 1);
  if (lua_type(L, 1) != LUA_TTABLE || !lua_getmetatable(L, 1)) {
    lua_pushnil(L);
    return 1;
  }
  lua_pushlightuserdata(L, &peri_value_class_mark);
  lua_rawget(L, -2);
  return 1;
}

static int lua_bytes(lua_State *L) {
  size_t len;
  const char *data = luaL_checklstring(L, 1, &len);
  peri_value_push_bytes(L, data, len);
  return 1;
}

static int bytes_string(lua_State *L) {
  peri_bytes bytes = check_bytes(L, 1);
  lua_pushlstring(L, (const char *)bytes.ptr, bytes.len);
  return 1;
}

static int bytes_len(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)check_bytes(L, 1).len);
  return 1;
}

static int bytes_equal(lua_State *L) {
  peri_bytes a;
  peri_bytes b;
  lua_pushboolean(L, peri_value_to_bytes(L, 1, &a) && peri_value_to_bytes(L, 2, &b) &&
                         peri_bytes_equal(a, b));
  return 1;
}

static void register_bytes(lua_State *L) {
  static const luaL_Reg methods[] = {{"string", bytes_string},     {"len", bytes_len},
                                     {"__tostring", bytes_string}, {"__len", bytes_len},
                                     {"__eq", bytes_equal},        {NULL, NULL}};
  lua_newtable(L);
  for (const luaL_Reg *m = methods; m->name != NULL; m++) {
    lua_pushcfunction(L, m->func);
    lua_setfield(L, -2, m->name);
  }
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  lua_pushliteral(L, "perilune.bytes");
  lua_setfield(L, -2, "__name");
  keep(L, &peri_value_bytes_key);
}

static void register_marks(lua_State *L) {
  lua_newtable(L);
  lua_pushinteger(L, PERI_KIND_LIST);
  peri_value_set_mark(L, &peri_value_kind_mark);
  lua_pushliteral(L, "perilune.array");
  lua_setfield(L, -2, "__name");
  keep(L, &peri_value_array_key);

  lua_newtable(L);
  for (int kind = PERI_KIND_OBJECT; kind <= PERI_KIND_ENTRIES; kind++) {
    lua_newtable(L);
    lua_newtable(L);
    lua_pushliteral(L, "v");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_rawseti(L, -2, kind + 1);
  }
  keep(L, &peri_value_classes_key);
}

static void register_helpers(lua_State *L) {
  if (luaL_loadbuffer(L, helpers, sizeof helpers - 1, "=perilune.value") != 0) {
    lua_error(L);
  }
  lua_call(L, 0, 2);
  keep(L, &peri_value_unbox_key);
  keep(L, &peri_value_box_key);
}

void peri_value_register(lua_State *L) {
  peri_raw_check(L);
  peri_raw_make_check(L);
  register_bytes(L);
  register_marks(L);
  register_helpers(L);
  static const luaL_Reg functions[] = {{"array", lua_array},
                                       {"bytes", lua_bytes},
                                       {"typed", lua_typed},
                                       {"class_of", lua_class_of},
                                       {NULL, NULL}};
  for (const luaL_Reg *f = functions; f->name != NULL; f++) {
    lua_pushcfunction(L, f->func);
    lua_setfield(L, -2, f->name);
  }
  lua_pushlightuserdata(L, NULL);
  lua_setfield(L, -2, "null");
  peri_value_register_java(L);
}
