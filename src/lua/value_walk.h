// SPDX-License-Identifier: MIT
// What the parts of the walker share. Every function returns 0 or a negative code whose reason, with
// the path, is in the walker's err.
#pragma once
#include <math.h>

#include "lua/raw.h"
#include "lua/value_parts.h"

enum {
  SLOTS_PER_LEVEL = 4,  // the items, or a key and its value
  SLOTS_FOR_WORK = 8,
  LEVELS_PER_GROWTH = 3,  // for the first ones, LUA_MINSTACK is enough
};

// An open table. Its current key is in `index`, or on the Lua stack at `key` when that is not 0.
typedef struct place {
  const struct place *parent;
  int key;
  int index;
} place;

// A class as its objects were walked last.
typedef struct peri_walk_row {
  const void *meta;  // the metatable; NULL = nothing is known
  uint32_t misses;   // objects in a row with other fields, or in an order that is not known
  // The same with other fields, or in another order: tables made in two ways take turns. Its own misses
  // are not counted. NULL, or of another class: there is none.
  struct peri_walk_row *other;
  uint32_t kept;
  peri_shape shape;
  const void *keys[PERI_SHAPE_FIELDS];
  peri_bytes fields[PERI_SHAPE_FIELDS];
  int refs[PERI_SHAPE_FIELDS + 2];  // of what is kept from being collected
} peri_walk_row;

typedef struct peri_walk_shapes peri_walk_shapes;

typedef struct walker {
  lua_State *L;
  const peri_sink_ops *ops;
  const peri_sink_graph *graph;
  void *sink;
  peri_err *err;
  uint32_t depth;
  uint32_t max_depth;
  uint32_t elements;         // budget left
  bool args;                 // the outermost list is a call's arguments
  int room;                  // stack index up to which fields may lie; 0 = not asked for
  bool named;                // `err` already names the path
  peri_walk_shapes *shapes;  // of the VM; NULL until one is asked for
} walker;

int peri_walk_fail(walker *w, int code, const place *p, const char *reason);
// Puts the path in front of the reason that the sink gave.
int peri_walk_sink_failed(walker *w, int code, const place *p);
// A value of a type that no format has.
int peri_walk_refuse(walker *w, const place *p, const char *type);
// Takes one from the budget of elements.
int peri_walk_count(walker *w, const place *p);

// The value at `index` (absolute), whose lua_type is `type`.
int peri_walk_any(walker *w, int index, int type, const place *parent);
int peri_walk_table(walker *w, int index, const place *parent);
int peri_walk_key(walker *w, int index, const place *p);
// The entries of the table at `index`. `more`: the first key and its value are on the stack, as
// lua_next left them. `named`: the sink knows the keys.
int peri_walk_map(walker *w, int index, bool more, bool named, const place *parent);

static inline int peri_walk_number(walker *w, double value) {
  const double safe = 9007199254740992.0;
  if (value >= -safe && value <= safe && (double)(int64_t)value == value &&
      (value != 0 || !signbit(value))) {
    return w->ops->integer(w->sink, (int64_t)value);
  }
  return w->ops->number(w->sink, value);
}

// ---- value_walk_raw.c: tables as they lie in memory, where that is known
enum { PERI_WALK_OTHERWISE = 1 };
// A table that is a list or a map by its keys; OTHERWISE when only the API can tell, and nothing
// was done.
int peri_walk_raw(walker *w, int index, const place *parent);
// Whether the table has these keys, in this order, and no others.
bool peri_walk_raw_same(const peri_raw_table *t, const void *const *keys, uint32_t count);
// The entries of a map, or the fields of an object whose names the sink knows; then the map ends.
int peri_walk_raw_entries(walker *w, int index, bool named, const place *parent);

// ---- value_walk_java.c: tables that are marked
// An object's fields are named before its values follow in the same order.
int peri_walk_object(walker *w, int index, const place *parent);
// The values of an object whose `count` fields lie on the stack from `base` on, with their keys; the
// sink has begun it. Pops them.
int peri_walk_fields(walker *w, int base, int count, const place *parent);
// Whether fields may lie on the stack up to `top`, with room for what is in them.
bool peri_walk_room(walker *w, int top);
// A map whose order counts, as a list of pairs.
int peri_walk_entries(walker *w, int index, const place *parent);
// A scalar with its type on the wire.
int peri_walk_box(walker *w, int index, peri_cast cast, const place *p);

// ---- value_walk_shape.c: classes that were walked before
// What is known of the class with this metatable, or NULL. Good until the next one is learned.
peri_walk_row *peri_walk_find(walker *w, const void *meta);
// What the box with this metatable holds; NONE when it is no box, or must be looked at.
peri_cast peri_walk_boxed(walker *w, const void *meta);
// An object of that class; OTHERWISE when it must be walked in the usual way, and nothing was done.
int peri_walk_shaped(walker *w, int index, peri_walk_row *first, const place *parent);
// Remembers the object at `index`, whose fields lie on the stack from `base` on, if it is worth it.
void peri_walk_learn(walker *w, int index, int base, int count);
