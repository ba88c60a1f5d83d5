// SPDX-License-Identifier: MIT
// The builder: a sink that makes a Lua value. The value under construction lies on the Lua stack:
// one slot for each open table, one more for a key that waits for its value. It may leave by a Lua
// memory error; it owns nothing but Lua values.
#include "lua/value_parts.h"
#include "protocol/serializer/msgpack_read.h"

enum {
  GROW_EVERY = 4,   // levels of nesting per check of the Lua stack
  GROW_SLOTS = 24,  // what those levels, and the work on the innermost one, need
  HINT_MAX = 16,    // entries believed of "as many as the map before"
};

#define SAFE_INTEGER (INT64_C(1) << 53)

// Sizes of the last list and map of unknown count on this thread: messages resemble each other, and
// a table of the right size from the start saves its growth.
static _Thread_local struct { uint32_t list, map; } hint = {4, 4};

static int fail(peri_builder *b, int code, const char *text) {
  return peri_fail(b->err, code, "%s", text);
}

static void push_field(peri_builder *b, const peri_shape_row *row, uint32_t n) {
  if (n < row->count) {
    lua_rawgeti(b->L, LUA_REGISTRYINDEX, row->keys[n]);
  }
}

static int put_field(peri_builder *b) {
  const peri_shape_row *row = b->frames[b->depth].row;
  uint32_t at = b->frames[b->depth].count;
  if (row->id != b->frames[b->depth].id || at >= row->count) {
    return fail(b, PERI_EINTERNAL, "an object has more values than fields");
  }
  lua_rawset(b->L, -3);
  b->frames[b->depth].count = at + 1;
  push_field(b, row, at + 1);
  return 0;
}

static inline int put_entry(peri_builder *b) {
  b->frames[b->depth].count++;
  if (!b->raw || !peri_raw_set(b->L)) {
    lua_rawset(b->L, -3);
  }
  return 0;
}

static inline int put_item(peri_builder *b) {
  uint32_t at = ++b->frames[b->depth].count;
  if (!b->raw || !peri_raw_seti(b->L, at)) {
    lua_rawseti(b->L, -2, (int)at);
  }
  return 0;
}

static int put_into(peri_builder *b) {
  switch (b->frames[b->depth].kind) {
  case PERI_BUILD_MAP: return put_entry(b);
  case PERI_BUILD_LIST: return put_item(b);
  case PERI_BUILD_FIELDS: return put_field(b);
  case PERI_BUILD_KEY: b->frames[b->depth].kind = PERI_BUILD_MAP; return 0;
  case PERI_BUILD_ARGS:
    if (++b->args > PERI_ARGS_MAX) {
      return peri_fail(b->err, PERI_ETOO_BIG, "a call has at most %d arguments", PERI_ARGS_MAX);
    }
    return lua_checkstack(b->L, GROW_SLOTS) ? 0 : PERI_ETOO_BIG;
  default: return 0;
  }
}

// Puts the value on top of the stack where it belongs; that of a record stays where it is.
static inline int put(peri_builder *b) {
  return b->frames[b->depth].kind <= PERI_BUILD_RECORD ? 0 : put_into(b);
}

static inline void push_number(peri_builder *b, double value) {
  if (b->raw) {
    peri_raw_push_number(b->L, value);
  } else {
    lua_pushnumber(b->L, value);
  }
}

static bool takes_key(const peri_builder *b) {
  return b->frames[b->depth].kind == PERI_BUILD_KEY;
}

static int refuse_key(peri_builder *b, const char *what) {
  return peri_fail(b->err, PERI_EBAD_REQUEST, "%s cannot be a key of a Lua table", what);
}

static int on_null(void *sink) {
  peri_builder *b = sink;
  if (takes_key(b)) {
    return refuse_key(b, "null");
  }
  if (b->frames[b->depth].kind == PERI_BUILD_LIST) {
    lua_pushlightuserdata(b->L, NULL);
  } else {
    lua_pushnil(b->L);  // in a map: absence, also of an earlier entry with this key
  }
  return put(b);
}

static int on_boolean(void *sink, bool value) {
  peri_builder *b = sink;
  if (b->raw) {
    peri_raw_push_boolean(b->L, value);
  } else {
    lua_pushboolean(b->L, value);
  }
  return put(b);
}

static int on_number(void *sink, double value) {
  peri_builder *b = sink;
  if (value != value && takes_key(b)) {
    return refuse_key(b, "NaN");
  }
  push_number(b, value);
  return put(b);
}

static void push_decimal(lua_State *L, uint64_t bits, bool is_unsigned) {
  bool negative = !is_unsigned && (int64_t)bits < 0;
  uint64_t size = negative ? 0 - bits : bits;
  char text[21];
  size_t at = sizeof text;
  do {
    text[--at] = (char)('0' + size % 10);
    size /= 10;
  } while (size != 0);
  if (negative) {
    text[--at] = '-';
  }
  lua_pushlstring(L, text + at, sizeof text - at);
}

// The integer as a cdata.
static void push_boxed(lua_State *L, uint64_t bits, bool is_unsigned) {
  bool yielded = lua_status(L) == LUA_YIELD;
  lua_State *in = yielded ? peri_value_push_helper(L) : L;
  peri_value_push(in, &peri_value_box_key);
  lua_pushlightuserdata(in, &bits);
  lua_pushboolean(in, is_unsigned);
  lua_call(in, 2, 1);
  if (yielded) {
    lua_xmove(in, L, 1);
    lua_remove(L, -2);
  }
}

// A scalar whose type on the wire is kept: the value on top goes into a box.
static int put_box(peri_builder *b) {
  if (!peri_value_box_in(b, b->cast)) {
    return PERI_ETOO_BIG;
  }
  b->cast = PERI_CAST_NONE;
  return put(b);
}

// An integer that a Lua number cannot hold exactly, or any when the mode asks for one type.
static int wide_integer(peri_builder *b, uint64_t bits, bool is_unsigned) {
  if (b->int64 == PERI_INT64_STRING || (takes_key(b) && b->int64 != PERI_INT64_NUMBER)) {
    push_decimal(b->L, bits, is_unsigned);
    return put(b);
  }
  if (b->int64 == PERI_INT64_NUMBER) {
    return fail(b, PERI_EBAD_REQUEST,
                "integer beyond 2^53 does not fit a Lua number; set int64 = 'cdata' or 'string'");
  }
  push_boxed(b->L, bits, is_unsigned);
  return put(b);
}

static int cast_integer(peri_builder *b, int64_t value) {
  if (b->cast == PERI_CAST_LONG) {
    b->cast = PERI_CAST_NONE;
    return wide_integer(b, (uint64_t)value, false);
  }
  lua_pushnumber(b->L, (lua_Number)value);
  return put_box(b);
}

static int on_integer(void *sink, int64_t value) {
  peri_builder *b = sink;
  if (b->cast != PERI_CAST_NONE) {
    return cast_integer(b, value);
  }
  if (value > SAFE_INTEGER || value < -SAFE_INTEGER) {
    return wide_integer(b, (uint64_t)value, false);
  }
  push_number(b, (double)value);
  return put(b);
}

static int on_uinteger(void *sink, uint64_t value) {
  return wide_integer(sink, value, true);
}

static void push_text(peri_builder *b, const char *text, size_t len) {
  if (b->texts != NULL && len - 1 < PERI_TEXT_MAX) {
    peri_raw_texts_push(b->L, b->texts, text, len);
  } else {
    lua_pushlstring(b->L, text, len);
  }
}

static int on_string(void *sink, const char *text, size_t len) {
  peri_builder *b = sink;
  push_text(b, text, len);
  return b->cast != PERI_CAST_NONE ? put_box(b) : put(b);
}

static int on_bytes(void *sink, const uint8_t *data, size_t len) {
  peri_builder *b = sink;
  if (takes_key(b)) {
    return on_string(sink, (const char *)data, len);
  }
  peri_value_push_bytes(b->L, data, len);
  return put(b);
}

// Opens a table; the depth was checked by the decoder.
static int begin(peri_builder *b, uint8_t kind, int slots, int entries) {
  if (b->depth > PERI_VALUE_DEPTH_MAX ||
      (b->depth % GROW_EVERY == 0 && !lua_checkstack(b->L, GROW_SLOTS))) {
    return fail(b, PERI_ETOO_BIG, "nested too deep for the Lua stack");
  }
  lua_createtable(b->L, slots, entries);
  b->frames[++b->depth].kind = kind;
  b->frames[b->depth].count = 0;
  if (b->typed) {
    size_t len;
    const char *name = lua_tolstring(b->L, -2, &len);
    int what = kind == PERI_BUILD_LIST ? PERI_KIND_LIST
               : b->dictionary         ? PERI_KIND_MAP
                                       : PERI_KIND_OBJECT;
    peri_value_push_class(b->L, name, len, what);
    lua_setmetatable(b->L, -2);
    lua_remove(b->L, -2);
    b->typed = false;
    b->dictionary = false;
  }
  if (b->label != 0) {
    lua_pushvalue(b->L, -1);
    lua_rawseti(b->L, b->refs, (int)b->label);
    b->label = 0;
  }
  return 0;
}

static int end(peri_builder *b) {
  b->depth--;
  return put(b);
}

// Values on the stack; without the table of references, which may come below them at any time.
static uint32_t height(const peri_builder *b) {
  return (uint32_t)(lua_gettop(b->L) - (b->refs != 0));
}

static int make_record(peri_builder *b) {
  const peri_shape_row *row = b->frames[b->depth].row;
  if (row->id != b->frames[b->depth].id || height(b) - b->frames[b->depth].count != row->count) {
    return fail(b, PERI_EINTERNAL, "an object has not as many values as fields");
  }
  peri_raw_make(b->L, &row->form);
  return end(b);
}

static int table_size(size_t count, uint32_t guess) {
  enum { BELIEVE = 1 << 16 };  // beyond that a table grows as it fills
  return count == PERI_COUNT_UNKNOWN ? (int)guess : count > BELIEVE ? BELIEVE : (int)count;
}

static int on_list_begin(void *sink, size_t count) {
  peri_builder *b = sink;
  if (b->spread && b->depth == 0) {
    b->frames[++b->depth].kind = PERI_BUILD_ARGS;
    b->listed = true;
    lua_pop(b->L, b->typed);  // of a list that is not made
    b->typed = false;
    b->label = 0;
    return 0;
  }
  return begin(b, PERI_BUILD_LIST, count == 0 ? 0 : table_size(count, hint.list), 0);
}

// So that an empty list stays one, unless its class says so.
static void mark_empty(peri_builder *b) {
  if (lua_getmetatable(b->L, -1)) {
    lua_pop(b->L, 1);
    return;
  }
  peri_value_push(b->L, &peri_value_array_key);
  lua_setmetatable(b->L, -2);
}

static int on_list_end(void *sink) {
  peri_builder *b = sink;
  if (b->frames[b->depth].kind == PERI_BUILD_ARGS) {
    b->depth--;
    return 0;
  }
  uint32_t count = b->frames[b->depth].count;
  hint.list = count < HINT_MAX ? count : HINT_MAX;
  if (count == 0) {
    mark_empty(b);
  }
  return end(b);
}

static int on_map_begin(void *sink, size_t count) {
  peri_builder *b = sink;
  return begin(b, PERI_BUILD_MAP, 0, count == 0 ? 0 : table_size(count, hint.map));
}

static int on_key(void *sink, const char *text, size_t len) {
  peri_builder *b = sink;
  push_text(b, text, len);
  return 0;
}

static int on_any_key(void *sink) {
  peri_builder *b = sink;
  b->frames[b->depth].kind = PERI_BUILD_KEY;
  return 0;
}

static int on_map_end(void *sink) {
  peri_builder *b = sink;
  uint32_t count = b->frames[b->depth].count;
  if (b->frames[b->depth].kind == PERI_BUILD_RECORD) {
    return make_record(b);
  }
  if (b->frames[b->depth].kind == PERI_BUILD_FIELDS) {
    return count == b->frames[b->depth].row->count
               ? end(b)
               : fail(b, PERI_EINTERNAL, "an object has fewer values than fields");
  }
  hint.map = count < HINT_MAX ? count : HINT_MAX;
  return end(b);
}

static int on_type(void *sink, const char *name, size_t len) {
  peri_builder *b = sink;
  if (b->typed || !lua_checkstack(b->L, GROW_SLOTS)) {
    return fail(b, PERI_EINTERNAL, "a class must be followed by a list or map");
  }
  lua_pushlstring(b->L, name, len);
  b->typed = true;
  return 0;
}

static int on_cast(void *sink, peri_cast cast) {
  peri_builder *b = sink;
  bool boxed = cast == PERI_CAST_DATE || cast == PERI_CAST_DECIMAL || cast == PERI_CAST_BIGINT ||
               (cast == PERI_CAST_LONG && b->int64 == PERI_INT64_CDATA);
  b->cast = boxed ? cast : PERI_CAST_NONE;
  return 0;
}

static int on_dictionary(void *sink) {
  peri_builder *b = sink;
  b->dictionary = true;
  return 0;
}

static int on_label(void *sink, uint32_t number) {
  peri_builder *b = sink;
  if (b->refs == 0) {
    if (!lua_checkstack(b->L, GROW_SLOTS)) {
      return PERI_ETOO_BIG;
    }
    b->refs = b->base + 1;
    lua_newtable(b->L);
    lua_insert(b->L, b->refs);
  }
  b->label = number + 1;
  return 0;
}

static int on_ref(void *sink, uint32_t number) {
  peri_builder *b = sink;
  if (b->refs != 0) {
    lua_rawgeti(b->L, b->refs, (int)number + 1);
    if (!lua_isnil(b->L, -1)) {
      return put(b);
    }
    lua_pop(b->L, 1);
  }
  return fail(b, PERI_EBAD_REQUEST, "a reference to something that is not in this value");
}

static int begin_record(peri_builder *b, const peri_shape_row *row) {
  if (b->depth > PERI_VALUE_DEPTH_MAX || !lua_checkstack(b->L, (int)row->count + GROW_SLOTS)) {
    return fail(b, PERI_ETOO_BIG, "nested too deep for the Lua stack");
  }
  b->depth++;
  b->frames[b->depth].kind = PERI_BUILD_RECORD;
  b->frames[b->depth].count = height(b);
  b->frames[b->depth].row = row;
  b->frames[b->depth].id = row->id;
  return 1;
}

static int on_object(void *sink, const peri_shape *shape) {
  peri_builder *b = sink;
  const peri_shape_row *row = peri_value_shape(b, shape);
  if (row == NULL) {
    return 0;
  }
  if (row->template != 0 && b->label == 0 && peri_raw_makes_usable()) {
    return begin_record(b, row);
  }
  int rc = begin(b, PERI_BUILD_FIELDS, 0, (int)row->count);
  if (rc != 0) {
    return rc;
  }
  lua_rawgeti(b->L, LUA_REGISTRYINDEX, row->class);
  lua_setmetatable(b->L, -2);
  b->frames[b->depth].row = row;
  b->frames[b->depth].id = row->id;
  push_field(b, row, 0);
  return 1;
}

static const peri_sink_graph graph = {
    .object = on_object,
    .cast = on_cast,
    .dictionary = on_dictionary,
    .label = on_label,
    .ref = on_ref,
};

static const peri_sink_ops ops = {
    .null = on_null,
    .boolean = on_boolean,
    .integer = on_integer,
    .uinteger = on_uinteger,
    .number = on_number,
    .string = on_string,
    .bytes = on_bytes,
    .list_begin = on_list_begin,
    .list_end = on_list_end,
    .map_begin = on_map_begin,
    .key = on_key,
    .any_key = on_any_key,
    .map_end = on_map_end,
    .type = on_type,
    .graph = &graph,
};

void peri_builder_init(peri_builder *b, lua_State *L, peri_int64_mode int64, peri_err *err,
                       peri_sink *sink) {
  b->L = L;
  b->raw = peri_raw_makes_usable();
  b->err = err;
  b->int64 = int64;
  b->depth = 0;
  b->args = 0;
  b->typed = false;
  b->dictionary = false;
  b->cast = PERI_CAST_NONE;
  b->label = 0;
  b->refs = 0;
  b->shapes = NULL;
  b->texts = NULL;
  b->base = lua_gettop(L);
  b->spread = false;
  b->listed = false;
  b->frames[0].kind = PERI_BUILD_ROOT;
  *sink = (peri_sink){&ops, b};
}

int peri_builder_msgpack(peri_builder *b, peri_bytes in, const peri_value_limits *limits) {
  return peri_msgpack_read(in, limits, &ops, b, NULL, b->err);
}
