// SPDX-License-Identifier: MIT
#include "lua/argument_types.h"

#include <lauxlib.h>
#include <math.h>

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

static const char *class_of(lua_State *co, int index) {
  double number = lua_tonumber(co, index);
  switch (lua_type(co, index)) {
  case LUA_TFUNCTION: return "io.joyrpc.Callback";
  case LUA_TSTRING: return "java.lang.String";
  case LUA_TBOOLEAN: return "java.lang.Boolean";
  case LUA_TNUMBER:
    if (number != floor(number)) {
      return "java.lang.Double";
    }
    return number >= INT32_MIN && number <= INT32_MAX ? "java.lang.Integer" : "java.lang.Long";
  case LUA_TTABLE: return lua_objlen(co, index) != 0 ? "java.util.List" : "java.util.Map";
  default: return "java.lang.Object";
  }
}

void peri_argument_classes(lua_State *co, int first, int count, peri_buf *out) {
  peri_encoder encoder;
  peri_sink sink;
  const peri_serializer *msgpack = peri_serializer_by_id(PERI_SER_MSGPACK);
  msgpack->encoder_init(&encoder, out, &PERI_VALUE_LIMITS_DEFAULT, NULL, &sink);
  sink.ops->list_begin(sink.self, (size_t)count);
  for (int i = 0; i < count; i++) {
    const char *class = class_of(co, first + i);
    sink.ops->string(sink.self, class, strlen(class));
  }
  sink.ops->list_end(sink.self);
  msgpack->encoder_finish(&encoder);
}
