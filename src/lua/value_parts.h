// SPDX-License-Identifier: MIT
// What the parts of the value adapter share: the registry keys, the marks on tables, the builder
// and the walker themselves.
#pragma once
#include "lua/raw_make.h"
#include "lua/raw_texts.h"
#include "lua/value.h"

// LuaJIT's type number of FFI objects; lua.h has no name for it.
#define PERI_LUA_TCDATA 10

// Keys of the Lua registry, and of the marked metatables (see value_types.c), by their address.
extern char peri_value_array_key;    // metatable of perilune.array
extern char peri_value_bytes_key;    // metatable of perilune.bytes
extern char peri_value_classes_key;  // by kind + 1: class name -> metatable, weak
extern char peri_value_box_key;      // function(address, unsigned) -> int64 or uint64 cdata
extern char peri_value_unbox_key;    // function(cdata, address) -> 1 int64, 2 uint64, 0 neither
extern char peri_value_class_mark;   // in a metatable: class name
extern char peri_value_kind_mark;    // in a metatable: PERI_KIND_*, or PERI_KIND_BOX + peri_cast
extern char peri_value_casts_key;    // metatables of boxes by peri_cast

// What a marked table is. A box holds its scalar in [1], entries are pairs {key, value} in order.
enum {
  PERI_KIND_OBJECT,
  PERI_KIND_LIST,
  PERI_KIND_MAP,
  PERI_KIND_ENTRIES,
  PERI_KIND_BOX = 16,
};

// Pushes the registry's value of a key.
static inline void peri_value_push(lua_State *L, const char *key) {
  lua_pushlightuserdata(L, (void *)(uintptr_t)key);
  lua_rawget(L, LUA_REGISTRYINDEX);
}

// Pushes the metatable of a class; an object, list, map or entries.
void peri_value_push_class(lua_State *L, const char *name, size_t len, int kind);
// Puts the scalar on top of the stack into a box.
void peri_value_box(lua_State *L, peri_cast cast);
// Sets mark[key] = value on top (popped), in the table below it.
void peri_value_set_mark(lua_State *L, const char *key);
// Adds box, entries and the like to the table on top (value_java.c).
void peri_value_register_java(lua_State *L);
// Pushes a perilune.bytes object with a copy of the data.
void peri_value_push_bytes(lua_State *L, const void *data, size_t len);
// The data of a perilune.bytes object at `index`, borrowed as long as it lives; false when it is
// something else.
bool peri_value_to_bytes(lua_State *L, int index, peri_bytes *out);

// KEY is a map for which `any_key` announced that the next scalar is a key.
// FIELDS is an object of a known shape, with the key of the next field on the stack; RECORD is one
// whose table is made at its end, from the values that lie on the stack until then.
enum {
  PERI_BUILD_ROOT,
  PERI_BUILD_RECORD,
  PERI_BUILD_ARGS,
  PERI_BUILD_LIST,
  PERI_BUILD_MAP,
  PERI_BUILD_KEY,
  PERI_BUILD_FIELDS,
};

// A shape as this VM keeps it. A row is another one's when its id is.
typedef struct peri_shape_row {
  uint64_t id;
  uint64_t decode;  // the last one that used it; in the same one it stays
  int class;        // references of the registry
  int template;     // of `form`; 0 = there is none
  uint32_t count;
  peri_raw_form form;
  int keys[PERI_SHAPE_FIELDS];
} peri_shape_row;

typedef struct peri_shapes peri_shapes;

typedef struct peri_builder {
  lua_State *L;
  peri_err *err;
  peri_int64_mode int64;
  uint32_t depth;
  int args;               // pushed so far, when the outermost list is arguments
  bool raw;               // the stack and tables are written without the API
  bool typed;             // a class name waits on the stack for the next list or map
  bool dictionary;        // which is a map of that class
  peri_cast cast;         // of the next scalar; NONE where it makes no difference
  uint32_t label;         // of the next list or map, plus one; 0 = none
  int refs;               // stack index of what was labelled, 0 until there is one
  int base;               // stack index below the value
  bool spread;            // the outermost list is pushed element by element
  bool listed;            // and there was one
  peri_shapes *shapes;    // of the VM; NULL until one is met
  peri_raw_texts *texts;  // of the VM, likewise, where strings may be pushed so
  struct {
    uint8_t kind;
    uint32_t count;             // of list elements, or fields; RECORD: height of the stack
    const peri_shape_row *row;  // FIELDS, RECORD
    uint64_t id;                // FIELDS, RECORD: of the shape
  } frames[PERI_VALUE_DEPTH_MAX + 2];
} peri_builder;

void peri_builder_init(peri_builder *builder, lua_State *L, peri_int64_mode int64, peri_err *err,
                       peri_sink *sink);
// What peri_msgpack_decode does with a builder as its sink, with one inlined into the other.
int peri_builder_msgpack(peri_builder *builder, peri_bytes in, const peri_value_limits *limits);

// What this VM keeps of a shape, from now on; NULL when it has no place for it. May raise.
const peri_shape_row *peri_value_shape(peri_builder *builder, const peri_shape *shape);

// Puts the scalar on top into a box, as peri_value_box does; false when the stack is too small.
bool peri_value_box_in(peri_builder *builder, peri_cast cast);

// Feeds the value at `index` (absolute), or `count` values from there on as a list, to `sink`.
// `err` may hold a sink's reason; the walker puts the path in front of it. Never raises.
int peri_walk_value(lua_State *L, int index, const peri_value_limits *limits, peri_sink *sink,
                    peri_err *err);
int peri_walk_args(lua_State *L, int first, int count, const peri_value_limits *limits,
                   peri_sink *sink, peri_err *err);

// Pushes a coroutine nobody else runs, for calls into Lua from one that has yielded: an error thrown
// there would end its yield (LuaJIT then takes it for running) although a protected call catches it,
// and so does a trace that the compiler gives up.
lua_State *peri_value_push_helper(lua_State *L);

// Calls the Lua serializer of this VM that stands behind `serializer` (value_plugin.c).
int peri_value_plugin_decode(lua_State *L, const peri_serializer *serializer, peri_bytes in,
                             peri_err *err);
int peri_value_plugin_encode(lua_State *L, int index, const peri_serializer *serializer,
                             peri_buf *out, peri_err *err);
