// SPDX-License-Identifier: MIT
// Tables filled as LuaJIT keeps them (lua/raw.h): the API makes an empty table of the right size,
// and its nodes are then written at once, where a template that the API filled has them.
//
// Why the collector does not mind: a table that was just created is white, and between its creation
// and the last write nothing is allocated, so that no step of the collector sees it half filled or
// makes it black; a white table needs no barrier for what is stored in it. Its values lie on the
// stack until then, its keys in the template.
//
// Values that come one by one are put into their table by peri_raw_set and peri_raw_seti. The
// collector may have come by in between, so they look: what it is done with (black) is for the API,
// and so is a key whose first place in the table is taken.
//
// What is assumed beyond raw.h is tried when a VM is made (peri_raw_make_check); where it fails,
// peri_raw_makes_usable() is false and the API must do it all.
#pragma once
#include "lua/raw.h"

enum { PERI_RAW_KEYS = 64 };

// In peri_raw_table.marks: metamethods that the table is known not to have; all while it is empty.
#define PERI_RAW_NO_METAMETHODS UINT64_C(0xFF0000)
// The collector is done with the table; white, one of two, is what it has not reached.
#define PERI_RAW_BLACK UINT64_C(4)
#define PERI_RAW_WHITES UINT64_C(3)

// How tables with certain keys are made. The caller keeps the template and the metatable where the
// collector finds them, and the template as it is.
typedef struct peri_raw_form {
  const peri_raw_table *template;  // NULL = there is none
  const void *metatable;           // or NULL
  uint32_t count;                  // of values
  uint16_t
      nodes[PERI_RAW_KEYS];  // of the value n, in bytes; of two in one place the later one wins
} peri_raw_form;

extern _Atomic bool peri_raw_makes;

// Compares what is made here with what the API makes. After peri_raw_check; leaves the stack as it
// was; may raise a memory error.
void peri_raw_make_check(lua_State *L);

// Makes the form of tables with the `count` strings on top as keys and `metatable` (NULL: none), and
// puts the template in their place. Needs room for three; may raise a memory error. False, with
// nothing in their place, when tables cannot be made so.
bool peri_raw_form_init(lua_State *L, peri_raw_form *form, uint32_t count, const void *metatable);

static inline bool peri_raw_makes_usable(void) {
  return atomic_load_explicit(&peri_raw_makes, memory_order_relaxed);
}

static inline peri_raw *peri_raw_top(lua_State *L) {
  return *(peri_raw **)((char *)L + 5 * sizeof(void *));
}

static inline peri_raw_table *peri_raw_to_table(peri_raw value) {
  return (peri_raw_table *)(uintptr_t)(value.bits & ((UINT64_C(1) << 47) - 1));
}

// Puts a table in the place of the values on top, which are as many as the form has. Needs room for
// one; may raise a memory error.
static inline void peri_raw_make(lua_State *L, const peri_raw_form *form) {
  lua_createtable(L, 0, (int)form->count);
  peri_raw *top = peri_raw_top(L);
  peri_raw *values = top - 1 - form->count;
  peri_raw_table *t = peri_raw_to_table(top[-1]);
  uintptr_t from = (uintptr_t)form->template->nodes;
  uintptr_t moved = (uintptr_t)t->nodes - from;
  for (uint32_t i = 0; i < form->count; i++) {
    const peri_raw_node *key = (const peri_raw_node *)(from + form->nodes[i]);
    peri_raw_node *node = (peri_raw_node *)((uintptr_t)key + moved);
    node->value = values[i];
    node->key = key->key;
    node->next = key->next != NULL ? (void *)((uintptr_t)key->next + moved) : NULL;
  }
  t->marks &= ~PERI_RAW_NO_METAMETHODS;
  t->metatable = form->metatable;
  *values = top[-1];
  lua_settop(L, -(int)form->count - 1);
}

// Puts the value on top into a table {value} with this metatable. Needs room for one; may raise a
// memory error.
static inline void peri_raw_box(lua_State *L, const void *metatable) {
  lua_createtable(L, 1, 0);
  peri_raw *top = peri_raw_top(L);
  peri_raw_table *t = peri_raw_to_table(top[-1]);
  ((peri_raw *)(uintptr_t)t->array)[1] = top[-2];
  t->metatable = metatable;
  top[-2] = top[-1];
  lua_settop(L, -2);
}

static inline void peri_raw_push_number(lua_State *L, double number) {
  peri_raw value = {.number = number};
  if (number != number) {
    value.bits = UINT64_C(0xFFF8000000000000);  // other bits of NaN would be tags
  }
  peri_raw_push(L, value);
}

static inline void peri_raw_push_boolean(lua_State *L, bool is) {
  uint64_t tag = is ? PERI_RAW_TRUE : PERI_RAW_FALSE;
  peri_raw_push(L, (peri_raw){.bits = tag << 47 | ((UINT64_C(1) << 47) - 1)});
}

// Does lua_rawset(L, -3) when the key is a string and its first place is free, the value not nil.
// False: nothing was done.
static inline bool peri_raw_set(lua_State *L) {
  const peri_raw *at = peri_raw_top(L) - 3;  // table, key, value
  peri_raw_table *t = peri_raw_to_table(at[0]);
  if (peri_raw_tag(at[1]) != PERI_RAW_STRING || peri_raw_tag(at[2]) == PERI_RAW_NIL ||
      (t->marks & PERI_RAW_BLACK) != 0 || t->node_mask == 0) {  // nodes without a mask are shared
    return false;
  }
  uint32_t first = (uint32_t)(peri_raw_to_string(at[1])->marks >> 32) & t->node_mask;
  peri_raw_node *node = (peri_raw_node *)(uintptr_t)&t->nodes[first];
  if (peri_raw_tag(node->key) != PERI_RAW_NIL || peri_raw_tag(node->value) != PERI_RAW_NIL) {
    return false;
  }
  node->key = at[1];
  node->value = at[2];
  t->marks &= ~PERI_RAW_NO_METAMETHODS;
  peri_raw_pop(L, 2);
  return true;
}

// Does lua_rawseti(L, -2, n) when the array part of the table has that place. False: nothing was
// done.
static inline bool peri_raw_seti(lua_State *L, uint32_t n) {
  const peri_raw *at = peri_raw_top(L) - 2;  // table, value
  const peri_raw_table *t = peri_raw_to_table(at[0]);
  if (n >= t->array_size || (t->marks & PERI_RAW_BLACK) != 0) {
    return false;
  }
  ((peri_raw *)(uintptr_t)t->array)[n] = at[1];
  peri_raw_pop(L, 1);
  return true;
}
