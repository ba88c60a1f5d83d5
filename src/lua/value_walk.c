// SPDX-License-Identifier: MIT
// The walker: feeds a Lua value to a sink in one pass over each table. It allocates nothing in the
// VM once the stack is large enough (growing it is protected), so it never raises, and a half
// written value can always be cut off.
#include "lua/value_walk.h"

#include <stdio.h>

#include "base/limit.h"

enum {
  ITEMS_AT_ONCE = 4,  // of a list, on the Lua stack
  REASON_MAX = 256,
  UNMARKED = -1,
};

// ---- errors: the path is read off the Lua stack, so that success pays nothing for it ------------

static size_t add_place(lua_State *L, const place *p, char *text, size_t size) {
  if (p->key == 0) {
    return (size_t)snprintf(text, size, "[%d]", p->index);
  }
  if (lua_type(L, p->key) == LUA_TSTRING) {
    return (size_t)snprintf(text, size, ".%.40s", lua_tostring(L, p->key));
  }
  if (lua_type(L, p->key) == LUA_TNUMBER) {
    return (size_t)snprintf(text, size, "[%.14g]", lua_tonumber(L, p->key));
  }
  return (size_t)snprintf(text, size, "[%s]", lua_typename(L, lua_type(L, p->key)));
}

static size_t add_path(lua_State *L, const place *p, char *text, size_t size) {
  size_t used = p->parent != NULL ? add_path(L, p->parent, text, size) : 0;
  return used + 1 >= size ? used : used + add_place(L, p, text + used, size - used);
}

int peri_walk_fail(walker *w, int code, const place *p, const char *reason) {
  char path[120] = "";
  if (p != NULL) {
    add_path(w->L, p, path, sizeof path);
  }
  w->named = true;
  return peri_fail(w->err, code, "%s%s: %s", w->args ? "args" : "value", path, reason);
}

// Puts the path in front of the reason that the sink gave.
int peri_walk_sink_failed(walker *w, int code, const place *p) {
  char reason[REASON_MAX];
  const char *text = w->err != NULL && w->err->code != 0 ? w->err->text : peri_code_text(code);
  snprintf(reason, sizeof reason, "%s", text);
  return peri_walk_fail(w, code, p, reason);
}

int peri_walk_refuse(walker *w, const place *p, const char *type) {
  char reason[REASON_MAX];
  snprintf(reason, sizeof reason,
           "%s cannot be encoded; use nil, booleans, numbers, strings, tables or perilune.bytes",
           type);
  return peri_walk_fail(w, PERI_EBAD_REQUEST, p, reason);
}

// ---- scalars ------------------------------------------------------------------------------------

// 1 int64, 2 uint64, 0 neither.
static int unbox(lua_State *L, int index, uint64_t *bits) {
  int top = lua_gettop(L);
  lua_State *in = lua_status(L) == LUA_YIELD ? peri_value_push_helper(L) : L;
  int kind = 0;
  peri_value_push(in, &peri_value_unbox_key);
  lua_pushvalue(L, index);
  if (in != L) {
    lua_xmove(L, in, 1);
  }
  lua_pushlightuserdata(in, bits);
  if (lua_pcall(in, 2, 1, 0) == 0) {
    kind = (int)lua_tointeger(in, -1);
  }
  lua_pop(in, 1);
  lua_settop(L, top);
  return kind;
}

static int cdata(walker *w, int index, const place *p) {
  uint64_t bits = 0;
  int kind = unbox(w->L, index, &bits);
  if (kind == 0) {
    return peri_walk_refuse(w, p, "cdata other than int64_t and uint64_t");
  }
  if (kind == 2 && bits > INT64_MAX) {
    return w->ops->uinteger(w->sink, bits);
  }
  int rc = w->graph->cast != NULL ? w->graph->cast(w->sink, PERI_CAST_LONG) : 0;
  return rc != 0 ? rc : w->ops->integer(w->sink, (int64_t)bits);
}

static int userdata(walker *w, int index, const place *p) {
  peri_bytes bytes;
  if (!peri_value_to_bytes(w->L, index, &bytes)) {
    return peri_walk_refuse(w, p, "userdata");
  }
  return w->ops->bytes(w->sink, bytes.ptr, bytes.len);
}

// ---- tables -------------------------------------------------------------------------------------

static int over(walker *w, peri_limit limit, const place *p, const char *what) {
  peri_limit_hit(limit);
  return peri_walk_fail(w, PERI_ETOO_BIG, p, what);
}

int peri_walk_count(walker *w, const place *p) {
  if (w->elements == 0) {
    return over(w, PERI_LIMIT_VALUE_ELEMENTS, p, "more elements than value_elements");
  }
  w->elements--;
  return 0;
}

// Fetching a few items at a time saves a call of the Lua API for each.
static int items(walker *w, int index, size_t from, size_t to, bool holes, place *p) {
  lua_State *L = w->L;
  int base = lua_gettop(L);
  for (size_t i = from; i <= to; i++) {
    lua_rawgeti(L, index, (int)i);
  }
  for (size_t i = from; i <= to; i++) {
    int item = base + 1 + (int)(i - from);
    int type = lua_type(L, item);
    p->index = (int)i;
    if (type == LUA_TNIL && !holes) {
      return peri_walk_fail(
          w, PERI_EBAD_REQUEST, p,
          "a hole in a list; use perilune.null, or perilune.array for the whole list");
    }
    int rc = peri_walk_any(w, item, type, p);
    if (rc != 0) {
      return rc;
    }
  }
  lua_settop(L, base);
  return 0;
}

static int list(walker *w, int index, size_t count, bool holes, const place *parent) {
  place p = {parent, 0, 0};
  if (count > w->elements) {
    return over(w, PERI_LIMIT_VALUE_ELEMENTS, parent, "more elements than value_elements");
  }
  w->elements -= (uint32_t)count;
  int rc = w->ops->list_begin(w->sink, count);
  if (rc != 0) {
    return peri_walk_sink_failed(w, rc, parent);
  }
  for (size_t from = 1; from <= count; from += ITEMS_AT_ONCE) {
    size_t to = count - from < ITEMS_AT_ONCE ? count : from + ITEMS_AT_ONCE - 1;
    rc = items(w, index, from, to, holes, &p);
    if (rc != 0) {
      return rc;
    }
  }
  rc = w->ops->list_end(w->sink);
  return rc != 0 ? peri_walk_sink_failed(w, rc, parent) : 0;
}

int peri_walk_key(walker *w, int index, const place *p) {
  lua_State *L = w->L;
  int rc;
  int type = lua_type(L, index);
  if (type == LUA_TSTRING) {
    size_t len;
    const char *text = lua_tolstring(L, index, &len);
    rc = w->ops->key(w->sink, text, len);
  } else if (type == LUA_TNUMBER || type == LUA_TBOOLEAN || type == LUA_TTABLE) {
    rc = w->ops->any_key(w->sink);
    return rc != 0 ? peri_walk_sink_failed(w, rc, p) : peri_walk_any(w, index, type, p);
  } else {
    return peri_walk_refuse(w, p, "a key that is neither string, number, boolean nor table");
  }
  return rc != 0 ? peri_walk_sink_failed(w, rc, p) : 0;
}

// `more`: the first key and its value are on the stack, as lua_next left them. `named`: the sink
// knows the keys.
int peri_walk_map(walker *w, int index, bool more, bool named, const place *parent) {
  lua_State *L = w->L;
  place p = {parent, lua_gettop(L) - (more ? 1 : 0), 0};
  int item = p.key + 1;
  int rc = w->ops->map_begin(w->sink, more ? PERI_COUNT_UNKNOWN : 0);
  if (rc != 0) {
    return peri_walk_sink_failed(w, rc, parent);
  }
  while (more) {
    rc = peri_walk_count(w, &p);
    rc = rc != 0 || named ? rc : peri_walk_key(w, p.key, &p);
    rc = rc != 0 ? rc : peri_walk_any(w, item, lua_type(L, item), &p);
    if (rc != 0) {
      return rc;
    }
    lua_settop(L, p.key);
    more = lua_next(L, index);
  }
  rc = w->ops->map_end(w->sink);
  return rc != 0 ? peri_walk_sink_failed(w, rc, parent) : 0;
}

// Whether the keys of a table with the border `count` > 0 are integers from 1 to `count`.
static bool only_indices(lua_State *L, int index, size_t count) {
  lua_pushnil(L);
  while (lua_next(L, index)) {
    lua_pop(L, 1);
    double n = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : 0;
    if (!(n >= 1 && n <= (double)count) || n != floor(n)) {
      lua_pop(L, 1);
      return false;
    }
  }
  return true;
}

// The keys of a list usually come in order, because its items fill the array part. Every key must be
// looked at: others may lie between those in the hash part. The first key, a number, is on the stack
// with its value; both are popped. Returns the count of items, 0 when it is no list.
static size_t list_count(lua_State *L, int index) {
  int at = lua_gettop(L) - 1;
  size_t count = 0;
  bool more = true;
  while (more && lua_type(L, at) == LUA_TNUMBER && lua_tonumber(L, at) == (double)(count + 1)) {
    count++;
    lua_settop(L, at);
    more = lua_next(L, index);
  }
  if (!more) {
    return count;
  }
  lua_settop(L, at - 1);
  count = lua_objlen(L, index);
  return count > 0 && only_indices(L, index, count) ? count : 0;
}

static int list_or_map(walker *w, int index, bool fields, const place *parent) {
  lua_State *L = w->L;
  if (!fields && peri_raw_usable()) {
    int rc = peri_walk_raw(w, index, parent);
    if (rc != PERI_WALK_OTHERWISE) {
      return rc;
    }
  }
  int base = lua_gettop(L);
  lua_pushnil(L);
  bool more = lua_next(L, index);
  if (more && lua_type(L, -2) == LUA_TNUMBER) {
    size_t count = list_count(L, index);
    if (count > 0) {
      return list(w, index, count, false, parent);
    }
    lua_pushnil(L);
    more = lua_next(L, index);
  }
  if (fields) {
    lua_settop(L, base);
    return peri_walk_object(w, index, parent);
  }
  return peri_walk_map(w, index, more, false, parent);
}

// What the metatable on top says of a table: its kind, and in its place the class (nil without).
static int marks(lua_State *L) {
  int kind = UNMARKED;
  lua_pushlightuserdata(L, &peri_value_kind_mark);
  lua_rawget(L, -2);
  if (!lua_isnil(L, -1)) {
    kind = (int)lua_tointeger(L, -1);
  }
  lua_pushlightuserdata(L, &peri_value_class_mark);
  lua_rawget(L, -3);
  lua_replace(L, -3);
  lua_pop(L, 1);
  return kind;
}

// Names the class on top of the stack to the sink. 1 when it wants an object's fields.
static int name_class(walker *w, int kind, const place *p) {
  size_t len;
  const char *name = lua_tolstring(w->L, -1, &len);
  int rc = w->ops->type(w->sink, name, len);
  bool is_map = kind == PERI_KIND_MAP || kind == PERI_KIND_ENTRIES;
  if (rc >= 0 && is_map && w->graph->dictionary != NULL) {
    rc = w->graph->dictionary(w->sink);
  }
  return rc < 0 ? peri_walk_sink_failed(w, rc, p) : rc;
}

static int grow(lua_State *L) {
  lua_State *target = lua_touserdata(L, 1);
  lua_checkstack(target, SLOTS_PER_LEVEL * LEVELS_PER_GROWTH + SLOTS_FOR_WORK);
  return 0;
}

static int content(walker *w, int index, int kind, bool fields, const place *parent) {
  switch (kind) {
  case PERI_KIND_LIST: return list(w, index, lua_objlen(w->L, index), true, parent);
  case PERI_KIND_ENTRIES: return peri_walk_entries(w, index, parent);
  case PERI_KIND_MAP:
    lua_pushnil(w->L);
    return peri_walk_map(w, index, lua_next(w->L, index), false, parent);
  default: return list_or_map(w, index, fields, parent);
  }
}

// A table by its marks. `told`: the sink was asked whether it has seen it.
static int marked_table(walker *w, int index, bool told, const place *parent) {
  int base = lua_gettop(w->L);
  bool marked = lua_getmetatable(w->L, index);
  peri_walk_row *row = NULL;
  if (marked && w->graph->object != NULL) {
    const void *meta = lua_topointer(w->L, -1);
    peri_cast cast = peri_walk_boxed(w, meta);
    if (cast != PERI_CAST_NONE) {
      lua_settop(w->L, base);
      return peri_walk_box(w, index, cast, parent);
    }
    row = told ? NULL : peri_walk_find(w, meta);
  }
  int kind = row != NULL ? PERI_KIND_OBJECT : marked ? marks(w->L) : UNMARKED;
  if (kind >= PERI_KIND_BOX) {
    lua_settop(w->L, base);
    return peri_walk_box(w, index, (peri_cast)(kind - PERI_KIND_BOX), parent);
  }
  int rc = told || w->graph->seen == NULL ? 0 : w->graph->seen(w->sink, lua_topointer(w->L, index));
  if (rc != 0) {
    lua_settop(w->L, base);
    return rc < 0 ? peri_walk_sink_failed(w, rc, parent) : 0;
  }
  if (row != NULL) {
    rc = peri_walk_shaped(w, index, row, parent);
    if (rc != PERI_WALK_OTHERWISE) {
      lua_settop(w->L, base);
      return rc;
    }
    kind = marks(w->L);
  }
  bool classed = marked && lua_type(w->L, -1) == LUA_TSTRING;
  if (classed) {
    rc = name_class(w, kind, parent);
  } else if (kind == PERI_KIND_MAP && w->graph->dictionary != NULL) {
    rc = w->graph->dictionary(w->sink);
  }
  lua_settop(w->L, base);
  return rc < 0 ? rc : content(w, index, kind, rc > 0 && w->graph->field != NULL, parent);
}

// What most tables are: without a metatable, or of a class that was walked before.
static int table_in_memory(walker *w, int index, const place *parent) {
  const peri_raw_table *t = peri_raw_table_at(w->L, index);
  peri_walk_row *row = NULL;
  if (t->metatable != NULL) {
    row = w->graph->object != NULL ? peri_walk_find(w, t->metatable) : NULL;
    if (row == NULL) {
      return marked_table(w, index, false, parent);
    }
  }
  int rc = w->graph->seen != NULL ? w->graph->seen(w->sink, t) : 0;
  if (rc != 0) {
    return rc < 0 ? peri_walk_sink_failed(w, rc, parent) : 0;
  }
  if (row == NULL) {
    return list_or_map(w, index, false, parent);
  }
  rc = peri_walk_shaped(w, index, row, parent);
  return rc == PERI_WALK_OTHERWISE ? marked_table(w, index, true, parent) : rc;
}

int peri_walk_table(walker *w, int index, const place *parent) {
  if (w->depth == w->max_depth) {
    return over(w, PERI_LIMIT_VALUE_DEPTH, parent,
                "nested deeper than value_depth; is there a cycle?");
  }
  if (w->depth != 0 && w->depth % LEVELS_PER_GROWTH == 0 && lua_cpcall(w->L, grow, w->L) != 0) {
    lua_pop(w->L, 1);
    return peri_walk_fail(w, PERI_ENO_MEMORY, parent, "out of memory");
  }
  w->depth++;
  int rc =
      peri_raw_usable() ? table_in_memory(w, index, parent) : marked_table(w, index, false, parent);
  w->depth--;
  return rc;
}

// ---- any value ----------------------------------------------------------------------------------

static inline int scalar(walker *w, int index, int type, const place *p) {
  lua_State *L = w->L;
  switch (type) {
  case LUA_TNIL: return w->ops->null(w->sink);
  case LUA_TBOOLEAN: return w->ops->boolean(w->sink, lua_toboolean(L, index));
  case LUA_TNUMBER: return peri_walk_number(w, lua_tonumber(L, index));
  case LUA_TSTRING: {
    size_t len;
    const char *text = lua_tolstring(L, index, &len);
    return w->ops->string(w->sink, text, len);
  }
  case LUA_TLIGHTUSERDATA:
    return lua_touserdata(L, index) == NULL ? w->ops->null(w->sink)
                                            : peri_walk_refuse(w, p, "light userdata");
  case LUA_TUSERDATA: return userdata(w, index, p);
  case PERI_LUA_TCDATA: return cdata(w, index, p);
  default: return peri_walk_refuse(w, p, lua_typename(L, type));
  }
}

int peri_walk_any(walker *w, int index, int type, const place *p) {
  if (type == LUA_TTABLE) {
    return peri_walk_table(w, index, p);
  }
  int rc = scalar(w, index, type, p);
  // A refusal of ours already names the path; the sinks' reasons do not.
  return rc != 0 && !w->named ? peri_walk_sink_failed(w, rc, p) : rc;
}

static void init(walker *w, lua_State *L, const peri_value_limits *limits, peri_sink *sink,
                 peri_err *err) {
  w->L = L;
  static const peri_sink_graph none;
  w->ops = sink->ops;
  w->graph = sink->ops->graph != NULL ? sink->ops->graph : &none;
  w->sink = sink->self;
  w->err = err;
  w->depth = 0;
  w->max_depth = peri_value_depth(limits);
  w->elements = limits->elements;
  w->args = false;
  w->named = false;
  w->room = 0;
  w->shapes = NULL;
  if (err != NULL) {
    err->code = 0;
  }
}

// What most results are: nothing is walked unless the sink refuses it.
static int string_alone(lua_State *L, int index, const peri_value_limits *limits, peri_sink *sink,
                        peri_err *err) {
  size_t len;
  const char *text = lua_tolstring(L, index, &len);
  if (err != NULL) {
    err->code = 0;
  }
  int rc = sink->ops->string(sink->self, text, len);
  if (__builtin_expect(rc == 0, 1)) {
    return 0;
  }
  walker w;
  int code = err != NULL ? err->code : 0;
  init(&w, L, limits, sink, err);
  if (err != NULL) {
    err->code = code;
  }
  return peri_walk_sink_failed(&w, rc, NULL);
}

int peri_walk_value(lua_State *L, int index, const peri_value_limits *limits, peri_sink *sink,
                    peri_err *err) {
  if (lua_type(L, index) == LUA_TSTRING) {
    return string_alone(L, index, limits, sink, err);
  }
  walker w;
  init(&w, L, limits, sink, err);
  return peri_walk_any(&w, index, lua_type(L, index), NULL);
}

int peri_walk_args(lua_State *L, int first, int count, const peri_value_limits *limits,
                   peri_sink *sink, peri_err *err) {
  walker w;
  init(&w, L, limits, sink, err);
  w.args = true;
  place p = {NULL, 0, 0};
  int rc = w.ops->list_begin(w.sink, (size_t)count);
  for (int i = 0; i < count && rc == 0; i++) {
    p.index = i + 1;
    rc = peri_walk_any(&w, first + i, lua_type(L, first + i), &p);
  }
  return rc != 0 ? rc : w.ops->list_end(w.sink);
}
