// SPDX-License-Identifier: MIT
// Whole values of a body into a sink, without recursion: open lists, maps and objects are frames on
// a bounded stack.
#include "base/limit.h"
#include "protocol/serializer/hessian2/bigint.h"
#include "protocol/serializer/hessian2/read.h"

enum { LIST, OPEN_LIST, MAP, OBJECT };

typedef struct frame {
  uint8_t kind;
  bool value;      // MAP: the key was read
  uint32_t left;   // LIST, OBJECT: values to come
  uint32_t field;  // OBJECT: of the table of fields
  bool named;      // OBJECT: the sink knows the fields
} frame;

typedef struct walk {
  peri_hessian_reader *r;
  hessian_tables *t;
  const peri_sink_ops *ops;
  const peri_sink_graph *graph;
  void *sink;
  uint32_t depth;
  uint32_t max_depth;
  frame frames[PERI_VALUE_DEPTH_MAX + 1];
} walk;

static const peri_sink_graph no_graph;

static int cast(walk *w, peri_cast kind) {
  return w->graph->cast != NULL ? w->graph->cast(w->sink, kind) : 0;
}

static int push(walk *w, frame f) {
  if (w->depth == w->max_depth) {
    peri_limit_hit(PERI_LIMIT_VALUE_DEPTH);
    return peri_fail(w->r->err, PERI_ETOO_BIG,
                     "hessian2: deeper than value_depth = %u at offset %zu", w->max_depth,
                     (size_t)(w->r->at - w->r->start));
  }
  w->frames[++w->depth] = f;
  return 0;
}

// Tells the sink the number of the list or map that begins now.
static int label(walk *w) {
  return w->r->labels && w->graph->label != NULL ? w->graph->label(w->sink, w->r->number - 1) : 0;
}

// 1 when the sink wants to know the fields of an object.
static int type(walk *w, peri_bytes name) {
  return name.len == 0 ? 0 : w->ops->type(w->sink, (const char *)name.ptr, name.len);
}

static int open_list(walk *w) {
  peri_bytes name;
  size_t count;
  int rc = peri_hessian_take_list(w->r, w->t, &name, &count);
  bool known = count != PERI_COUNT_UNKNOWN;
  rc =
      rc != 0
          ? rc
          : push(w, (frame){.kind = known ? LIST : OPEN_LIST, .left = known ? (uint32_t)count : 0});
  rc = rc != 0 ? rc : label(w);
  rc = rc != 0 ? rc : type(w, name);
  return rc < 0 ? rc : w->ops->list_begin(w->sink, count);
}

static int open_map(walk *w) {
  peri_bytes name;
  int rc = peri_hessian_take_map(w->r, w->t, &name);
  rc = rc != 0 ? rc : push(w, (frame){.kind = MAP});
  rc = rc != 0 ? rc : label(w);
  rc = rc != 0 ? rc : type(w, name);
  if (rc >= 0 && name.len != 0 && w->graph->dictionary != NULL) {
    rc = w->graph->dictionary(w->sink);
  }
  return rc < 0 ? rc : w->ops->map_begin(w->sink, PERI_COUNT_UNKNOWN);
}

static int announce_fields(walk *w, const hessian_def *def) {
  int rc = 0;
  for (uint32_t i = 0; i < def->count && rc == 0; i++) {
    peri_bytes name = w->t->fields[def->first + i];
    rc = w->graph->field(w->sink, (const char *)name.ptr, name.len);
  }
  return rc;
}

static int value(walk *w);

// An object that stands for the scalar in its only field.
static int boxed(walk *w, peri_cast kind) {
  peri_hessian_kind inner = peri_hessian_peek(w->r);
  bool text = kind == PERI_CAST_DECIMAL;
  if (text ? inner != PERI_HESSIAN_STRING
           : inner != PERI_HESSIAN_INT && inner != PERI_HESSIAN_LONG &&
                 inner != PERI_HESSIAN_DOUBLE) {
    return inner == PERI_HESSIAN_BAD && w->r->at == w->r->end
               ? peri_hessian_truncated(w->r)
               : peri_hessian_bad(w->r, "the value of a boxed number is missing");
  }
  if (inner == PERI_HESSIAN_LONG || (kind == PERI_CAST_FLOAT && inner == PERI_HESSIAN_INT)) {
    return peri_hessian_bad(w->r, "the value of a boxed number has another type");
  }
  int rc = cast(w, kind);
  return rc != 0 ? rc : value(w);
}

static int magnitude(walk *w, peri_bigint *big) {
  peri_bytes name;
  size_t count;
  int rc = peri_hessian_read_list(w->r, &name, &count);
  if (rc == 0 && count > PERI_BIGINT_WORDS) {
    rc = peri_fail(w->r->err, PERI_ETOO_BIG, "hessian2: a BigInteger of more than %d bits",
                   PERI_BIGINT_WORDS * 32);
  }
  for (big->count = 0; rc == 0 && big->count < count; big->count++) {
    int32_t word = 0;
    rc = peri_hessian_read_int(w->r, &word);
    big->words[big->count] = (uint32_t)word;
  }
  return rc;
}

// Java writes all fields of a BigInteger; sign and magnitude are what it is, the others are caches.
static int big_integer(walk *w, const hessian_def *def) {
  peri_bigint big = {0};
  int32_t sign = 0;
  int rc = 0;
  for (uint32_t i = 0; i < def->count && rc == 0; i++) {
    peri_bytes field = w->t->fields[def->first + i];
    int32_t cache;
    if (peri_bytes_equal(field, peri_bytes_of("mag"))) {
      rc = magnitude(w, &big);
    } else {
      bool is_sign = peri_bytes_equal(field, peri_bytes_of("signum"));
      rc = peri_hessian_read_int(w->r, is_sign ? &sign : &cache);
    }
  }
  if (rc != 0) {
    return rc;
  }
  char text[PERI_BIGINT_DIGITS + 16];
  big.negative = sign < 0;
  size_t len = peri_bigint_print(&big, text);
  rc = cast(w, PERI_CAST_BIGINT);
  return rc != 0 ? rc : w->ops->string(w->sink, text, len);
}

// 1 when the sink knows what to make of a class that was learned.
static int shaped(walk *w, const hessian_def *def) {
  if (def->learned == NULL || w->graph->object == NULL) {
    return 0;
  }
  int rc = push(w, (frame){.kind = OBJECT, .left = def->count, .named = true});
  rc = rc != 0 ? rc : label(w);
  rc = rc != 0 ? rc : w->graph->object(w->sink, &def->learned->shape);
  w->depth -= rc == 0;
  return rc;
}

static int open_object(walk *w) {
  hessian_def *def;
  int rc = peri_hessian_take_object(w->r, w->t, &def);
  if (rc != 0) {
    return rc;
  }
  if (def->role.cast == PERI_CAST_BIGINT) {
    return big_integer(w, def);
  }
  if (def->role.cast != PERI_CAST_NONE) {
    return boxed(w, def->role.cast);
  }
  rc = shaped(w, def);
  if (rc != 0) {
    return rc < 0 ? rc : 0;
  }
  peri_bytes name = def->role.name != NULL ? peri_bytes_of(def->role.name) : def->name;
  rc = peri_hessian_spread(w->r, w->t, def);
  rc = rc != 0 ? rc : push(w, (frame){.kind = OBJECT, .left = def->count, .field = def->first});
  rc = rc != 0 ? rc : label(w);
  rc = rc != 0 ? rc : type(w, name);
  if (rc > 0 && w->graph->field != NULL) {
    w->frames[w->depth].named = true;
    rc = announce_fields(w, def);
  }
  return rc < 0 ? rc : w->ops->map_begin(w->sink, def->count);
}

static int reference(walk *w) {
  uint32_t number;
  w->r->at++;
  int rc = peri_hessian_take_count(w->r, &number);
  if (rc != 0) {
    return rc;
  }
  if (number >= w->r->number) {
    return peri_hessian_bad(w->r, "a reference to what was not there before");
  }
  if (w->r->refs == 0) {
    return peri_fail(w->r->err, PERI_ETOO_BIG, "hessian2: more references than %u at offset %zu",
                     w->r->limits.refs, (size_t)(w->r->at - w->r->start));
  }
  w->r->refs--;
  if (w->graph->ref == NULL) {
    return peri_hessian_bad(w->r, "a reference, which cannot be carried on,");
  }
  return w->graph->ref(w->sink, number);
}

static int read_null(walk *w) {
  w->r->at++;
  return w->ops->null(w->sink);
}

static int read_boolean(walk *w) {
  return w->ops->boolean(w->sink, *w->r->at++ == 'T');
}

static int read_int(walk *w) {
  int32_t narrow;
  int rc = peri_hessian_take_int(w->r, &narrow);
  return rc != 0 ? rc : w->ops->integer(w->sink, narrow);
}

static int read_long(walk *w) {
  int64_t wide;
  int rc = peri_hessian_take_long(w->r, &wide);
  rc = rc != 0 ? rc : cast(w, PERI_CAST_LONG);
  return rc != 0 ? rc : w->ops->integer(w->sink, wide);
}

static int read_date(walk *w) {
  int64_t ms;
  int rc = peri_hessian_take_date(w->r, &ms);
  rc = rc != 0 ? rc : cast(w, PERI_CAST_DATE);
  return rc != 0 ? rc : w->ops->integer(w->sink, ms);
}

static int read_double(walk *w) {
  double real;
  int rc = peri_hessian_take_double(w->r, &real);
  return rc != 0 ? rc : w->ops->number(w->sink, real);
}

static int read_string(walk *w) {
  peri_bytes text;
  int rc = peri_hessian_take_string(w->r, &text);
  return rc != 0 ? rc : w->ops->string(w->sink, (const char *)text.ptr, text.len);
}

static int read_bytes(walk *w) {
  peri_bytes data;
  int rc = peri_hessian_take_bytes(w->r, &data);
  return rc != 0 ? rc : w->ops->bytes(w->sink, data.ptr, data.len);
}

static int refuse(walk *w) {
  return peri_hessian_bad(w->r, "a byte that begins no value");
}

// Read what is at `at`. The last four may open a frame.
static int (*const readers[])(walk *) = {
    [PERI_HESSIAN_BAD] = refuse,           [PERI_HESSIAN_NULL] = read_null,
    [PERI_HESSIAN_BOOLEAN] = read_boolean, [PERI_HESSIAN_INT] = read_int,
    [PERI_HESSIAN_LONG] = read_long,       [PERI_HESSIAN_DOUBLE] = read_double,
    [PERI_HESSIAN_DATE] = read_date,       [PERI_HESSIAN_STRING] = read_string,
    [PERI_HESSIAN_BYTES] = read_bytes,     [PERI_HESSIAN_LIST] = open_list,
    [PERI_HESSIAN_MAP] = open_map,         [PERI_HESSIAN_OBJECT] = open_object,
    [PERI_HESSIAN_REF] = reference,
};

static int value(walk *w) {
  return w->r->at == w->r->end ? peri_hessian_truncated(w->r)
                               : readers[peri_hessian_kind_of(*w->r->at)](w);
}

static int close(walk *w, const frame *f) {
  bool list = f->kind == LIST || f->kind == OPEN_LIST;
  w->depth--;
  return list ? w->ops->list_end(w->sink) : w->ops->map_end(w->sink);
}

static int map_key(walk *w) {
  int rc = peri_hessian_charge(w->r, 1, 1);
  if (rc != 0) {
    return rc;
  }
  if (peri_hessian_kind_of(*w->r->at) == PERI_HESSIAN_STRING) {
    peri_bytes text;
    rc = peri_hessian_take_string(w->r, &text);
    return rc != 0 ? rc : w->ops->key(w->sink, (const char *)text.ptr, text.len);
  }
  rc = w->ops->any_key(w->sink);
  return rc != 0 ? rc : value(w);
}

static int map_step(walk *w, frame *f) {
  f->value = !f->value;
  if (!f->value) {
    return value(w);
  }
  if (peri_hessian_read_end(w->r)) {
    return close(w, f);
  }
  return map_key(w);
}

// The values of an object up to one that opens something, or its end.
static int fields(walk *w, frame *f) {
  peri_hessian_reader *r = w->r;
  int rc = 0;
  for (uint32_t left = f->left; left > 0 && rc == 0; left--) {
    peri_bytes text;
    if (r->at == r->end) {
      return peri_hessian_truncated(r);
    }
    if (peri_hessian_take_plain(r, &text)) {
      rc = w->ops->string(w->sink, (const char *)text.ptr, text.len);
      continue;
    }
    peri_hessian_kind kind = peri_hessian_kind_of(*r->at);
    if (kind >= PERI_HESSIAN_LIST) {
      f->left = left - 1;
      return readers[kind](w);
    }
    rc = readers[kind](w);
  }
  return rc != 0 ? rc : close(w, f);
}

static int object_step(walk *w, frame *f) {
  if (f->named) {
    return fields(w, f);
  }
  if (f->left == 0) {
    return close(w, f);
  }
  f->left--;
  peri_bytes name = w->t->fields[f->field++];
  int rc = w->ops->key(w->sink, (const char *)name.ptr, name.len);
  return rc != 0 ? rc : value(w);
}

static int list_step(walk *w, frame *f) {
  if (f->kind == OPEN_LIST) {
    if (peri_hessian_read_end(w->r)) {
      return close(w, f);
    }
    int rc = peri_hessian_charge(w->r, 1, 1);
    return rc != 0 ? rc : value(w);
  }
  if (f->left == 0) {
    return close(w, f);
  }
  f->left--;
  return value(w);
}

static int step(walk *w) {
  frame *f = &w->frames[w->depth];
  return f->kind == MAP ? map_step(w, f) : f->kind == OBJECT ? object_step(w, f) : list_step(w, f);
}

int peri_hessian_read(peri_hessian_reader *r, peri_sink *sink) {
  walk w;
  w.r = r;
  w.ops = sink->ops;
  w.graph = sink->ops->graph != NULL ? sink->ops->graph : &no_graph;
  w.sink = sink->self;
  w.depth = 0;
  w.max_depth = peri_value_depth(&r->limits);
  int rc = peri_hessian_mine(r, &w.t);
  rc = rc != 0 ? rc : value(&w);
  while (rc == 0 && w.depth > 0) {
    rc = step(&w);
  }
  if (rc != 0 && r->err != NULL && r->err->code == 0) {
    peri_fail(r->err, rc, "hessian2: %s at offset %zu", peri_code_text(rc),
              (size_t)(r->at - r->start));
  }
  return rc;
}

// ---- passing over --------------------------------------------------------------------------------

static int pass(void *sink) {
  (void)sink;
  return 0;
}
static int pass_boolean(void *sink, bool value) {
  (void)value;
  return pass(sink);
}
static int pass_integer(void *sink, int64_t value) {
  (void)value;
  return pass(sink);
}
static int pass_uinteger(void *sink, uint64_t value) {
  (void)value;
  return pass(sink);
}
static int pass_number(void *sink, double value) {
  (void)value;
  return pass(sink);
}
static int pass_text(void *sink, const char *text, size_t len) {
  (void)text;
  (void)len;
  return pass(sink);
}
static int pass_bytes(void *sink, const uint8_t *data, size_t len) {
  (void)data;
  (void)len;
  return pass(sink);
}
static int pass_begin(void *sink, size_t count) {
  (void)count;
  return pass(sink);
}
static int pass_object(void *sink, const peri_shape *shape) {
  (void)sink;
  (void)shape;
  return 1;
}
static int pass_ref(void *sink, uint32_t number) {
  (void)number;
  return pass(sink);
}

int peri_hessian_skip(peri_hessian_reader *r) {
  static const peri_sink_graph graph = {.ref = pass_ref, .object = pass_object};
  static const peri_sink_ops ops = {
      .null = pass,
      .boolean = pass_boolean,
      .integer = pass_integer,
      .uinteger = pass_uinteger,
      .number = pass_number,
      .string = pass_text,
      .bytes = pass_bytes,
      .list_begin = pass_begin,
      .list_end = pass,
      .map_begin = pass_begin,
      .key = pass_text,
      .any_key = pass,
      .map_end = pass,
      .type = pass_text,
      .graph = &graph,
  };
  peri_sink sink = {&ops, NULL};
  return peri_hessian_read(r, &sink);
}
