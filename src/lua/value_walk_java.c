// SPDX-License-Identifier: MIT
// The walker's part for formats of typed objects: objects, maps in order, boxes.
#include "lua/value_walk.h"

enum { SLOTS_FOR_FIELDS = 160 };  // of the Lua stack, for keys and values of objects

static int grow_for_fields(lua_State *L) {
  lua_State *target = lua_touserdata(L, 1);
  lua_checkstack(target, SLOTS_FOR_FIELDS);
  return 0;
}

static int name_field(walker *w, int at, const place *p) {
  size_t len;
  if (lua_type(w->L, at) != LUA_TSTRING) {
    return peri_walk_fail(w, PERI_EBAD_REQUEST, p,
                          "the fields of an object are named by strings; use perilune.java.map");
  }
  const char *name = lua_tolstring(w->L, at, &len);
  int rc = w->graph->field(w->sink, name, len);
  return rc != 0 ? peri_walk_sink_failed(w, rc, p) : 0;
}

int peri_walk_fields(walker *w, int base, int count, const place *parent) {
  place p = {parent, 0, 0};
  int rc = 0;
  for (int i = 0; i < count && rc == 0; i++) {
    p.key = base + 1 + 2 * i;
    rc = peri_walk_count(w, &p);
    rc = rc != 0 ? rc : peri_walk_any(w, p.key + 1, lua_type(w->L, p.key + 1), &p);
  }
  if (rc != 0) {
    return rc;
  }
  lua_settop(w->L, base);
  rc = w->ops->map_end(w->sink);
  return rc != 0 ? peri_walk_sink_failed(w, rc, parent) : 0;
}

bool peri_walk_room(walker *w, int top) {
  if (w->room == 0) {
    int at = lua_gettop(w->L);
    bool grown = lua_cpcall(w->L, grow_for_fields, w->L) == 0;
    lua_settop(w->L, at);
    w->room = grown ? at + SLOTS_FOR_FIELDS : at;
  }
  return top + SLOTS_PER_LEVEL * LEVELS_PER_GROWTH + SLOTS_FOR_WORK < w->room;
}

// An object's fields are named before its values follow in the same order. As long as there is
// room, the values wait on the stack, so that the table is gone through once.
int peri_walk_object(walker *w, int index, const place *parent) {
  lua_State *L = w->L;
  int base = lua_gettop(L);
  int count = 0;
  bool kept = true;
  lua_pushnil(L);
  while (lua_next(L, index)) {
    int at = lua_gettop(L) - 1;
    place p = {parent, at, 0};
    int rc = name_field(w, at, &p);
    if (rc != 0) {
      return rc;
    }
    count++;
    kept = kept && peri_walk_room(w, at);
    if (kept) {
      lua_pushvalue(L, at);
    } else {
      lua_settop(L, at);
    }
  }
  if (kept) {
    if (w->graph->object != NULL) {
      peri_walk_learn(w, index, base, count);
    }
    int rc = w->ops->map_begin(w->sink, (size_t)count);
    return rc != 0 ? peri_walk_sink_failed(w, rc, parent)
                   : peri_walk_fields(w, base, count, parent);
  }
  lua_settop(L, base);
  lua_pushnil(L);
  return peri_walk_map(w, index, lua_next(L, index), true, parent);
}

// A map whose order counts, as a list of pairs.
int peri_walk_entries(walker *w, int index, const place *parent) {
  lua_State *L = w->L;
  int base = lua_gettop(L);
  size_t count = lua_objlen(L, index);
  place p = {parent, 0, 0};
  int rc = w->ops->map_begin(w->sink, count);
  for (size_t i = 1; i <= count && rc == 0; i++) {
    p.index = (int)i;
    lua_rawgeti(L, index, p.index);
    if (!lua_istable(L, -1)) {
      return peri_walk_fail(w, PERI_EBAD_REQUEST, &p, "an entry must be a pair { key, value }");
    }
    lua_rawgeti(L, -1, 1);
    lua_rawgeti(L, -2, 2);
    rc = peri_walk_count(w, &p);
    rc = rc != 0 ? rc : peri_walk_key(w, base + 2, &p);
    rc = rc != 0 ? rc : peri_walk_any(w, base + 3, lua_type(L, base + 3), &p);
    if (rc != 0) {
      return rc;
    }
    lua_settop(L, base);
  }
  rc = rc != 0 ? rc : w->ops->map_end(w->sink);
  return rc != 0 ? peri_walk_sink_failed(w, rc, parent) : 0;
}

int peri_walk_box(walker *w, int index, peri_cast cast, const place *p) {
  int rc = w->graph->cast != NULL ? w->graph->cast(w->sink, cast) : 0;
  if (rc != 0) {
    return peri_walk_sink_failed(w, rc, p);
  }
  lua_rawgeti(w->L, index, 1);
  int item = lua_gettop(w->L);
  rc = lua_istable(w->L, item) ? peri_walk_refuse(w, p, "a table in a box")
                               : peri_walk_any(w, item, lua_type(w->L, item), p);
  lua_settop(w->L, item - 1);
  return rc;
}
