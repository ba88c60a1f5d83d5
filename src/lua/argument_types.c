// SPDX-License-Identifier: MIT
#include "lua/argument_types.h"

#include <lauxlib.h>
#include <math.h>

#include "lua/value_parts.h"
#include "protocol/classes.h"

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

static const char LIST[] = "java.util.List", MAP[] = "java.util.Map";

static const char *const boxed[PERI_CASTS] = {
    [PERI_CAST_NONE] = "java.lang.Object",       [PERI_CAST_INT] = "java.lang.Integer",
    [PERI_CAST_LONG] = "java.lang.Long",         [PERI_CAST_DOUBLE] = "java.lang.Double",
    [PERI_CAST_FLOAT] = "java.lang.Float",       [PERI_CAST_SHORT] = "java.lang.Short",
    [PERI_CAST_BYTE] = "java.lang.Byte",         [PERI_CAST_CHAR] = "java.lang.Character",
    [PERI_CAST_DATE] = "java.util.Date",         [PERI_CAST_DECIMAL] = "java.math.BigDecimal",
    [PERI_CAST_BIGINT] = "java.math.BigInteger",
};

static const char *mark(lua_State *co, const char *key) {
  lua_pushlightuserdata(co, (void *)(uintptr_t)key);
  lua_rawget(co, -2);
  const char *text = lua_tostring(co, -1);  // a class lives on in its metatable
  lua_pop(co, 1);
  return text;
}

// What a metatable, on top of the stack, says: a box, a class, a list; NULL for a stranger's.
static const char *class_of_marked(lua_State *co) {
  const char *class = mark(co, &peri_value_class_mark);
  if (class != NULL) {
    return class;
  }
  lua_pushlightuserdata(co, &peri_value_kind_mark);
  lua_rawget(co, -2);
  int kind = lua_isnil(co, -1) ? -1 : (int)lua_tointeger(co, -1);
  lua_pop(co, 1);
  if (kind >= PERI_KIND_BOX && kind < PERI_KIND_BOX + PERI_CASTS) {
    return boxed[kind - PERI_KIND_BOX];
  }
  return kind == PERI_KIND_LIST ? LIST : kind == -1 ? NULL : MAP;
}

// Like the walker: a list has the keys 1..n and no other. NULL for a table without any.
static const char *class_of_plain(lua_State *co, int index) {
  size_t count = 0;
  bool indices = true;
  for (lua_pushnil(co); lua_next(co, index); lua_pop(co, 1)) {
    count++;
    indices = indices && lua_type(co, -2) == LUA_TNUMBER;
  }
  if (count == 0) {
    return NULL;
  }
  return indices && lua_objlen(co, index) == count ? LIST : MAP;
}

static const char *class_of_table(lua_State *co, int index) {
  const char *class = NULL;
  if (lua_getmetatable(co, index)) {
    class = class_of_marked(co);
    lua_pop(co, 1);
  }
  return class != NULL ? class : class_of_plain(co, index);
}

static const char *class_of_number(double number) {
  if (number != floor(number) || !isfinite(number)) {
    return "java.lang.Double";
  }
  if (fabs(number) > 0x1p53) {
    return NULL;
  }
  return number >= INT32_MIN && number <= INT32_MAX ? "java.lang.Integer" : "java.lang.Long";
}

// NULL where it may be one or the other.
static const char *class_of(lua_State *co, int index, const char *function) {
  peri_bytes bytes;
  switch (lua_type(co, index)) {
  case LUA_TFUNCTION: return function != NULL ? function : "java.lang.Object";
  case LUA_TSTRING: return "java.lang.String";
  case LUA_TBOOLEAN: return "java.lang.Boolean";
  case LUA_TNUMBER: return class_of_number(lua_tonumber(co, index));
  case LUA_TTABLE: return class_of_table(co, index);
  case PERI_LUA_TCDATA: return "java.lang.Long";
  case LUA_TUSERDATA: return peri_value_to_bytes(co, index, &bytes) ? "byte[]" : "java.lang.Object";
  default: return "java.lang.Object";  // null, whatever is wanted
  }
}

static int ambiguous(lua_State *co, int index, int position, peri_err *err) {
  if (lua_type(co, index) == LUA_TNUMBER) {
    return peri_fail(
        err, PERI_EBAD_REQUEST,
        "argument %d is a whole number beyond 2^53, a long or a double to Java: pass "
        "perilune.java.long or perilune.java.double, or declare the method's types with "
        "perilune.interface",
        position);
  }
  return peri_fail(
      err, PERI_EBAD_REQUEST,
      "argument %d is an empty table, a list or a map to Java: pass perilune.array {} or "
      "perilune.java.map, or declare the method's types with perilune.interface",
      position);
}

// '[[string' is 'java.lang.String[][]' where types are told.
static void add_class(const peri_sink *sink, const char *class) {
  size_t dimensions = strspn(class, "[");
  peri_bytes name = peri_bytes_of(class + dimensions);
  if (dimensions == 0) {
    sink->ops->string(sink->self, class, name.len);
    return;
  }
  peri_buf text = {0};
  name = peri_java_component(name);
  peri_buf_add(&text, name.ptr, name.len);
  for (; dimensions > 0; dimensions--) {
    peri_buf_add(&text, "[]", 2);
  }
  sink->ops->string(sink->self, (const char *)text.data, text.len);
  peri_buf_fini(&text);
}

int peri_argument_classes(lua_State *co, int first, int count, const char *function, peri_buf *out,
                          peri_err *err) {
  peri_encoder encoder;
  peri_sink sink;
  const peri_serializer *msgpack = peri_serializer_by_id(PERI_SER_MSGPACK);
  if (!lua_checkstack(co, 4)) {
    return peri_fail(err, PERI_EINTERNAL, "no room on the Lua stack");
  }
  msgpack->encoder_init(&encoder, out, &PERI_VALUE_LIMITS_DEFAULT, NULL, &sink);
  sink.ops->list_begin(sink.self, (size_t)count);
  for (int i = 0; i < count; i++) {
    const char *class = class_of(co, first + i, function);
    if (class == NULL) {
      return ambiguous(co, first + i, i + 1, err);
    }
    add_class(&sink, class);
  }
  sink.ops->list_end(sink.self);
  return msgpack->encoder_finish(&encoder);
}
