// SPDX-License-Identifier: MIT
// The text is part of what signatures are made of: it must stay as it is.
#include "protocol/canonical.h"

#include <math.h>
#include <stdlib.h>

#include "base/err.h"
#include "protocol/serializer/json.h"

enum { FEW = 16 };  // entries that are sorted in place

// In the order of the names of Lua's types.
enum { KEY_BOOLEAN, KEY_NUMBER, KEY_STRING, KEY_TABLE };

typedef struct entry {
  size_t at;      // in the text, where its key begins
  size_t len;     // of key and value, once all are known
  size_t key_at;  // what the key is sorted by, when it is no number
  size_t key_len;
  const uint8_t *key;
  double number;
  int kind;
} entry;

static entry *entries_of(const peri_canonical *c, const peri_canonical_frame *f, size_t *count) {
  *count = c->entries.len / sizeof(entry) - f->entries;
  return *count != 0 ? (entry *)(void *)c->entries.data + f->entries : NULL;
}

static void add_text(peri_canonical *c, const char *text) {
  peri_buf_add(c->out, text, strlen(text));
}

// ---- where a value stands -----------------------------------------------------------------------

static inline peri_canonical_frame *top(peri_canonical *c) {
  return &c->frames[c->depth];
}

// Before each value: the items of a list have their place for a key.
static inline void begin(peri_canonical *c) {
  peri_canonical_frame *f = top(c);
  if (f->list) {
    peri_buf_add_u8(c->out, 'n');
    peri_json_add_uint(c->out, ++f->items);
    peri_buf_add_u8(c->out, ' ');
  }
}

// After each value; `at` is where that begins by which it is sorted if it is a key.
static inline int end(peri_canonical *c, int kind, double number, size_t at) {
  peri_canonical_frame *f = top(c);
  if (f->keyed) {
    entry *last = (entry *)(void *)(c->entries.data + c->entries.len) - 1;
    f->keyed = false;
    last->kind = kind;
    last->number = number;
    last->key_at = at;
    last->key_len = c->out->len - at;
  }
  return c->out->len <= c->limit ? 0 : PERI_ETOO_BIG;
}

// ---- scalars ------------------------------------------------------------------------------------

static int on_null(void *sink) {
  peri_canonical *c = sink;
  const peri_canonical_frame *f = top(c);
  size_t count;
  const entry *list = entries_of(c, f, &count);
  if (count != 0 && !f->list && !f->keyed && list[count - 1].kind != KEY_NUMBER) {
    c->out->len = list[count - 1].at;
    c->entries.len -= sizeof(entry);
    return 0;
  }
  begin(c);
  add_text(c, "userdata14:userdata: NULL");
  return end(c, KEY_TABLE, 0, c->out->len);
}

static int on_boolean(void *sink, bool value) {
  peri_canonical *c = sink;
  begin(c);
  peri_buf_add_u8(c->out, value ? 't' : 'f');
  return end(c, KEY_BOOLEAN, value, c->out->len);
}

static int add_integer(peri_canonical *c, const char *sign, uint64_t size, double number) {
  begin(c);
  add_text(c, sign);
  peri_json_add_uint(c->out, size);
  peri_buf_add_u8(c->out, ' ');
  return end(c, KEY_NUMBER, number, c->out->len);
}

static int on_integer(void *sink, int64_t value) {
  uint64_t size = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
  return add_integer(sink, value < 0 ? "n-" : "n", size, (double)value);
}

static int on_uinteger(void *sink, uint64_t value) {
  return add_integer(sink, "n", value, (double)value);
}

static int on_number(void *sink, double value) {
  peri_canonical *c = sink;
  begin(c);
  peri_buf_add_u8(c->out, 'n');
  if (isfinite(value) && value != 0) {
    peri_json_add_double(c->out, value);
  } else {
    add_text(c, value == 0 ? "-0" : isnan(value) ? "nan" : value < 0 ? "-inf" : "inf");
  }
  peri_buf_add_u8(c->out, ' ');
  return end(c, KEY_NUMBER, value, c->out->len);
}

static int add_string(peri_canonical *c, const char *kind, const void *text, size_t len) {
  if (len > c->limit) {
    return PERI_ETOO_BIG;
  }
  begin(c);
  add_text(c, kind);
  peri_json_add_uint(c->out, len);
  peri_buf_add_u8(c->out, ':');
  size_t at = c->out->len;
  peri_buf_add(c->out, text, len);
  return end(c, KEY_STRING, 0, at);
}

static int on_string(void *sink, const char *text, size_t len) {
  return add_string(sink, "s", text, len);
}

static int on_bytes(void *sink, const uint8_t *data, size_t len) {
  return add_string(sink, "userdata", data, len);
}

// ---- tables -------------------------------------------------------------------------------------

static int open_table(peri_canonical *c, bool list) {
  if (c->depth == c->max_depth) {
    return PERI_ETOO_BIG;
  }
  begin(c);
  c->frames[++c->depth] = (peri_canonical_frame){
      .start = c->out->len, .entries = c->entries.len / sizeof(entry), .list = list};
  return 0;
}

static void add_head(peri_canonical *c, size_t count) {
  peri_buf_add_u8(c->out, '{');
  peri_json_add_uint(c->out, count);
  peri_buf_add_u8(c->out, ' ');
}

static int close_table(peri_canonical *c) {
  size_t start = top(c)->start;
  c->depth--;
  return end(c, KEY_TABLE, 0, start);
}

static int on_list_begin(void *sink, size_t count) {
  int rc = open_table(sink, true);
  if (rc == 0) {
    add_head(sink, count);
  }
  return rc;
}

static int on_list_end(void *sink) {
  return close_table(sink);
}

static int on_map_begin(void *sink, size_t count) {
  (void)count;
  return open_table(sink, false);
}

static int on_any_key(void *sink) {
  peri_canonical *c = sink;
  entry it = {.at = c->out->len};
  if (c->entries.cap == 0) {
    peri_buf_reserve(&c->entries, FEW * sizeof it);  // at once, not by and by
  }
  peri_buf_add(&c->entries, &it, sizeof it);
  top(c)->keyed = true;
  return 0;
}

static int on_key(void *sink, const char *text, size_t len) {
  on_any_key(sink);
  return on_string(sink, text, len);
}

static int by_key(const void *left, const void *right) {
  const entry *a = left;
  const entry *b = right;
  if (a->kind != b->kind) {
    return a->kind - b->kind;
  }
  if (a->kind < KEY_STRING) {
    return (a->number > b->number) - (a->number < b->number);
  }
  size_t least = a->key_len < b->key_len ? a->key_len : b->key_len;
  int order = least != 0 ? memcmp(a->key, b->key, least) : 0;
  return order != 0 ? order : (a->key_len > b->key_len) - (a->key_len < b->key_len);
}

static void sort(entry *list, size_t count) {
  if (count > FEW) {
    qsort(list, count, sizeof *list, by_key);
    return;
  }
  for (size_t i = 1; i < count; i++) {
    entry it = list[i];
    size_t at = i;
    for (; at > 0 && by_key(&list[at - 1], &it) > 0; at--) {
      list[at] = list[at - 1];
    }
    list[at] = it;
  }
}

static int on_map_end(void *sink) {
  peri_canonical *c = sink;
  size_t start = top(c)->start;
  size_t unsorted = c->out->len;
  size_t count;
  entry *list = entries_of(c, top(c), &count);
  for (size_t i = 0; i < count; i++) {
    list[i].len = (i + 1 < count ? list[i + 1].at : unsorted) - list[i].at;
    list[i].key = c->out->data + list[i].key_at;
  }
  sort(list, count);
  peri_buf_reserve(c->out, unsorted - start + 24);  // so that it does not move below
  add_head(c, count);
  for (size_t i = 0; i < count; i++) {
    peri_buf_add(c->out, c->out->data + list[i].at, list[i].len);
  }
  size_t len = c->out->len - unsorted;
  memmove(c->out->data + start, c->out->data + unsorted, len);
  c->out->len = start + len;
  c->entries.len -= count * sizeof(entry);
  return close_table(c);
}

static int on_type(void *sink, const char *name, size_t len) {
  (void)sink;
  (void)name;
  (void)len;
  return 0;
}

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
};

void peri_canonical_init(peri_canonical *canonical, peri_buf *out, size_t limit, uint32_t depth,
                         peri_sink *sink) {
  canonical->out = out;
  canonical->limit = limit;
  canonical->depth = 0;
  canonical->max_depth = depth < PERI_VALUE_DEPTH_MAX ? depth : PERI_VALUE_DEPTH_MAX;
  canonical->entries = (peri_buf){0};
  canonical->frames[0] = (peri_canonical_frame){0};
  *sink = (peri_sink){&ops, canonical};
}

void peri_canonical_fini(peri_canonical *canonical) {
  peri_buf_fini(&canonical->entries);
}
