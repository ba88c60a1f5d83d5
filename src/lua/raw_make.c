// SPDX-License-Identifier: MIT
#include "lua/raw_make.h"

#include <lauxlib.h>
#include <math.h>
#include <stdio.h>

_Atomic bool peri_raw_makes;

enum { TRIED = 20, TEXT = 16 };

// Whether the keys lie in `nodes` as they must for a copy to hold together.
static bool sound(const peri_raw_table *t) {
  for (uint32_t i = 0; i <= t->node_mask; i++) {
    uintptr_t offset = (uintptr_t)t->nodes[i].next - (uintptr_t)t->nodes;
    if (t->nodes[i].next != NULL &&
        (offset % sizeof *t->nodes != 0 || offset / sizeof *t->nodes > t->node_mask)) {
      return false;
    }
  }
  return true;
}

// The node that has the string at `index` as its key.
static bool find(lua_State *L, int index, const peri_raw_table *t, uint16_t *node) {
  const void *key = lua_topointer(L, index);
  for (uint32_t i = 0; i <= t->node_mask; i++) {
    if (peri_raw_tag(t->nodes[i].key) == PERI_RAW_STRING &&
        peri_raw_to_string(t->nodes[i].key) == key) {
      *node = (uint16_t)(i * sizeof *t->nodes);
      return true;
    }
  }
  return false;
}

bool peri_raw_form_init(lua_State *L, peri_raw_form *form, uint32_t count, const void *metatable) {
  int first = lua_gettop(L) - (int)count + 1;
  lua_createtable(L, 0, (int)count);
  const peri_raw_table *t = peri_raw_table_at(L, lua_gettop(L));
  uint32_t mask = t->node_mask;
  for (uint32_t i = 0; i < count; i++) {
    lua_pushvalue(L, first + (int)i);
    lua_pushboolean(L, 1);
    lua_rawset(L, -3);
  }
  bool fits = count <= PERI_RAW_KEYS && (count == 0 || (t->node_mask == mask && sound(t)));
  for (uint32_t i = 0; i < count && fits; i++) {
    fits = find(L, first + (int)i, t, &form->nodes[i]);
  }
  form->template = fits ? t : NULL;
  form->metatable = metatable;
  form->count = count;
  lua_insert(L, first);
  lua_settop(L, fits ? first : first - 1);
  return fits;
}

// ---- the check -----------------------------------------------------------------------------------

static void push_key(lua_State *L, int n) {
  char text[TEXT];
  lua_pushlstring(L, text, (size_t)snprintf(text, sizeof text, "peri_key%d", n));
}

// The bytes of marks: what collects, the type, metamethods not there, and the array inside.
static bool same_marks(lua_State *L) {
  const uint64_t type = (uint64_t)(uint8_t)~PERI_RAW_TABLE << 8;
  lua_createtable(L, 0, 1);
  const peri_raw_table *t = peri_raw_table_at(L, lua_gettop(L));
  bool is = (t->marks & 0xFFFFFF00) == (PERI_RAW_NO_METAMETHODS | type);
  push_key(L, 1);
  lua_pushboolean(L, 1);
  lua_rawset(L, -3);
  is = is && (t->marks & 0xFFFFFF00) == type;
  lua_pop(L, 1);
  return is;
}

// Whether the table at `index` has just the keys up to `count`, each with its own number.
static bool holds(lua_State *L, int index, int count) {
  int entries = 0;
  for (lua_pushnil(L); lua_next(L, index) != 0; lua_pop(L, 1)) {
    entries++;
  }
  bool is = entries == count;
  for (int i = 1; i <= count && is; i++) {
    push_key(L, i);
    lua_rawget(L, index);
    is = lua_tonumber(L, -1) == i;
    lua_pop(L, 1);
  }
  return is;
}

// A table of a form has its entries, and takes others as if the API had made it.
static bool makes(lua_State *L) {
  peri_raw_form form;
  for (int i = 1; i <= TRIED; i++) {
    push_key(L, i);
  }
  lua_newtable(L);
  const void *metatable = lua_topointer(L, -1);
  lua_insert(L, 1);
  if (!peri_raw_form_init(L, &form, TRIED, metatable)) {
    return false;
  }
  for (int i = 1; i <= TRIED; i++) {
    lua_pushnumber(L, i);
  }
  peri_raw_make(L, &form);
  int made = lua_gettop(L);
  bool is = made == 3 && holds(L, made, TRIED) && lua_getmetatable(L, made);
  is = is && lua_topointer(L, -1) == metatable;
  lua_settop(L, made);
  for (int i = TRIED + 1; i <= 2 * TRIED && is; i++) {
    push_key(L, i);
    lua_pushnumber(L, i);
    lua_rawset(L, made);
  }
  return is && holds(L, made, 2 * TRIED);
}

// A metamethod of a table that was made so is seen, and a box has its value and metatable.
static bool indexes(lua_State *L) {
  peri_raw_form form;
  lua_settop(L, 0);
  lua_pushliteral(L, "__index");
  if (!peri_raw_form_init(L, &form, 1, NULL)) {
    return false;
  }
  lua_createtable(L, 0, 1);
  lua_pushnumber(L, 2.5);
  lua_setfield(L, -2, "peri_key");
  peri_raw_make(L, &form);
  lua_pushnumber(L, 1.5);
  peri_raw_box(L, lua_topointer(L, -2));
  lua_getfield(L, -1, "peri_key");
  lua_rawgeti(L, -2, 1);
  return lua_gettop(L) == 5 && lua_tonumber(L, -2) == 2.5 && lua_tonumber(L, -1) == 1.5 &&
         lua_objlen(L, 3) == 1;
}

// Scalars that are pushed without the API.
static bool pushes(lua_State *L) {
  lua_settop(L, 0);
  peri_raw_push_number(L, -0.5);
  peri_raw_push_number(L, NAN);
  peri_raw_push_boolean(L, true);
  peri_raw_push_boolean(L, false);
  return lua_gettop(L) == 4 && lua_tonumber(L, 1) == -0.5 && lua_type(L, 2) == LUA_TNUMBER &&
         !lua_equal(L, 2, 2) && lua_type(L, 3) == LUA_TBOOLEAN && lua_toboolean(L, 3) &&
         lua_type(L, 4) == LUA_TBOOLEAN && !lua_toboolean(L, 4);
}

// One entry of each part in a new table for each of many keys: their places must be as expected.
static bool sets(lua_State *L) {
  enum { ROOM = 3 };
  bool is = true;
  for (int i = 1; i <= TRIED && is; i++) {
    lua_settop(L, 0);
    push_key(L, i);
    lua_createtable(L, ROOM, ROOM);
    uint64_t marks = peri_raw_table_at(L, 2)->marks;
    uint64_t white = marks & PERI_RAW_WHITES;
    is = (white == 1 || white == 2) && (marks & PERI_RAW_BLACK) == 0;
    lua_pushvalue(L, 1);
    lua_pushnumber(L, i);
    is = is && peri_raw_set(L) && lua_gettop(L) == 2;
    lua_pushnumber(L, -i);
    is = is && peri_raw_seti(L, ROOM) && lua_gettop(L) == 2;
    lua_settop(L, 2);
    lua_rawgeti(L, 2, ROOM);
    lua_pushvalue(L, 1);
    lua_rawget(L, 2);
    is = is && lua_tonumber(L, 4) == i && lua_tonumber(L, 3) == -i;
  }
  return is;
}

static int check(lua_State *L) {
  luaL_checkstack(L, 4 * TRIED, "raw_make");
  bool makes_same =
      peri_raw_usable() && same_marks(L) && makes(L) && indexes(L) && pushes(L) && sets(L);
  atomic_store_explicit(&peri_raw_makes, makes_same, memory_order_relaxed);
  return 0;
}

void peri_raw_make_check(lua_State *L) {
  lua_pushcfunction(L, check);
  lua_call(L, 0, 0);
}
