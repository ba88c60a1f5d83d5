// SPDX-License-Identifier: MIT
// The encoder. A value is written by what stands around it: under a number, with its declared type
// or saying itself what it is.
#include "protocol/serializer/protostuff/write.h"

#include <string.h>

#include "protocol/serializer/utf8.h"

_Static_assert(sizeof(encoder) <= PERI_ENCODER_SIZE, "encoder state must fit");

// ---- bytes --------------------------------------------------------------------------------------

void peri_protostuff_put_varint(peri_buf *out, uint64_t value) {
  uint8_t *at = peri_buf_reserve(out, 10);
  size_t len = 0;
  for (; value > 0x7f; value >>= 7) {
    at[len++] = (uint8_t)(value | 0x80);
  }
  at[len++] = (uint8_t)value;
  out->len += len;
}

void peri_protostuff_put_tag(peri_buf *out, uint32_t number, unsigned wire) {
  peri_protostuff_put_varint(out, (uint64_t)number << 3 | wire);
}

void peri_protostuff_put_text(peri_buf *out, uint32_t number, peri_bytes text) {
  peri_protostuff_put_tag(out, number, WIRE_BYTES);
  peri_protostuff_put_varint(out, text.len);
  peri_buf_add(out, text.ptr, text.len);
}

void peri_protostuff_put_number(peri_buf *out, uint32_t number, uint64_t value) {
  peri_protostuff_put_tag(out, number, WIRE_VARINT);
  peri_protostuff_put_varint(out, value);
}

// ---- places -------------------------------------------------------------------------------------

int peri_protostuff_wrong(encoder *e, const char *what) {
  return peri_fail(e->err, PERI_EBAD_REQUEST, "protostuff: %s", what);
}

// Where the next value goes: its number (0 = nowhere, at the root) and type.
uint32_t peri_protostuff_place(frame *f, const peri_java_type **type) {
  *type = f->type != NULL && f->type->kind == PERI_JAVA_ANY ? NULL : f->type;
  switch (f->kind) {
  case ROOT: return 0;
  case REPEATED:
  case FIELDS: return f->field;
  case ELEMENTS: return 2;
  case ENTRIES: return f->keyed ? 2 : 1;
  default: return 1;
  }
}

static void put_nulls(encoder *e, frame *f) {
  if (f->kind == ELEMENTS && f->nulls != 0) {
    peri_protostuff_put_number(e->out, 3, f->nulls);
    f->nulls = 0;
  }
}

int peri_protostuff_before(encoder *e) {
  frame *f = &e->frames[e->depth];
  if (f->kind == ARRAY && f->nulls != 0) {
    return peri_protostuff_wrong(
        e, "an argument that is null, or an item of an array, can only be followed by others that "
           "are: Java would take them for those before");
  }
  if (f->kind == CONSTANT) {
    return peri_protostuff_wrong(e, "a constant of an enum has a name and nothing else");
  }
  if (f->key_next) {
    peri_protostuff_put_tag(e->out, 1, WIRE_START);
  }
  put_nulls(e, f);
  return 0;
}

void peri_protostuff_after(encoder *e) {
  frame *f = &e->frames[e->depth];
  if (f->key_next) {
    f->key_next = false;
    f->keyed = true;
    f->type = f->values;
  } else if (f->kind == ENTRIES) {
    peri_protostuff_put_tag(e->out, 1, WIRE_END);
    f->type = f->keys;
    f->keyed = false;
  } else if (f->kind == FIELDS) {
    f->keyed = false;
  }
}

// ---- scalars ------------------------------------------------------------------------------------

static peri_java_kind kind_of(const encoder *e, const scalar *s) {
  static const peri_java_kind casts[PERI_CASTS] = {
      [PERI_CAST_INT] = PERI_JAVA_INT,         [PERI_CAST_LONG] = PERI_JAVA_LONG,
      [PERI_CAST_DOUBLE] = PERI_JAVA_DOUBLE,   [PERI_CAST_FLOAT] = PERI_JAVA_FLOAT,
      [PERI_CAST_SHORT] = PERI_JAVA_SHORT,     [PERI_CAST_BYTE] = PERI_JAVA_BYTE,
      [PERI_CAST_CHAR] = PERI_JAVA_CHAR,       [PERI_CAST_DATE] = PERI_JAVA_DATE,
      [PERI_CAST_DECIMAL] = PERI_JAVA_DECIMAL, [PERI_CAST_BIGINT] = PERI_JAVA_BIGINT,
  };
  if (e->cast != PERI_CAST_NONE) {
    return casts[e->cast];
  }
  switch (s->is) {
  case BOOLEAN: return PERI_JAVA_BOOLEAN;
  case INTEGER:
    return s->integer >= INT32_MIN && s->integer <= INT32_MAX ? PERI_JAVA_INT : PERI_JAVA_LONG;
  case NUMBER: return PERI_JAVA_DOUBLE;
  case TEXT: return PERI_JAVA_STRING;
  default: return PERI_JAVA_BYTES;
  }
}

// A field or, under a number, a value that says what it is.
static int put(encoder *e, const scalar *s) {
  const peri_java_type *type;
  frame *f = &e->frames[e->depth];
  uint32_t number = peri_protostuff_place(f, &type);
  peri_java_kind kind = type != NULL ? type->kind : kind_of(e, s);
  int rc = peri_protostuff_before(e);
  if (rc != 0) {
    return rc;
  }
  e->cast = PERI_CAST_NONE;
  if (kind > PERI_JAVA_DATE) {
    return peri_protostuff_wrong(e, "a value of another type than declared");
  }
  bool open = type == NULL && number != 0;
  if (open) {
    peri_protostuff_put_tag(e->out, number, WIRE_START);
  }
  peri_protostuff_put_tag(e->out, type == NULL ? (uint32_t)kind : number,
                          peri_protostuff_wire(kind));
  if (!peri_protostuff_put_payload(e, kind, s)) {
    return peri_protostuff_wrong(e, "a value of another type than declared, or too large for it");
  }
  if (open) {
    peri_protostuff_put_tag(e->out, number, WIRE_END);
  }
  peri_protostuff_after(e);
  return 0;
}

static int put_ordinal(encoder *e, uint32_t number, const peri_class *class, peri_bytes name) {
  int ordinal = class != NULL && class->is_enum ? peri_class_index(class, name) : -1;
  if (ordinal < 0) {
    return peri_fail(e->err, PERI_EBAD_REQUEST,
                     "protostuff: no constant %.*s is declared; declare the enum in "
                     "perilune.interface, its constants in order",
                     (int)(name.len < 100 ? name.len : 100), (const char *)name.ptr);
  }
  peri_protostuff_put_number(e->out, number, (uint64_t)ordinal);
  return 0;
}

// ---- the sink's scalars -------------------------------------------------------------------------

static int on_null(void *sink) {
  encoder *e = sink;
  frame *f = &e->frames[e->depth];
  e->cast = PERI_CAST_NONE;
  if (f->key_next) {
    return peri_protostuff_wrong(e, "null cannot be the key of a map");
  }
  f->nulls += f->kind == ARRAY || f->kind == ELEMENTS;
  peri_protostuff_after(e);
  return 0;
}

static int on_boolean(void *sink, bool value) {
  return put(sink, &(scalar){.is = BOOLEAN, .integer = value});
}

static int on_integer(void *sink, int64_t value) {
  return put(sink, &(scalar){.is = INTEGER, .integer = value});
}

static int on_uinteger(void *sink, uint64_t value) {
  (void)value;
  return peri_protostuff_wrong(sink, "an integer beyond what a long holds");
}

static int on_number(void *sink, double value) {
  return put(sink, &(scalar){.is = NUMBER, .number = value});
}

static int on_string(void *sink, const char *text, size_t len) {
  encoder *e = sink;
  frame *f = &e->frames[e->depth];
  peri_bytes bytes = {(const uint8_t *)text, len};
  if (!peri_utf8_valid(bytes.ptr, len)) {
    return peri_protostuff_wrong(e, "string is not UTF-8; wrap binary data in perilune.bytes");
  }
  if (f->kind == CONSTANT) {
    return f->keyed ? put_ordinal(e, f->bare ? f->field : 1, f->class, bytes)
                    : peri_protostuff_wrong(e, "a constant of an enum has a name");
  }
  const peri_java_type *type;
  uint32_t number = peri_protostuff_place(f, &type);
  if (type != NULL && type->kind == PERI_JAVA_CLASS) {
    int rc = peri_protostuff_before(e);
    rc = rc != 0 ? rc : put_ordinal(e, number, peri_protostuff_class(type->name), bytes);
    if (rc == 0) {
      peri_protostuff_after(e);
    }
    return rc;
  }
  return put(e, &(scalar){.is = TEXT, .bytes = bytes});
}

static int on_bytes(void *sink, const uint8_t *data, size_t len) {
  return put(sink, &(scalar){.is = BINARY, .bytes = {data, len}});
}

// ---- lists --------------------------------------------------------------------------------------

int peri_protostuff_push(encoder *e, frame f) {
  if (e->depth == e->max_depth) {
    return peri_fail(e->err, PERI_ETOO_BIG, "nested deeper than %u; is there a cycle?",
                     e->max_depth);
  }
  e->frames[++e->depth] = f;
  return 0;
}

peri_bytes peri_protostuff_take_name(encoder *e) {
  peri_bytes name = {(const uint8_t *)e->name, e->named ? e->name_len : 0};
  e->named = false;
  return name;
}

static int end(encoder *e) {
  frame *f = &e->frames[e->depth];
  if (e->depth == 0) {
    return peri_fail(e->err, PERI_EINTERNAL, "protostuff: calls on the encoder do not nest");
  }
  put_nulls(e, f);
  if (f->group != 0) {
    peri_protostuff_put_tag(e->out, f->group, WIRE_END);
  }
  e->depth--;
  peri_protostuff_after(e);
  return 0;
}

static int on_list_begin(void *sink, size_t count) {
  return peri_protostuff_begin_list(sink, count);
}

static int on_list_end(void *sink) {
  return end(sink);
}

// ---- maps and objects ---------------------------------------------------------------------------

static int on_map_begin(void *sink, size_t count) {
  (void)count;
  return peri_protostuff_begin_map(sink);
}

static int on_any_key(void *sink) {
  encoder *e = sink;
  frame *f = &e->frames[e->depth];
  if (f->kind != ENTRIES) {
    return peri_protostuff_wrong(e, "the fields of an object are named by strings");
  }
  f->key_next = true;
  return 0;
}

static int on_key(void *sink, const char *text, size_t len) {
  encoder *e = sink;
  frame *f = &e->frames[e->depth];
  peri_bytes name = {(const uint8_t *)text, len};
  if (f->kind == FIELDS) {
    return peri_protostuff_find_field(e, f, name);
  }
  if (f->kind == CONSTANT) {
    f->keyed = peri_bytes_equal(name, peri_bytes_of("name")) != 0;
    return f->keyed ? 0
                    : peri_protostuff_wrong(e, "a constant of an enum has a name and nothing else");
  }
  f->key_next = true;
  return on_string(sink, text, len);
}

static int on_map_end(void *sink) {
  return end(sink);
}

// ---- marks --------------------------------------------------------------------------------------

static int on_type(void *sink, const char *name, size_t len) {
  encoder *e = sink;
  if (len >= sizeof e->name) {
    return peri_protostuff_wrong(e, "the name of a class is too long");
  }
  memcpy(e->name, name, len);
  e->name_len = (uint32_t)len;
  e->named = len != 0;
  return 0;
}

static int on_cast(void *sink, peri_cast cast) {
  ((encoder *)sink)->cast = cast;
  return 0;
}

static int on_dictionary(void *sink) {
  ((encoder *)sink)->dictionary = true;
  return 0;
}

static const peri_sink_graph graph = {.cast = on_cast, .dictionary = on_dictionary};

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

// Where the list of arguments of an envelope begins on this thread.
static _Thread_local struct {
  const peri_buf *out;
  size_t at;
} expected;

void peri_protostuff_expect_args(const peri_buf *out) {
  expected.out = out;
  expected.at = out != NULL ? out->len : 0;
}

void peri_protostuff_encoder_init(void *memory, peri_buf *out, const peri_value_limits *limits,
                                  peri_err *err, peri_sink *sink) {
  encoder *e = memory;
  uint32_t depth = peri_value_depth(limits);
  e->out = out;
  e->err = err;
  e->depth = 0;
  e->max_depth = depth < DEPTH ? depth : DEPTH;
  e->cast = PERI_CAST_NONE;
  e->args = expected.out == out && expected.at == out->len;
  e->dictionary = e->named = false;
  e->frames[0] = (frame){.kind = ROOT};
  expected.out = NULL;
  *sink = (peri_sink){&ops, e};
}

void peri_protostuff_encoder_field(void *memory, uint32_t field, const peri_java_type *type) {
  encoder *e = memory;
  e->frames[0] = (frame){.kind = FIELDS, .field = field, .type = type};
}

int peri_protostuff_encoder_finish(void *memory) {
  encoder *e = memory;
  return e->depth == 0 ? 0 : peri_fail(e->err, PERI_EINTERNAL, "protostuff: no whole value");
}
