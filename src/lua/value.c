// SPDX-License-Identifier: MIT
// Values in and out. `raw` skips the sinks: its one string is pushed and copied as it is.
#include "lua/value.h"

#include "base/limit.h"
#include "lua/value_parts.h"
#include "protocol/serializer/msgpack.h"

static int decode_with(peri_builder *b, peri_sink *sink, const peri_serializer *serializer,
                       peri_bytes in, const peri_value_limits *limits) {
  int top = lua_gettop(b->L);
  int rc = serializer->decode == peri_msgpack_decode
               ? peri_builder_msgpack(b, in, limits)
               : serializer->decode(in, limits, sink, NULL, b->err);
  if (rc != 0) {
    lua_settop(b->L, top);
  } else if (b->refs != 0) {
    lua_remove(b->L, b->refs);
  }
  return rc;
}

static int decode_raw(lua_State *L, peri_bytes in, const peri_value_limits *limits, peri_err *err) {
  if (in.len > limits->string) {
    peri_limit_hit(PERI_LIMIT_VALUE_STRING);
    return peri_fail(err, PERI_ETOO_BIG, "raw: %zu bytes are over value_string = %u", in.len,
                     limits->string);
  }
  lua_pushlstring(L, (const char *)in.ptr, in.len);
  return 0;
}

static int need_stack(lua_State *L, peri_err *err) {
  return lua_checkstack(L, LUA_MINSTACK) ? 0 : peri_fail(err, PERI_ETOO_BIG, "Lua stack overflow");
}

int peri_value_decode(lua_State *L, const peri_serializer *serializer, peri_bytes in,
                      const peri_value_limits *limits, peri_int64_mode int64, peri_err *err) {
  int rc = need_stack(L, err);
  if (rc != 0) {
    return rc;
  }
  if (serializer->lua_ref != 0) {
    return peri_value_plugin_decode(L, serializer, in, err);
  }
  if (serializer->id == PERI_SER_RAW) {
    return decode_raw(L, in, limits, err);
  }
  peri_builder builder;
  peri_sink sink;
  peri_builder_init(&builder, L, int64, err, &sink);
  return decode_with(&builder, &sink, serializer, in, limits);
}

// Pushes the elements of the list on top of the stack in its place.
static int spread_list(lua_State *L, peri_err *err) {
  int list = lua_gettop(L);
  size_t count = lua_istable(L, list) ? lua_objlen(L, list) : 0;
  if (!lua_istable(L, list) || count > PERI_ARGS_MAX || !lua_checkstack(L, (int)count)) {
    lua_pop(L, 1);
    return peri_fail(err, PERI_EBAD_REQUEST, "arguments must be a list of at most %d",
                     PERI_ARGS_MAX);
  }
  for (size_t i = 1; i <= count; i++) {
    lua_rawgeti(L, list, (int)i);
  }
  lua_remove(L, list);
  return (int)count;
}

int peri_value_decode_args(lua_State *L, const peri_serializer *serializer, peri_bytes in,
                           const peri_value_limits *limits, peri_int64_mode int64, peri_err *err) {
  if (serializer->id == PERI_SER_RAW || serializer->lua_ref != 0) {
    int rc = peri_value_decode(L, serializer, in, limits, int64, err);
    return rc != 0 ? rc : serializer->id == PERI_SER_RAW ? 1 : spread_list(L, err);
  }
  int rc = need_stack(L, err);
  if (rc != 0) {
    return rc;
  }
  peri_builder builder;
  peri_sink sink;
  peri_builder_init(&builder, L, int64, err, &sink);
  builder.spread = true;
  int top = lua_gettop(L);
  rc = decode_with(&builder, &sink, serializer, in, limits);
  if (rc != 0) {
    return rc;
  }
  if (!builder.listed) {
    lua_settop(L, top);
    return peri_fail(err, PERI_EBAD_REQUEST, "arguments must be a list");
  }
  return builder.args;
}

static int encode_raw(lua_State *L, int index, peri_buf *out, peri_err *err) {
  peri_bytes bytes = {NULL, 0};
  if (lua_type(L, index) == LUA_TSTRING) {
    bytes.ptr = (const uint8_t *)lua_tolstring(L, index, &bytes.len);
  } else if (need_stack(L, err) != 0) {
    return PERI_ETOO_BIG;
  } else if (!lua_isnoneornil(L, index) && !peri_value_to_bytes(L, index, &bytes)) {
    return peri_fail(err, PERI_EBAD_REQUEST,
                     "raw carries one string or perilune.bytes, not a %s; choose another "
                     "serialization for other values",
                     lua_typename(L, lua_type(L, index)));
  }
  peri_buf_add(out, bytes.ptr, bytes.len);
  return 0;
}

static int absolute(lua_State *L, int index) {
  return index < 0 ? lua_gettop(L) + 1 + index : index;
}

// `count` < 0: the value at `first`; otherwise a list of values from there on.
static int encode_with(lua_State *L, int first, int count, const peri_serializer *serializer,
                       const peri_value_limits *limits, peri_buf *out, peri_err *err) {
  peri_encoder encoder;
  peri_sink sink;
  peri_err own;
  peri_err *why = err != NULL ? err : &own;
  int top = lua_gettop(L);
  size_t start = out->len;
  serializer->encoder_init(&encoder, out, limits, why, &sink);
  int rc = count < 0 ? peri_walk_value(L, first, limits, &sink, why)
                     : peri_walk_args(L, first, count, limits, &sink, why);
  rc = rc != 0 ? rc : serializer->encoder_finish(&encoder);
  if (rc != 0) {
    lua_settop(L, top);
    out->len = start;
  }
  return rc;
}

int peri_value_encode(lua_State *L, int index, const peri_serializer *serializer,
                      const peri_value_limits *limits, peri_buf *out, peri_err *err) {
  int rc = need_stack(L, err);
  if (rc != 0) {
    return rc;
  }
  index = absolute(L, index);
  if (serializer->lua_ref != 0) {
    return peri_value_plugin_encode(L, index, serializer, out, err);
  }
  if (serializer->id == PERI_SER_RAW) {
    return encode_raw(L, index, out, err);
  }
  return encode_with(L, index, -1, serializer, limits, out, err);
}

// A Lua serializer gets its arguments as one marked list.
static int encode_plugin_args(lua_State *L, int first, int count, const peri_serializer *serializer,
                              peri_buf *out, peri_err *err) {
  lua_createtable(L, count, 0);
  peri_value_push(L, &peri_value_array_key);
  lua_setmetatable(L, -2);
  for (int i = 0; i < count; i++) {
    if (lua_isnil(L, first + i)) {
      lua_pushlightuserdata(L, NULL);
    } else {
      lua_pushvalue(L, first + i);
    }
    lua_rawseti(L, -2, i + 1);
  }
  int rc = peri_value_plugin_encode(L, lua_gettop(L), serializer, out, err);
  lua_pop(L, 1);
  return rc;
}

int peri_value_encode_args(lua_State *L, int first, int count, const peri_serializer *serializer,
                           const peri_value_limits *limits, peri_buf *out, peri_err *err) {
  first = absolute(L, first);
  if (serializer->id == PERI_SER_RAW && count > 1) {
    return peri_fail(err, PERI_EBAD_REQUEST,
                     "raw carries exactly one argument, not %d; choose another serialization",
                     count);
  }
  if (serializer->id == PERI_SER_RAW) {
    return count == 0 ? 0 : encode_raw(L, first, out, err);
  }
  int rc = need_stack(L, err);
  if (rc != 0) {
    return rc;
  }
  if (serializer->lua_ref != 0) {
    return encode_plugin_args(L, first, count, serializer, out, err);
  }
  if (serializer->expect_args != NULL) {
    serializer->expect_args(out);
  }
  return encode_with(L, first, count, serializer, limits, out, err);
}
