// SPDX-License-Identifier: MIT
// What the parts of the walker share. Every function returns 0 or a negative code whose reason, with
// the path, is in the walker's err.
#pragma once
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

typedef struct walker {
  lua_State *L;
  const peri_sink_ops *ops;
  const peri_sink_graph *graph;
  void *sink;
  peri_err *err;
  uint32_t depth;
  uint32_t max_depth;
  uint32_t elements;  // budget left
  bool args;          // the outermost list is a call's arguments
  int room;           // stack index up to which fields may lie; 0 = not asked for
  bool named;         // `err` already names the path
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
int peri_walk_key(walker *w, int index, const place *p);
// The entries of the table at `index`. `more`: the first key and its value are on the stack, as
// lua_next left them. `named`: the sink knows the keys.
int peri_walk_map(walker *w, int index, bool more, bool named, const place *parent);

// ---- value_walk_java.c: tables that are marked
// An object's fields are named before its values follow in the same order.
int peri_walk_object(walker *w, int index, const place *parent);
// A map whose order counts, as a list of pairs.
int peri_walk_entries(walker *w, int index, const place *parent);
// A scalar with its type on the wire.
int peri_walk_box(walker *w, int index, peri_cast cast, const place *p);
