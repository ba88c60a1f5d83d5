// SPDX-License-Identifier: MIT
// Classes whose objects were walked before: which metatable is theirs, and which keys come in which
// order. Keys are told by the address of the string, which is kept from being collected.
#include <lauxlib.h>

#include "lua/value_walk.h"

enum { ROWS = 64, BOXES = 128, MISSES = 2 };

struct peri_walk_shapes {
  peri_walk_row *rows[ROWS];     // userdata, each behind a reference
  const void *candidates[ROWS];  // metatables that were met once
  struct {
    const void *meta;
    peri_cast cast;
  } boxes[BOXES];
};

typedef struct lesson {
  peri_walk_row **row;
  const void *meta;
  int kind;
  peri_bytes name;
  uint32_t count;
  peri_bytes fields[PERI_SHAPE_FIELDS];
} lesson;

static char shapes_key;

static bool is_of(const peri_walk_row *row, const void *meta) {
  return row != NULL && row->meta == meta;
}

// Two classes that belong in one place must not drive each other out: the second one takes the next.
static size_t place_of(const peri_walk_shapes *shapes, const void *meta) {
  size_t at = (size_t)(((uintptr_t)meta * 0x9E3779B97F4A7C15u) >> 32) % ROWS;
  const peri_walk_row *row = shapes->rows[at];
  if (row == NULL || row->meta == NULL || row->meta == meta) {
    return at;
  }
  size_t next = (at + 1) % ROWS;
  row = shapes->rows[next];
  return row == NULL || row->meta == NULL || row->meta == meta ? next : at;
}

static size_t box_place_of(const void *meta) {
  return (size_t)(((uintptr_t)meta * 0x9E3779B97F4A7C15u) >> 40) % BOXES;
}

static int make(lua_State *L) {
  lua_pushlightuserdata(L, &shapes_key);
  peri_walk_shapes *shapes = lua_newuserdata(L, sizeof *shapes);
  memset(shapes, 0, sizeof *shapes);
  peri_value_push(L, &peri_value_casts_key);  // which keeps the metatables
  for (int cast = 1; cast < PERI_CASTS; cast++) {
    lua_rawgeti(L, -1, cast);
    const void *meta = lua_topointer(L, -1);
    size_t at = box_place_of(meta);
    shapes->boxes[at].meta = meta;
    shapes->boxes[at].cast = (peri_cast)cast;
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  lua_rawset(L, LUA_REGISTRYINDEX);
  return 0;
}

static peri_walk_shapes *of_vm(walker *w) {
  lua_State *L = w->L;
  if (w->shapes == NULL) {
    peri_value_push(L, &shapes_key);
    w->shapes = lua_touserdata(L, -1);
    lua_pop(L, 1);
  }
  if (w->shapes == NULL && lua_cpcall(L, make, NULL) != 0) {
    lua_pop(L, 1);
  }
  return w->shapes;
}

peri_walk_row *peri_walk_find(walker *w, const void *meta) {
  const peri_walk_shapes *shapes = of_vm(w);
  peri_walk_row *row = shapes != NULL ? shapes->rows[place_of(shapes, meta)] : NULL;
  return is_of(row, meta) ? row : NULL;
}

peri_cast peri_walk_boxed(walker *w, const void *meta) {
  const peri_walk_shapes *shapes = of_vm(w);
  size_t at = box_place_of(meta);
  return shapes != NULL && shapes->boxes[at].meta == meta ? shapes->boxes[at].cast : PERI_CAST_NONE;
}

static peri_walk_row *new_row(lua_State *L) {
  peri_walk_row *row = lua_newuserdata(L, sizeof *row);
  memset(row, 0, sizeof *row);
  luaL_ref(L, LUA_REGISTRYINDEX);  // for good, as the row is
  return row;
}

static void clear(lua_State *L, peri_walk_row *row) {
  row->meta = NULL;
  row->shape.id = 0;
  for (uint32_t i = 0; i < row->kept; i++) {
    luaL_unref(L, LUA_REGISTRYINDEX, row->refs[i]);
  }
  row->kept = 0;
}

static void keep(lua_State *L, peri_walk_row *row) {
  int ref = luaL_ref(L, LUA_REGISTRYINDEX);
  row->refs[row->kept++] = ref;
}

// Pushes the string anew: it is the same one as long as somebody holds it.
static peri_bytes keep_name(lua_State *L, peri_walk_row *row, peri_bytes name, const void **key) {
  lua_pushlstring(L, (const char *)name.ptr, name.len);
  *key = lua_topointer(L, -1);
  name.ptr = (const uint8_t *)lua_tolstring(L, -1, &name.len);
  keep(L, row);
  return name;
}

// Protected. A memory error leaves a row of no metatable.
static int learn(lua_State *L) {
  const lesson *l = lua_touserdata(L, 1);
  if (*l->row == NULL) {
    *l->row = new_row(L);
  }
  peri_walk_row *row = *l->row;
  clear(L, row);
  peri_value_push_class(L, (const char *)l->name.ptr, l->name.len, l->kind);
  if (lua_topointer(L, -1) != l->meta) {
    return 0;  // a metatable that only looks like ours
  }
  keep(L, row);
  const void *unused;
  row->shape.name = keep_name(L, row, l->name, &unused);
  for (uint32_t i = 0; i < l->count; i++) {
    row->fields[i] = keep_name(L, row, l->fields[i], &row->keys[i]);
  }
  row->shape.count = l->count;
  row->shape.fields = row->fields;
  row->shape.id = peri_shape_id();
  row->misses = 0;
  row->meta = l->meta;
  return 0;
}

// A class that is met again takes the place of another one, the first comer a free place.
static bool worth(peri_walk_shapes *shapes, size_t at, const void *meta) {
  const peri_walk_row *row = shapes->rows[at];
  if (row == NULL || row->meta == NULL) {
    return true;
  }
  if (row->meta == meta) {
    return row->misses >= MISSES;
  }
  bool again = shapes->candidates[at] == meta;
  shapes->candidates[at] = again ? NULL : meta;
  return again;
}

// The class of the metatable on top.
static bool class_name(lua_State *L, peri_bytes *name) {
  lua_pushlightuserdata(L, &peri_value_class_mark);
  lua_rawget(L, -2);
  bool is = lua_type(L, -1) == LUA_TSTRING;
  if (is) {
    name->ptr = (const uint8_t *)lua_tolstring(L, -1, &name->len);
  }
  lua_pop(L, 1);
  return is && name->len != 0;
}

void peri_walk_learn(walker *w, int index, int base, int count) {
  lua_State *L = w->L;
  peri_walk_shapes *shapes = of_vm(w);
  if (shapes == NULL || count > PERI_SHAPE_FIELDS || !lua_getmetatable(L, index)) {
    return;
  }
  lesson l = {.meta = lua_topointer(L, -1), .kind = PERI_KIND_OBJECT, .count = (uint32_t)count};
  size_t at = place_of(shapes, l.meta);
  if (worth(shapes, at, l.meta) && class_name(L, &l.name)) {
    for (int i = 0; i < count; i++) {
      peri_bytes *field = &l.fields[i];
      field->ptr = (const uint8_t *)lua_tolstring(L, base + 1 + 2 * i, &field->len);
    }
    peri_walk_row *first = shapes->rows[at];
    bool known = is_of(first, l.meta);
    l.row = known ? &first->other : &shapes->rows[at];
    if (lua_cpcall(L, learn, &l) != 0) {
      lua_pop(L, 1);
    }
    if (known) {
      first->misses = 0;
    }
  }
  lua_pop(L, 1);
}

// Puts the entries on the stack, key and value; whether they are those of the row.
static bool entries(const walker *w, int index, const peri_walk_row *row) {
  lua_State *L = w->L;
  uint32_t count = 0;
  int at = lua_gettop(L) + 1;
  lua_pushnil(L);
  while (lua_next(L, index)) {
    if (count == row->shape.count || lua_topointer(L, at) != row->keys[count]) {
      return false;
    }
    count++;
    lua_pushvalue(L, at);
    at += 2;
  }
  return count == row->shape.count;
}

// Without raw tables the entries are on the stack when it is so.
static bool is_like(walker *w, int index, const peri_walk_row *row) {
  if (peri_raw_usable()) {
    return peri_walk_raw_same(peri_raw_table_at(w->L, index), row->keys, row->shape.count);
  }
  int base = lua_gettop(w->L);
  if (!peri_walk_room(w, base + 2 * (int)row->shape.count)) {
    return false;
  }
  bool is = entries(w, index, row);
  if (!is) {
    lua_settop(w->L, base);
  }
  return is;
}

static const peri_walk_row *row_like(walker *w, int index, const peri_walk_row *row) {
  if (is_like(w, index, row)) {
    return row;
  }
  const peri_walk_row *other = row->other;
  return is_of(other, row->meta) && is_like(w, index, other) ? other : NULL;
}

int peri_walk_shaped(walker *w, int index, peri_walk_row *first, const place *parent) {
  int base = lua_gettop(w->L);
  const peri_walk_row *row = row_like(w, index, first);
  if (row == NULL) {
    first->misses++;
    return PERI_WALK_OTHERWISE;
  }
  first->misses = 0;
  int rc = w->graph->object(w->sink, &row->shape);
  if (rc <= 0) {
    lua_settop(w->L, base);
    return rc < 0 ? peri_walk_sink_failed(w, rc, parent) : PERI_WALK_OTHERWISE;
  }
  return peri_raw_usable() ? peri_walk_raw_entries(w, index, true, parent)
                           : peri_walk_fields(w, base, (int)row->shape.count, parent);
}
