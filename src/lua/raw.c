// SPDX-License-Identifier: MIT
#include "lua/raw.h"

#include <lauxlib.h>
#include <string.h>

_Atomic bool peri_raw_works;

enum { ITEMS = 4 };

// The sizes and pointers first: what they say decides whether they are followed.
static bool same_table(const peri_raw_table *t, const void *meta) {
  const char *end = (const char *)(t + 1) + sizeof(void *);
  return t->array_size == ITEMS + 1 && t->node_mask == 1 && t->metatable == meta &&
         (const char *)t->array == end && ((uintptr_t)t->nodes & 7) == 0 && t->nodes != NULL;
}

static bool same_string(lua_State *L, int index, peri_raw value) {
  size_t len;
  const char *text = lua_tolstring(L, index, &len);
  const peri_raw_string *s = lua_topointer(L, index);
  return peri_raw_tag(value) == PERI_RAW_STRING && peri_raw_to_string(value) == s &&
         s->text == text && s->len == len;
}

// At 1 the table {metatable, "peri_raw", true, false, ["key"] = 1.5}, then its metatable,
// "peri_raw", "key".
static bool same(lua_State *L) {
  const peri_raw_table *t = lua_topointer(L, 1);
  if (!same_table(t, lua_topointer(L, 2))) {
    return false;
  }
  const peri_raw_node *node = &t->nodes[peri_raw_tag(t->nodes[0].value) == PERI_RAW_NIL ? 1 : 0];
  return peri_raw_tag(t->array[0]) == PERI_RAW_NIL && peri_raw_tag(t->array[1]) == PERI_RAW_TABLE &&
         same_string(L, 3, t->array[2]) && peri_raw_tag(t->array[3]) == PERI_RAW_TRUE &&
         peri_raw_tag(t->array[4]) == PERI_RAW_FALSE && node->value.number == 1.5 &&
         same_string(L, 4, node->key);
}

// Where a pushed value comes to lie.
static bool same_stack(lua_State *L) {
  int base = lua_gettop(L);
  peri_raw *const *top = (peri_raw *const *)((char *)L + 5 * sizeof(void *));
  const peri_raw *before = *top;
  lua_pushnumber(L, 2.5);
  size_t count;
  const peri_raw *values = peri_raw_values(L, &count);
  bool is = *top == before + 1 && before->number == 2.5 && values == before - base &&
            count == (size_t)base + 1 && peri_raw_table_at(L, 1) == lua_topointer(L, 1);
  lua_settop(L, base);
  return is;
}

static ptrdiff_t room(lua_State *L) {
  peri_raw *const *top = (peri_raw *const *)((char *)L + 5 * sizeof(void *));
  return top[1] - top[0];
}

// Where the stack ends: behind what there was room for, and further away when room was made.
static bool same_end(lua_State *L) {
  enum { SMALL = 4000, FAR = 1 << 20 };  // the API makes room for 8000 at most
  ptrdiff_t before = room(L);
  if (before > 0 && before < SMALL && lua_checkstack(L, (int)before + ITEMS)) {
    return room(L) >= before + ITEMS && room(L) < FAR;
  }
  return before >= SMALL && before < FAR;
}

// Where the bytes of a C value lie.
static bool same_cdata(lua_State *L) {
  size_t count;
  lua_getglobal(L, "require");
  lua_pushliteral(L, "ffi");
  lua_call(L, 1, 1);
  lua_getfield(L, -1, "new");
  lua_pushliteral(L, "void *");
  lua_call(L, 1, 1);
  const peri_raw *values = peri_raw_values(L, &count);
  peri_raw value = values[count - 1];
  bool is =
      peri_raw_tag(value) == PERI_RAW_CDATA && peri_raw_to_cdata(value) == lua_topointer(L, -1);
  lua_pop(L, 2);
  return is;
}

// Where the registry keeps what was referred to, and that clearing the stack leaves nothing.
static bool same_registry(lua_State *L) {
  int base = lua_gettop(L);
  lua_State *co = lua_newthread(L);
  lua_pushvalue(L, 1);
  int ref = luaL_ref(L, LUA_REGISTRYINDEX);
  peri_raw_push_ref(co, lua_topointer(L, LUA_REGISTRYINDEX), ref);
  bool is = lua_gettop(co) == 1 && lua_topointer(co, 1) == lua_topointer(L, 1);
  peri_raw_clear(co);
  is = is && lua_gettop(co) == 0;
  luaL_unref(L, LUA_REGISTRYINDEX, ref);
  lua_settop(L, base);
  return is;
}

static int check(lua_State *L) {
  lua_createtable(L, ITEMS, 1);
  lua_newtable(L);
  lua_pushvalue(L, -1);
  lua_setmetatable(L, 1);
  lua_pushliteral(L, "peri_raw");
  lua_pushliteral(L, "key");
  lua_pushvalue(L, 2);
  lua_rawseti(L, 1, 1);
  lua_pushvalue(L, 3);
  lua_rawseti(L, 1, 2);
  lua_pushboolean(L, 1);
  lua_rawseti(L, 1, 3);
  lua_pushboolean(L, 0);
  lua_rawseti(L, 1, 4);
  lua_pushvalue(L, 4);
  lua_pushnumber(L, 1.5);
  lua_rawset(L, 1);
  bool works = same(L) && same_stack(L) && same_end(L) && same_registry(L) && same_cdata(L);
  atomic_store_explicit(&peri_raw_works, works, memory_order_relaxed);
  return 0;
}

void peri_raw_check(lua_State *L) {
#if UINTPTR_MAX == UINT64_MAX && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  lua_pushcfunction(L, check);
  lua_call(L, 0, 0);
#else
  (void)L;
#endif
}
