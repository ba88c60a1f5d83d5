// SPDX-License-Identifier: MIT
#include "lua/core_keep.h"

#include "lua/raw.h"
#include "lua/value_parts.h"
#include "protocol/canonical.h"
#include "protocol/serializer/scratch.h"

enum {
  DEPTH_MAX = 31,   // tables within each other
  TABLE_SIZE = 64,  // bytes that a table costs, about
  ENTRY_SIZE = 32,  // and an entry of it
  SCALAR_SIZE = 8,
  SLOTS = 8,
  KEPT_MAX = 16 << 20,  // bytes of a copy, if nobody says
};

// ---- keys ---------------------------------------------------------------------------------------

static int add_values(lua_State *L, int first, int count, size_t limit, peri_buf *out) {
  peri_canonical canonical;
  peri_sink sink;
  peri_value_limits limits = PERI_VALUE_LIMITS_DEFAULT;
  int rc = 0;
  peri_canonical_init(&canonical, out, limit, DEPTH_MAX, &sink);
  for (int i = first; i < first + count && rc == 0; i++) {
    if (lua_isnil(L, i)) {
      peri_buf_add_u8(out, 'z');
    } else {
      rc = peri_walk_value(L, i, &limits, &sink, NULL);
    }
  }
  peri_canonical_fini(&canonical);
  return rc;
}

// core.key(prefix, values, n, limit) -> text; nil when it is too long or nested too deep, false
// when there are too many values, or one of a type that no format has.
static int key(lua_State *L) {
  size_t len;
  const char *prefix = luaL_checklstring(L, 1, &len);
  luaL_checktype(L, 2, LUA_TTABLE);
  int count = luaL_checkint(L, 3);
  lua_Number limit = luaL_checknumber(L, 4);
  luaL_argcheck(L, count >= 0, 3, "out of range");
  luaL_argcheck(L, limit >= 0 && limit <= UINT32_MAX, 4, "out of range");
  if (count > PERI_ARGS_MAX) {
    lua_pushboolean(L, 0);
    return 1;
  }
  luaL_checkstack(L, count + LUA_MINSTACK, "values for a key");
  for (int i = 1; i <= count; i++) {
    lua_rawgeti(L, 2, i);
  }
  peri_buf *out = peri_scratch_get();
  peri_buf_add(out, prefix, len);
  int rc = add_values(L, lua_gettop(L) - count + 1, count, (size_t)limit, out);
  if (rc == 0 && out->len <= (size_t)limit) {
    lua_pushlstring(L, (const char *)out->data, out->len);
  } else if (rc == PERI_EBAD_REQUEST) {
    lua_pushboolean(L, 0);
  } else {
    lua_pushnil(L);
  }
  return 1;
}

// ---- copies -------------------------------------------------------------------------------------

static bool copy(lua_State *L, int depth, size_t *left);

// Tables that stand in many places are copied for each: what that comes to is bounded.
static bool spend(size_t *left, size_t cost) {
  bool enough = cost <= *left;
  *left -= enough ? cost : 0;
  return enough;
}

static bool copy_entries(lua_State *L, int index, int made, int depth, size_t *left) {
  lua_pushnil(L);
  while (lua_next(L, index)) {
    if (!spend(left, ENTRY_SIZE) || !copy(L, depth, left)) {
      return false;
    }
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, made);
  }
  return true;
}

static bool copy_in_memory(lua_State *L, int index, int made, int depth, size_t *left) {
  const peri_raw_table *t = peri_raw_table_at(L, index);
  uint32_t at = 0;
  peri_raw key;
  peri_raw value;
  while (peri_raw_next(t, &at, &key, &value)) {
    peri_raw_push(L, key);
    peri_raw_push(L, value);
    if (!spend(left, ENTRY_SIZE) || !copy(L, depth, left)) {
      return false;
    }
    lua_rawset(L, made);
  }
  return true;
}

static void make(lua_State *L, int index) {
  if (peri_raw_usable()) {
    const peri_raw_table *t = peri_raw_table_at(L, index);
    int items = t->array_size != 0 ? (int)t->array_size - 1 : 0;
    lua_createtable(L, items, t->node_mask != 0 ? (int)t->node_mask + 1 : 0);
  } else {
    lua_createtable(L, (int)lua_objlen(L, index), 0);
  }
}

// Puts a copy in place of the table on top.
static bool copy_table(lua_State *L, int depth, size_t *left) {
  if (depth > DEPTH_MAX || !spend(left, TABLE_SIZE)) {
    return false;
  }
  luaL_checkstack(L, SLOTS, "a copy");
  int index = lua_gettop(L);
  int made = index + 1;
  make(L, index);
  bool copied = peri_raw_usable() ? copy_in_memory(L, index, made, depth + 1, left)
                                  : copy_entries(L, index, made, depth + 1, left);
  if (!copied) {
    return false;
  }
  if (lua_getmetatable(L, index)) {
    lua_setmetatable(L, made);
  }
  lua_replace(L, index);
  return true;
}

// Puts a copy in place of the value on top; false when it cannot be kept, with anything on the stack.
static bool copy(lua_State *L, int depth, size_t *left) {
  switch (lua_type(L, -1)) {
  case LUA_TTABLE: return copy_table(L, depth, left);
  case LUA_TSTRING: return spend(left, lua_objlen(L, -1));
  case LUA_TLIGHTUSERDATA: return lua_touserdata(L, -1) == NULL && spend(left, SCALAR_SIZE);
  case LUA_TNUMBER:
  case LUA_TBOOLEAN: return spend(left, SCALAR_SIZE);
  default: return false;
  }
}

// core.kept(value, limit) -> a deep copy, the bytes it costs; nothing when it cannot be kept.
static int kept(lua_State *L) {
  luaL_checkany(L, 1);
  lua_Number limit = luaL_optnumber(L, 2, KEPT_MAX);
  luaL_argcheck(L, limit >= 0 && limit <= (lua_Number)(UINT64_C(1) << 53), 2, "out of range");
  size_t left = (size_t)limit;
  lua_settop(L, 1);
  if (!copy(L, 1, &left)) {
    return 0;
  }
  lua_pushnumber(L, limit - (lua_Number)left);
  return 2;
}

const luaL_Reg peri_core_keep_functions[] = {{"key", key}, {"kept", kept}, {NULL, NULL}};
