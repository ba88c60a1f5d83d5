// SPDX-License-Identifier: MIT
// Tables as LuaJIT keeps them on 64-bit machines (GC64), read without its API: a walk through a
// table by lua_next and friends takes three times as long. Nothing is written but the stack. What is
// assumed here is compared with what the API says whenever a VM is made; where it is otherwise,
// peri_raw_usable() is false and the API is used.
//
// A table that is read stays on the Lua stack. Whatever may run Lua code or the collector may also
// change the table: nothing but the address of the table itself is kept across such calls.
#pragma once
#include <lua.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A value: a double, or a tag in the upper 17 bits above the address of an object.
typedef union peri_raw {
  uint64_t bits;
  double number;
} peri_raw;

typedef struct peri_raw_node {
  peri_raw value;
  peri_raw key;
  void *next;
} peri_raw_node;

typedef struct peri_raw_table {
  void *next;
  uint64_t marks;
  const peri_raw *array;  // [0] is the value of the key 0
  void *gray;
  const void *metatable;
  const peri_raw_node *nodes;
  uint32_t array_size;
  uint32_t node_mask;
} peri_raw_table;

typedef struct peri_raw_string {
  void *next;
  uint64_t marks;
  uint32_t hash;
  uint32_t len;
  char text[];
} peri_raw_string;

enum {
  PERI_RAW_NIL = 0x1FFFF,
  PERI_RAW_FALSE = 0x1FFFE,
  PERI_RAW_TRUE = 0x1FFFD,
  PERI_RAW_STRING = 0x1FFFB,
  PERI_RAW_CDATA = 0x1FFF5,
  PERI_RAW_TABLE = 0x1FFF4,
  PERI_RAW_NUMBER = 0x1FFF1,  // and all below it; builds with integers have another tag for them
};

extern _Atomic bool peri_raw_works;

// Compares the layout with the API. Leaves the stack as it was; may raise a memory error.
void peri_raw_check(lua_State *L);

static inline bool peri_raw_usable(void) {
  return atomic_load_explicit(&peri_raw_works, memory_order_relaxed);
}

static inline uint32_t peri_raw_tag(peri_raw value) {
  return (uint32_t)(value.bits >> 47);
}

static inline bool peri_raw_is_number(peri_raw value) {
  return peri_raw_tag(value) <= PERI_RAW_NUMBER;
}

// Of a value with the tag STRING; it lives as long as the value is somewhere in the VM.
static inline const peri_raw_string *peri_raw_to_string(peri_raw value) {
  return (const peri_raw_string *)(uintptr_t)(value.bits & ((UINT64_C(1) << 47) - 1));
}

// What lua_topointer gives for a value with the tag CDATA: where its bytes are.
static inline const void *peri_raw_to_cdata(peri_raw value) {
  return (const char *)(uintptr_t)(value.bits & ((UINT64_C(1) << 47) - 1)) + 16;
}

// The values that lua_gettop counts, the one at index 1 first. Good until the stack may grow.
static inline const peri_raw *peri_raw_values(lua_State *L, size_t *count) {
  const peri_raw *base = *(peri_raw **)((char *)L + 4 * sizeof(void *));
  const peri_raw *top = *(peri_raw **)((char *)L + 5 * sizeof(void *));
  *count = (size_t)(top - base);
  return base;
}

// lua_gettop, where peri_raw_usable.
static inline size_t peri_raw_count(lua_State *L) {
  size_t count;
  (void)peri_raw_values(L, &count);
  return count;
}

// The table at `index`, from 1 on.
static inline const peri_raw_table *peri_raw_table_at(lua_State *L, int index) {
  const peri_raw *base = *(peri_raw **)((char *)L + 4 * sizeof(void *));
  return (const peri_raw_table *)(uintptr_t)(base[index - 1].bits & ((UINT64_C(1) << 47) - 1));
}

// Pushes a value. Room that lua_checkstack made is no promise: the collector shrinks stacks that are
// larger than they need to be. So the end is looked at, and the API makes room there.
static inline void peri_raw_push(lua_State *L, peri_raw value) {
  peri_raw **top = (peri_raw **)((char *)L + 5 * sizeof(void *));
  const peri_raw *end = top[1];
  if (__builtin_expect(*top + 1 < end, 1)) {
    *(*top)++ = value;
  } else {
    lua_pushnil(L);
    (*top)[-1] = value;
  }
}

// Pushes what luaL_ref keeps in the registry.
static inline void peri_raw_push_ref(lua_State *L, const peri_raw_table *registry, int ref) {
  if (__builtin_expect((uint32_t)ref < registry->array_size, 1)) {
    peri_raw_push(L, registry->array[ref]);
  } else {
    lua_rawgeti(L, LUA_REGISTRYINDEX, ref);
  }
}

// Pops all that lua_gettop counts.
static inline void peri_raw_clear(lua_State *L) {
  peri_raw **top = (peri_raw **)((char *)L + 5 * sizeof(void *));
  *top = top[-1];
}

// Makes the value at `index`, from 1 on, a number that is not NaN.
static inline void peri_raw_set_number(lua_State *L, int index, double number) {
  (*(peri_raw **)((char *)L + 4 * sizeof(void *)))[index - 1].number = number;
}

// Pops `count` values.
static inline void peri_raw_pop(lua_State *L, int count) {
  *(peri_raw **)((char *)L + 5 * sizeof(void *)) -= count;
}

// The entry at `at` (from 0 on) or the next one behind it; moves `at` behind that. False at the
// end.
static inline bool peri_raw_next(const peri_raw_table *t, uint32_t *at, peri_raw *key,
                                 peri_raw *value) {
  uint32_t i = *at;
  for (; i < t->array_size; i++) {
    *value = t->array[i];
    if (peri_raw_tag(*value) != PERI_RAW_NIL) {
      key->number = i;
      *at = i + 1;
      return true;
    }
  }
  for (; i - t->array_size <= t->node_mask; i++) {
    const peri_raw_node *node = &t->nodes[i - t->array_size];
    *value = node->value;
    if (peri_raw_tag(*value) != PERI_RAW_NIL) {
      *key = node->key;
      *at = i + 1;
      return true;
    }
  }
  return false;
}
