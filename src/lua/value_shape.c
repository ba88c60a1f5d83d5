// SPDX-License-Identifier: MIT
// What a VM keeps of shapes: the metatable of the class and the names of the fields as Lua strings,
// each behind a reference, so that an object is built without looking at a name.
#include <lauxlib.h>

#include "lua/value_parts.h"

enum {
  ROWS = 64,
  SLOTS = 12,
};

struct peri_shapes {
  uint64_t decode;        // counts those that used shapes
  int casts[PERI_CASTS];  // references of the metatables of boxes
  const void *boxes[PERI_CASTS];
  peri_raw_texts texts;
  peri_shape_row rows[ROWS];
};

static char shapes_key;

static bool of_vm(peri_builder *b) {
  lua_State *L = b->L;
  if (!lua_checkstack(L, SLOTS)) {
    return false;
  }
  peri_value_push(L, &shapes_key);
  peri_shapes *shapes = lua_touserdata(L, -1);
  lua_pop(L, 1);
  if (shapes == NULL) {
    lua_pushlightuserdata(L, &shapes_key);
    shapes = lua_newuserdata(L, sizeof *shapes);
    memset(shapes, 0, sizeof *shapes);
    peri_value_push(L, &peri_value_casts_key);
    for (int cast = 1; cast < PERI_CASTS; cast++) {
      lua_rawgeti(L, -1, cast);
      shapes->boxes[cast] = lua_topointer(L, -1);
      shapes->casts[cast] = luaL_ref(L, LUA_REGISTRYINDEX);
    }
    lua_pop(L, 1);
    peri_raw_texts_init(L, &shapes->texts);
    lua_rawset(L, LUA_REGISTRYINDEX);
  }
  shapes->decode++;
  b->shapes = shapes;
  b->texts = peri_raw_makes_usable() ? &shapes->texts : NULL;
  return true;
}

static void clear(lua_State *L, peri_shape_row *row) {
  row->id = 0;
  if (row->class != 0) {  // of a row that was filled before
    luaL_unref(L, LUA_REGISTRYINDEX, row->class);
  }
  for (uint32_t i = 0; i < row->count; i++) {
    luaL_unref(L, LUA_REGISTRYINDEX, row->keys[i]);
  }
  if (row->template != 0) {
    luaL_unref(L, LUA_REGISTRYINDEX, row->template);
  }
  row->class = 0;
  row->template = 0;
  row->form.template = NULL;
  row->count = 0;
}

// May leave by a memory error: what was kept until then is let go when the row is filled again.
static void fill(lua_State *L, peri_shape_row *row, const peri_shape *shape) {
  clear(L, row);
  peri_value_push_class(L, (const char *)shape->name.ptr, shape->name.len, PERI_KIND_OBJECT);
  const void *metatable = lua_topointer(L, -1);
  row->class = luaL_ref(L, LUA_REGISTRYINDEX);
  for (uint32_t i = 0; i < shape->count; i++) {
    lua_pushlstring(L, (const char *)shape->fields[i].ptr, shape->fields[i].len);
    lua_pushvalue(L, -1);
    row->keys[i] = luaL_ref(L, LUA_REGISTRYINDEX);
    row->count = i + 1;
  }
  if (!peri_raw_makes_usable()) {
    lua_pop(L, (int)shape->count);
  } else if (peri_raw_form_init(L, &row->form, shape->count, metatable)) {
    row->template = luaL_ref(L, LUA_REGISTRYINDEX);
  }
  row->id = shape->id;
}

bool peri_value_box_in(peri_builder *b, peri_cast cast) {
  lua_State *L = b->L;
  if (b->shapes == NULL && !of_vm(b)) {
    return false;
  }
  if (peri_raw_makes_usable()) {
    peri_raw_box(L, b->shapes->boxes[cast]);
    return true;
  }
  lua_createtable(L, 1, 0);
  lua_insert(L, -2);
  lua_rawseti(L, -2, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, b->shapes->casts[cast]);
  lua_setmetatable(L, -2);
  return true;
}

const peri_shape_row *peri_value_shape(peri_builder *b, const peri_shape *shape) {
  if (b->shapes == NULL && !of_vm(b)) {
    return NULL;
  }
  peri_shape_row *row = &b->shapes->rows[shape->id % ROWS];
  if (row->id != shape->id) {
    if (row->decode == b->shapes->decode || shape->count > PERI_SHAPE_FIELDS ||
        !lua_checkstack(b->L, (int)shape->count + SLOTS)) {
      return NULL;
    }
    fill(b->L, row, shape);
  }
  row->decode = b->shapes->decode;
  return row;
}
