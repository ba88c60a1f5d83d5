// SPDX-License-Identifier: MIT
// Lua values through the serializers, for specs and benches: `luaopen_peri_value_testing`. Failures
// are false, code name, text.
#include <lauxlib.h>

#include "lua/core_java.h"
#include "lua/raw_make.h"
#include "lua/value.h"

int luaopen_peri_value_testing(lua_State *L);

static const peri_serializer *check_serializer(lua_State *L, int index) {
  const char *name = luaL_checkstring(L, index);
  const peri_serializer *found = peri_serializer_by_name(name);
  if (found == NULL) {
    luaL_error(L, "no serializer %s", name);
  }
  return found;
}

static uint32_t limit(lua_State *L, int index, const char *name, uint32_t otherwise) {
  lua_getfield(L, index, name);
  uint32_t value = lua_isnil(L, -1) ? otherwise : (uint32_t)lua_tonumber(L, -1);
  lua_pop(L, 1);
  return value;
}

static peri_value_limits check_limits(lua_State *L, int index) {
  peri_value_limits limits = PERI_VALUE_LIMITS_DEFAULT;
  if (lua_istable(L, index)) {
    limits.depth = limit(L, index, "depth", limits.depth);
    limits.elements = limit(L, index, "elements", limits.elements);
    limits.refs = limit(L, index, "refs", limits.refs);
    limits.string = limit(L, index, "string", limits.string);
  }
  return limits;
}

static int failure(lua_State *L, int code, const peri_err *err) {
  lua_pushboolean(L, 0);
  lua_pushstring(L, peri_code_name(code));
  lua_pushstring(L, err->text);
  return 3;
}

static peri_bytes check_bytes(lua_State *L, int index) {
  peri_bytes bytes;
  bytes.ptr = (const uint8_t *)luaL_checklstring(L, index, &bytes.len);
  return bytes;
}

static const char *const modes[] = {"number", "cdata", "string", NULL};

typedef struct decoding {
  const peri_serializer *serializer;
  peri_bytes in;
  peri_value_limits limits;
  peri_int64_mode mode;
  bool args;
} decoding;

static decoding check_decoding(lua_State *L, bool args) {
  peri_int64_mode mode = (peri_int64_mode)luaL_checkoption(L, 3, "number", modes);
  return (decoding){check_serializer(L, 1), check_bytes(L, 2), check_limits(L, 4), mode, args};
}

static int decode_once(lua_State *L, const decoding *d, peri_err *err) {
  if (d->args) {
    return peri_value_decode_args(L, d->serializer, d->in, &d->limits, d->mode, err);
  }
  int rc = peri_value_decode(L, d->serializer, d->in, &d->limits, d->mode, err);
  return rc == 0 ? 1 : rc;
}

enum { COMPARED_DEPTH = 12, COMPARED_VALUES = 100000 };

static int compared;

static bool same_value(lua_State *L, int a, int b, int depth);

// Whether all entries of table `a` are in table `b`; tables as keys are passed over.
static bool same_entries(lua_State *L, int a, int b, int depth) {
  bool same = true;
  lua_pushnil(L);
  while (same && lua_next(L, a) != 0) {
    lua_pushvalue(L, -2);
    lua_rawget(L, b);
    int top = lua_gettop(L);
    same = lua_istable(L, top - 2) || same_value(L, top - 1, top, depth + 1);
    lua_settop(L, top - 2);
  }
  return same;
}

static bool same_metatable(lua_State *L, int a, int b) {
  int top = lua_gettop(L);
  int has = lua_getmetatable(L, a);
  bool same = lua_getmetatable(L, b) == has && (!has || lua_rawequal(L, -1, -2));
  lua_settop(L, top);
  return same;
}

// NaN is like itself, and integers (cdata) by what they print.
static bool same_scalar(lua_State *L, int a, int b) {
  if (lua_equal(L, a, b)) {
    return true;
  }
  if (lua_type(L, a) != lua_type(L, b)) {
    return false;
  }
  if (lua_type(L, a) == LUA_TNUMBER) {
    return lua_tonumber(L, a) != lua_tonumber(L, a) && lua_tonumber(L, b) != lua_tonumber(L, b);
  }
  int top = lua_gettop(L);
  for (int i = 0; i < 2; i++) {
    lua_getglobal(L, "tostring");
    lua_pushvalue(L, i == 0 ? a : b);
    lua_call(L, 1, 1);
  }
  bool same = lua_rawequal(L, -1, -2);
  lua_settop(L, top);
  return same;
}

// What is deeper than COMPARED_DEPTH passes, and what comes after COMPARED_VALUES: there are values
// that contain themselves, and each other.
static bool same_value(lua_State *L, int a, int b, int depth) {
  int top = lua_gettop(L);
  if (lua_type(L, a) != LUA_TTABLE || lua_type(L, b) != LUA_TTABLE) {
    return same_scalar(L, a, b);
  }
  luaL_checkstack(L, 8, "same_value");
  bool same =
      depth > COMPARED_DEPTH || ++compared > COMPARED_VALUES ||
      (same_metatable(L, a, b) && same_entries(L, a, b, depth) && same_entries(L, b, a, depth));
  lua_settop(L, top);
  return same;
}

// Leaves the second decoding's values away if they are as those of the first one, which are `count`
// from `first` on (or a refusal).
static void compare(lua_State *L, int first, int count, int again) {
  bool same = count == again;
  compared = 0;
  for (int i = 0; i < count && same; i++) {
    same = same_value(L, first + i, first + count + i, 0);
  }
  if (!same) {
    luaL_error(L, "the API makes something else (%d, not %d)", again, count);
  }
  lua_settop(L, first - 1 + (count < 0 ? 0 : count));
}

// Once with tables made as they lie in memory and once through the API: nobody may see a
// difference.
static int decode_both(lua_State *L, const decoding *d) {
  peri_err err = {0};
  lua_settop(L, 4);
  int count = decode_once(L, d, &err);
  if (peri_raw_makes_usable()) {
    atomic_store(&peri_raw_makes, false);
    peri_err other = {0};
    int again = decode_once(L, d, &other);
    atomic_store(&peri_raw_makes, true);
    compare(L, 5, count, again);
  }
  if (count < 0) {
    return failure(L, count, &err);
  }
  lua_pushboolean(L, 1);
  lua_insert(L, 5);
  return count + 1;
}

// decode(serializer, bytes, int64?, limits?) -> true, value
static int decode(lua_State *L) {
  decoding d = check_decoding(L, false);
  return decode_both(L, &d);
}

// decode_args(serializer, bytes, int64?, limits?) -> true, values...
static int decode_args(lua_State *L) {
  decoding d = check_decoding(L, true);
  return decode_both(L, &d);
}

// Runs an encoder whose bytes are the answer.
static int answer(lua_State *L, int rc, peri_buf *out, const peri_err *err) {
  if (rc != 0) {
    peri_buf_fini(out);
    return failure(L, rc, err);
  }
  lua_pushboolean(L, 1);
  lua_pushlstring(L, (const char *)out->data, out->len);
  peri_buf_fini(out);
  return 2;
}

typedef struct encoding {
  int first;
  int count;  // of arguments; -1 = one value
  const peri_serializer *serializer;
  const peri_value_limits *limits;
} encoding;

static int encode_once(lua_State *L, const encoding *e, peri_buf *out, peri_err *err) {
  return e->count < 0
             ? peri_value_encode(L, e->first, e->serializer, e->limits, out, err)
             : peri_value_encode_args(L, e->first, e->count, e->serializer, e->limits, out, err);
}

// Once by reading tables as they lie in memory and once through the API: nobody may see a
// difference.
static int encode_both(lua_State *L, const encoding *e) {
  peri_err err = {0};
  peri_buf out = {0};
  int rc = encode_once(L, e, &out, &err);
  if (peri_raw_usable()) {
    peri_err other = {0};
    peri_buf again = {0};
    atomic_store(&peri_raw_works, false);
    int code = encode_once(L, e, &again, &other);
    atomic_store(&peri_raw_works, true);
    bool same = code == rc && again.len == out.len && strcmp(other.text, err.text) == 0 &&
                (out.len == 0 || memcmp(again.data, out.data, out.len) == 0);
    peri_buf_fini(&again);
    if (!same) {
      peri_buf_fini(&out);
      return luaL_error(L, "the API gives another encoding: %s instead of %s", other.text,
                        err.text);
    }
  }
  return answer(L, rc, &out, &err);
}

// encode(serializer, value, limits?) -> true, bytes
static int encode(lua_State *L) {
  peri_value_limits limits = check_limits(L, 3);
  return encode_both(L, &(encoding){2, -1, check_serializer(L, 1), &limits});
}

// encode_args(serializer, ...) -> true, bytes
static int encode_args(lua_State *L) {
  peri_value_limits limits = PERI_VALUE_LIMITS_DEFAULT;
  return encode_both(L, &(encoding){2, lua_gettop(L) - 1, check_serializer(L, 1), &limits});
}

// Whether tables can be read as they lie in memory, and made so.
static int raw(lua_State *L) {
  lua_pushboolean(L, peri_raw_usable());
  lua_pushboolean(L, peri_raw_makes_usable());
  return 2;
}

static int add(lua_State *L) {
  peri_err err = {0};
  int rc = peri_value_serializer_add(L, 1, &err);
  if (rc != 0) {
    return failure(L, rc, &err);
  }
  lua_pushboolean(L, 1);
  return 1;
}

// repeat_decode(serializer, bytes, n) and repeat_encode(serializer, value, n): for benches, which
// want to see the codec and not this adapter.
static int repeat_decode(lua_State *L) {
  const peri_serializer *serializer = check_serializer(L, 1);
  peri_bytes in = check_bytes(L, 2);
  peri_value_limits limits = PERI_VALUE_LIMITS_DEFAULT;
  for (lua_Integer n = luaL_checkinteger(L, 3); n > 0; n--) {
    if (peri_value_decode(L, serializer, in, &limits, PERI_INT64_NUMBER, NULL) != 0) {
      return luaL_error(L, "decode failed");
    }
    lua_pop(L, 1);
  }
  return 0;
}

static int repeat_encode(lua_State *L) {
  const peri_serializer *serializer = check_serializer(L, 1);
  peri_buf out = {0};
  peri_value_limits limits = PERI_VALUE_LIMITS_DEFAULT;
  for (lua_Integer n = luaL_checkinteger(L, 3); n > 0; n--) {
    out.len = 0;
    if (peri_value_encode(L, 2, serializer, &limits, &out, NULL) != 0) {
      break;
    }
  }
  peri_buf_fini(&out);
  return 0;
}

int luaopen_peri_value_testing(lua_State *L) {
  static const luaL_Reg functions[] = {{"decode", decode},
                                       {"decode_args", decode_args},
                                       {"encode", encode},
                                       {"encode_args", encode_args},
                                       {"raw", raw},
                                       {"add", add},
                                       {"repeat_decode", repeat_decode},
                                       {"repeat_encode", repeat_encode},
                                       {NULL, NULL}};
  lua_newtable(L);
  for (const luaL_Reg *f = functions; f->name != NULL; f++) {
    lua_pushcfunction(L, f->func);
    lua_setfield(L, -2, f->name);
  }
  peri_value_register(L);
  luaL_register(L, NULL, peri_core_java_functions);
  return 1;
}
