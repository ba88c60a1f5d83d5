// SPDX-License-Identifier: MIT
#include "lua/core_java.h"

#include <stdlib.h>

#include "base/mem.h"
#include "lua/value_parts.h"
#include "protocol/classes.h"

// The strings of the list at `index`, borrowed from it; NULL when it is none. Owned.
static peri_bytes *strings_of(lua_State *L, int index, uint32_t count) {
  peri_bytes *list = peri_calloc(count + 1, sizeof *list);
  for (uint32_t i = 0; i < count; i++) {
    lua_rawgeti(L, index, (int)i + 1);
    if (lua_type(L, -1) != LUA_TSTRING) {
      lua_pop(L, 1);
      free(list);
      return NULL;
    }
    list[i].ptr = (const uint8_t *)lua_tolstring(L, -1, &list[i].len);
    lua_pop(L, 1);
  }
  return list;
}

// core.declare_class(name, names, types) -> true, or nil, message. No types: the names are an
// enum's.
static int declare_class(lua_State *L) {
  peri_bytes name;
  peri_err err = {0};
  name.ptr = (const uint8_t *)luaL_checklstring(L, 1, &name.len);
  luaL_checktype(L, 2, LUA_TTABLE);
  uint32_t count = (uint32_t)lua_objlen(L, 2);
  bool is_enum = lua_isnoneornil(L, 3) != 0;
  peri_bytes *names = strings_of(L, 2, count);
  peri_bytes *types = is_enum ? NULL : strings_of(L, 3, count);
  int code = names == NULL || (types == NULL && !is_enum)
                 ? peri_fail(&err, PERI_ECONFIG, "names and types are lists of strings")
                 : peri_class_declare(name, count, names, types, &err);
  free(names);
  free(types);
  if (code != 0) {
    lua_pushnil(L);
    lua_pushstring(L, err.text);
    return 2;
  }
  lua_pushboolean(L, 1);
  return 1;
}

// core.declare_enum(name): nothing is known of it but that it is one.
static int declare_enum(lua_State *L) {
  peri_bytes name;
  name.ptr = (const uint8_t *)luaL_checklstring(L, 1, &name.len);
  if (peri_class_find(name) == NULL) {
    peri_class_declare(name, 0, NULL, NULL, NULL);
  }
  return 0;
}

// The six bits of a digit of base64, negative when it is none.
static int sextet(uint8_t c) {
  if (c >= 'A' && c <= 'Z') {
    return c - 'A';
  }
  if (c >= 'a' && c <= 'z') {
    return c - 'a' + 26;
  }
  if (c >= '0' && c <= '9') {
    return c - '0' + 52;
  }
  return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

static bool decode_base64(peri_bytes text, peri_buf *out) {
  uint32_t bits = 0;
  while (text.len > 0 && text.ptr[text.len - 1] == '=') {
    text.len--;
  }
  for (size_t i = 0; i < text.len; i++) {
    int six = sextet(text.ptr[i]);
    if (six < 0) {
      return false;
    }
    bits = bits << 6 | (uint32_t)six;
    if (i % 4 != 0) {
      peri_buf_add_u8(out, (uint8_t)(bits >> (2 * (3 - i % 4))));
    }
  }
  return text.len % 4 != 1;
}

// core.base64_decode(text) -> perilune.bytes, or nil when it is no base64
static int base64_decode(lua_State *L) {
  peri_bytes text;
  peri_buf out = {0};
  text.ptr = (const uint8_t *)luaL_checklstring(L, 1, &text.len);
  if (decode_base64(text, &out)) {
    peri_value_push_bytes(L, out.data, out.len);
  } else {
    lua_pushnil(L);
  }
  peri_buf_fini(&out);
  return 1;
}

const luaL_Reg peri_core_java_functions[] = {
    {"declare_class", declare_class},
    {"declare_enum", declare_enum},
    {"base64_decode", base64_decode},
    {NULL, NULL},
};
