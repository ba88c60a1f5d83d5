// SPDX-License-Identifier: MIT
// What a VM keeps of shapes: the metatable of the class and the names of the fields as Lua strings,
// each behind a reference, so that an object is built without looking at a name.
#include <lauxlib.h>
#include <luajit.h>
#include <stdio.h>

#include "lua/value_parts.h"

enum {
  ROWS = 64,
  SLOTS = 12,
  MAKER_FIELDS = 2,  // setting one costs no more than a call
  MAKER_TEXT = 4096,
};

struct peri_shapes {
  uint64_t decode;        // counts those that used shapes
  int casts[PERI_CASTS];  // references of the metatables of boxes
  peri_shape_row rows[ROWS];
};

static char shapes_key;

static peri_shapes *of_vm(lua_State *L) {
  if (!lua_checkstack(L, SLOTS)) {
    return NULL;
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
      shapes->casts[cast] = luaL_ref(L, LUA_REGISTRYINDEX);
    }
    lua_pop(L, 1);
    lua_rawset(L, LUA_REGISTRYINDEX);
  }
  shapes->decode++;
  return shapes;
}

static void clear(lua_State *L, peri_shape_row *row) {
  row->id = 0;
  if (row->class != 0) {  // of a row that was filled before
    luaL_unref(L, LUA_REGISTRYINDEX, row->class);
  }
  for (uint32_t i = 0; i < row->count; i++) {
    luaL_unref(L, LUA_REGISTRYINDEX, row->keys[i]);
  }
  if (row->maker != 0) {
    luaL_unref(L, LUA_REGISTRYINDEX, row->maker);
  }
  row->class = 0;
  row->maker = 0;
  row->count = 0;
}

// Names come from peers: nothing but plain ones gets into a program.
static bool plain(peri_bytes name) {
  for (size_t i = 0; i < name.len; i++) {
    uint8_t c = name.ptr[i];
    if (!((c | 0x20) >= 'a' && (c | 0x20) <= 'z') && !(c >= '0' && c <= '9') && c != '_') {
      return false;
    }
  }
  return true;
}

// "local set, class = ... return function(a1, ..) return set({['name'] = a1, ..}, class) end"; 0
// when a name is not plain, or too long.
static size_t write_maker(const peri_shape *shape, char *text) {
  size_t len = (size_t)sprintf(text, "local set,class=... return function(a1");
  for (uint32_t i = 1; i < shape->count; i++) {
    len += (size_t)sprintf(text + len, ",a%u", i + 1);
  }
  len += (size_t)sprintf(text + len, ")return set({");
  for (uint32_t i = 0; i < shape->count; i++) {
    peri_bytes name = shape->fields[i];
    if (!plain(name) || len + name.len + 32 > MAKER_TEXT) {
      return 0;
    }
    len +=
        (size_t)sprintf(text + len, "['%.*s']=a%u,", (int)name.len, (const char *)name.ptr, i + 1);
  }
  return len + (size_t)sprintf(text + len, "},class)end");
}

// The table comes into being with all its keys, from a template. Not where a call could end a yield
// (peri_value_push_helper).
static void make_maker(lua_State *L, peri_shape_row *row, const peri_shape *shape) {
  char text[MAKER_TEXT];
  size_t len = write_maker(shape, text);
  if (len == 0) {
    return;
  }
  int rc = luaL_loadbuffer(L, text, len, "=perilune.shape");
  if (rc == 0) {
    peri_value_push(L, &peri_value_setmetatable_key);
    lua_rawgeti(L, LUA_REGISTRYINDEX, row->class);
    rc = lua_pcall(L, 2, 1, 0);
  }
  if (rc != 0) {
    lua_pop(L, 1);
    return;
  }
  luaJIT_setmode(L, -1, LUAJIT_MODE_FUNC | LUAJIT_MODE_OFF);
  row->maker = luaL_ref(L, LUA_REGISTRYINDEX);
}

// May leave by a memory error: what was kept until then is let go when the row is filled again.
static void fill(lua_State *L, peri_shape_row *row, const peri_shape *shape) {
  clear(L, row);
  peri_value_push_class(L, (const char *)shape->name.ptr, shape->name.len, PERI_KIND_OBJECT);
  row->class = luaL_ref(L, LUA_REGISTRYINDEX);
  for (uint32_t i = 0; i < shape->count; i++) {
    lua_pushlstring(L, (const char *)shape->fields[i].ptr, shape->fields[i].len);
    row->keys[i] = luaL_ref(L, LUA_REGISTRYINDEX);
    row->count = i + 1;
  }
  if (shape->count >= MAKER_FIELDS && lua_status(L) != LUA_YIELD) {
    make_maker(L, row, shape);
  }
  row->id = shape->id;
}

bool peri_value_box_in(peri_builder *b, peri_cast cast) {
  lua_State *L = b->L;
  if (b->shapes == NULL && (b->shapes = of_vm(L)) == NULL) {
    return false;
  }
  lua_createtable(L, 1, 0);
  lua_insert(L, -2);
  lua_rawseti(L, -2, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, b->shapes->casts[cast]);
  lua_setmetatable(L, -2);
  return true;
}

const peri_shape_row *peri_value_shape(peri_builder *b, const peri_shape *shape) {
  if (b->shapes == NULL && (b->shapes = of_vm(b->L)) == NULL) {
    return NULL;
  }
  peri_shape_row *row = &b->shapes->rows[shape->id % ROWS];
  if (row->id != shape->id) {
    if (row->decode == b->shapes->decode || shape->count > PERI_SHAPE_FIELDS ||
        !lua_checkstack(b->L, SLOTS)) {
      return NULL;
    }
    fill(b->L, row, shape);
  }
  row->decode = b->shapes->decode;
  return row;
}
