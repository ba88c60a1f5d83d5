// SPDX-License-Identifier: MIT
// The walker's way through tables as they lie in memory. Scalars go from there to the sink;
// whatever else there is gets onto the Lua stack, with its key for the path of an error, and
// through the API.
#include "lua/value_walk.h"

// OTHERWISE for what is no plain scalar.
static inline int scalar(walker *w, peri_raw value) {
  uint32_t tag = peri_raw_tag(value);
  if (peri_raw_is_number(value)) {
    return peri_walk_number(w, value.number);
  }
  if (tag == PERI_RAW_STRING) {
    const peri_raw_string *s = peri_raw_to_string(value);
    return w->ops->string(w->sink, s->text, s->len);
  }
  return tag == PERI_RAW_TRUE || tag == PERI_RAW_FALSE
             ? w->ops->boolean(w->sink, tag == PERI_RAW_TRUE)
             : PERI_WALK_OTHERWISE;
}

// What became of a value that is not written yet: `rc` is OTHERWISE or a refusal. The place of the
// value has its key on the stack, if it has one.
static int rest(walker *w, peri_raw value, int rc, const place *p) {
  lua_State *L = w->L;
  if (rc == PERI_WALK_OTHERWISE) {
    peri_raw_push(L, value);
    int top = lua_gettop(L);
    rc = peri_raw_tag(value) == PERI_RAW_TABLE ? peri_walk_table(w, top, p)
                                               : peri_walk_any(w, top, lua_type(L, top), p);
    lua_settop(L, top - 1);
    return rc;
  }
  return w->named ? rc : peri_walk_sink_failed(w, rc, p);
}

static int key_of(walker *w, peri_raw key, peri_raw value, place *p) {
  if (peri_raw_tag(key) == PERI_RAW_STRING) {
    const peri_raw_string *s = peri_raw_to_string(key);
    int rc = w->ops->key(w->sink, s->text, s->len);
    if (rc == 0) {
      return 0;
    }
    peri_raw_push(w->L, key);
    return peri_walk_sink_failed(w, rc, p);
  }
  peri_raw_push(w->L, key);
  peri_raw_push(w->L, value);  // so that it lives when a table as key lets the collector come by
  int rc = peri_walk_key(w, p->key, p);
  if (rc == 0) {
    lua_settop(w->L, p->key - 1);
  }
  return rc;
}

static int entry(walker *w, peri_raw key, peri_raw value, bool named, place *p) {
  if (w->elements == 0) {
    peri_raw_push(w->L, key);
    return peri_walk_count(w, p);
  }
  w->elements--;
  int rc = named ? 0 : key_of(w, key, value, p);
  rc = rc != 0 ? rc : scalar(w, value);
  if (rc <= 0 && (rc == 0 || w->named)) {
    return rc;
  }
  peri_raw_push(w->L, key);
  rc = rest(w, value, rc, p);
  if (rc == 0) {
    lua_settop(w->L, p->key - 1);
  }
  return rc;
}

int peri_walk_raw_entries(walker *w, int index, bool named, const place *parent) {
  const peri_raw_table *t = peri_raw_table_at(w->L, index);
  place p = {parent, lua_gettop(w->L) + 1, 0};
  uint32_t at = 0;
  peri_raw key;
  peri_raw value;
  while (peri_raw_next(t, &at, &key, &value)) {
    int rc = entry(w, key, value, named, &p);
    if (rc != 0) {
      return rc;
    }
  }
  int rc = w->ops->map_end(w->sink);
  return rc != 0 ? peri_walk_sink_failed(w, rc, parent) : 0;
}

bool peri_walk_raw_same(const peri_raw_table *t, const void *const *keys, uint32_t count) {
  uint32_t at = 0;
  uint32_t i = 0;
  peri_raw key;
  peri_raw value;
  while (peri_raw_next(t, &at, &key, &value)) {
    if (i == count || peri_raw_tag(key) != PERI_RAW_STRING || peri_raw_to_string(key) != keys[i]) {
      return false;
    }
    i++;
  }
  return i == count;
}

// The count of items when the array part holds exactly these and the hash part nothing; else 0.
static uint32_t items(const peri_raw_table *t) {
  uint32_t end = 1;
  while (end < t->array_size && peri_raw_tag(t->array[end]) != PERI_RAW_NIL) {
    end++;
  }
  bool only = end > 1 && peri_raw_tag(t->array[0]) == PERI_RAW_NIL;
  uint32_t at = end;
  peri_raw key;
  peri_raw value;
  return only && !peri_raw_next(t, &at, &key, &value) ? end - 1 : 0;
}

static int list(walker *w, int index, uint32_t count, const place *parent) {
  const peri_raw_table *t = peri_raw_table_at(w->L, index);
  place p = {parent, 0, 0};
  if (count > w->elements) {
    w->elements = 0;
    return peri_walk_count(w, parent);
  }
  w->elements -= count;
  int rc = w->ops->list_begin(w->sink, count);
  for (uint32_t i = 1; i <= count && rc == 0; i++) {
    p.index = (int)i;
    peri_raw nil = {.bits = UINT64_MAX};  // where a collector's function took items away
    peri_raw value = i < t->array_size ? t->array[i] : nil;
    rc = scalar(w, value);
    rc = rc == 0 ? 0 : rest(w, value, rc, &p);
    if (rc != 0) {
      return rc;
    }
  }
  rc = rc != 0 ? rc : w->ops->list_end(w->sink);
  return rc != 0 ? peri_walk_sink_failed(w, rc, parent) : 0;
}

int peri_walk_raw(walker *w, int index, const place *parent) {
  const peri_raw_table *t = peri_raw_table_at(w->L, index);
  uint32_t at = 0;
  peri_raw key;
  peri_raw value;
  bool filled = peri_raw_next(t, &at, &key, &value);
  if (filled && (peri_raw_is_number(key) || peri_raw_tag(key) == PERI_RAW_NUMBER + 1)) {
    uint32_t count = items(t);
    return count != 0 ? list(w, index, count, parent) : PERI_WALK_OTHERWISE;
  }
  int rc = w->ops->map_begin(w->sink, filled ? PERI_COUNT_UNKNOWN : 0);
  return rc != 0 ? peri_walk_sink_failed(w, rc, parent)
                 : peri_walk_raw_entries(w, index, false, parent);
}
