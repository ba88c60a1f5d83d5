// SPDX-License-Identifier: MIT
// The writer: a sink that appends values to a body, and the parts of a body for protocols.
#include "protocol/serializer/hessian2/bigint.h"
#include "protocol/serializer/hessian2/write.h"
#include "protocol/serializer/utf8.h"

enum { BODY, LIST, OPEN_LIST, MAP, OBJECT, SPLICED };

_Static_assert(sizeof(hessian_writer) <= PERI_ENCODER_SIZE, "encoder state must fit");

static int internal(hessian_writer *w, const char *what) {
  return peri_fail(w->err, PERI_EINTERNAL, "hessian2: %s", what);
}

static int begun(hessian_writer *w) {
  w->frames[w->depth].count++;
  return 0;
}

static int wrong_cast(hessian_writer *w, const char *value) {
  static const char *const names[PERI_CASTS] = {
      [PERI_CAST_INT] = "int",      [PERI_CAST_LONG] = "long",   [PERI_CAST_DOUBLE] = "double",
      [PERI_CAST_FLOAT] = "float",  [PERI_CAST_SHORT] = "short", [PERI_CAST_BYTE] = "byte",
      [PERI_CAST_CHAR] = "char",    [PERI_CAST_DATE] = "date",   [PERI_CAST_DECIMAL] = "decimal",
      [PERI_CAST_BIGINT] = "bigint"};
  const char *name = names[w->cast];
  w->cast = PERI_CAST_NONE;
  return peri_fail(w->err, PERI_EBAD_REQUEST, "%s is no Java %s", value, name);
}

// Takes the cast that waits for the scalar being written.
static peri_cast take_cast(hessian_writer *w) {
  peri_cast cast = w->cast;
  w->cast = PERI_CAST_NONE;
  return cast;
}

// Writes the head of the object that a cast needs, if any.
static int put_head(hessian_writer *w, peri_cast cast) {
  const char *field;
  const char *name = peri_hessian_box(w->flavour, cast, &field);
  return name != NULL ? peri_hessian_put_box(w, name, field) : 0;
}

static int on_null(void *sink) {
  hessian_writer *w = sink;
  w->cast = PERI_CAST_NONE;
  peri_buf_add_u8(w->out, 'N');
  return begun(w);
}

static int on_boolean(void *sink, bool value) {
  hessian_writer *w = sink;
  if (w->cast != PERI_CAST_NONE) {
    return wrong_cast(w, "a boolean");
  }
  peri_buf_add_u8(w->out, value ? 'T' : 'F');
  return begun(w);
}

static int on_number(void *sink, double value);

static int put_narrow(hessian_writer *w, peri_cast cast, int64_t value) {
  int64_t limit = cast == PERI_CAST_BYTE    ? INT8_MAX
                  : cast == PERI_CAST_SHORT ? INT16_MAX
                                            : INT32_MAX;
  if (value > limit || value < -limit - 1) {
    w->cast = cast;
    return wrong_cast(w, "the number");
  }
  int rc = put_head(w, cast);
  if (rc == 0) {
    peri_hessian_put_int(w->out, (int32_t)value);
  }
  return rc != 0 ? rc : begun(w);
}

static int on_integer(void *sink, int64_t value) {
  hessian_writer *w = sink;
  peri_cast cast = w->cast;
  switch (cast) {
  case PERI_CAST_NONE:
    if (value >= INT32_MIN && value <= INT32_MAX) {
      peri_hessian_put_int(w->out, (int32_t)value);
    } else {
      peri_hessian_put_long(w->out, value);
    }
    return begun(w);
  case PERI_CAST_LONG: peri_hessian_put_long(w->out, value); break;
  case PERI_CAST_DATE: peri_hessian_put_date(w->out, value); break;
  case PERI_CAST_INT:
  case PERI_CAST_SHORT:
  case PERI_CAST_BYTE: take_cast(w); return put_narrow(w, cast, value);
  case PERI_CAST_DOUBLE:
  case PERI_CAST_FLOAT: return on_number(sink, (double)value);
  default: return wrong_cast(w, "a number");
  }
  take_cast(w);
  return begun(w);
}

static int on_uinteger(void *sink, uint64_t value) {
  hessian_writer *w = sink;
  (void)value;
  w->cast = PERI_CAST_NONE;
  return peri_fail(w->err, PERI_EBAD_REQUEST,
                   "integer beyond 2^63 is no Java long; use perilune.java.bigint");
}

static int on_number(void *sink, double value) {
  hessian_writer *w = sink;
  peri_cast cast = take_cast(w);
  if (cast != PERI_CAST_NONE && cast != PERI_CAST_DOUBLE && cast != PERI_CAST_FLOAT) {
    w->cast = cast;
    return wrong_cast(w, "a number with a fraction");
  }
  int rc = put_head(w, cast);
  if (rc == 0) {
    peri_hessian_put_double(w->out, value);
  }
  return rc != 0 ? rc : begun(w);
}

static bool one_unit(const char *text, size_t len) {
  size_t wanted = len == 0 || (uint8_t)text[0] >= 0xF0 ? 0
                  : (uint8_t)text[0] < 0x80            ? 1
                  : (uint8_t)text[0] < 0xE0            ? 2
                                                       : 3;
  return len != 0 && len == wanted;
}

static int put_list_head(hessian_writer *w, size_t count);

static int put_bigint(hessian_writer *w, const char *text, size_t len) {
  static const char class[] = "java.math.BigInteger";
  peri_bigint big;
  if (!peri_bigint_parse(text, len, &big)) {
    return peri_fail(w->err, PERI_EBAD_REQUEST, "a bigint must be digits, at most %d bits",
                     PERI_BIGINT_WORDS * 32);
  }
  peri_hessian_begin_class(w, class, sizeof class - 1);
  int rc = peri_hessian_add_class_field(w, "signum", 6);
  rc = rc != 0 ? rc : peri_hessian_add_class_field(w, "mag", 3);
  rc = rc != 0 ? rc : peri_hessian_put_object(w);
  if (rc != 0) {
    return rc;
  }
  peri_hessian_put_int(w->out, big.count == 0 ? 0 : big.negative ? -1 : 1);
  peri_hessian_begin_class(w, "[int", 4);
  rc = put_list_head(w, big.count);
  for (uint32_t i = 0; i < big.count; i++) {
    peri_hessian_put_int(w->out, (int32_t)big.words[i]);
  }
  return rc != 0 ? rc : begun(w);
}

static int on_string(void *sink, const char *text, size_t len) {
  hessian_writer *w = sink;
  if (!peri_utf8_valid((const uint8_t *)text, len)) {
    return peri_fail(w->err, PERI_EBAD_REQUEST,
                     "string is not UTF-8; wrap binary data in perilune.bytes");
  }
  if (w->cast != PERI_CAST_NONE) {
    peri_cast cast = w->cast;
    if (cast != PERI_CAST_DECIMAL && cast != PERI_CAST_BIGINT &&
        !(cast == PERI_CAST_CHAR && one_unit(text, len))) {
      return wrong_cast(w, "the string");
    }
    if (take_cast(w) == PERI_CAST_BIGINT) {
      return put_bigint(w, text, len);
    }
    int rc = put_head(w, cast);
    if (rc != 0) {
      return rc;
    }
  }
  peri_hessian_put_string(w->out, text, len);
  return begun(w);
}

static int on_bytes(void *sink, const uint8_t *data, size_t len) {
  hessian_writer *w = sink;
  if (w->cast != PERI_CAST_NONE) {
    return wrong_cast(w, "binary data");
  }
  peri_hessian_put_bytes(w->out, data, len);
  return begun(w);
}

// ---- lists, maps, objects -------------------------------------------------------------------------

static int begin(hessian_writer *w, uint8_t kind, size_t promise) {
  if (w->cast != PERI_CAST_NONE) {
    return wrong_cast(w, "a list or map");
  }
  if (w->depth == w->max_depth) {
    return peri_fail(w->err, PERI_ETOO_BIG, "nested deeper than %u", w->max_depth);
  }
  if (w->stamp != w->t->stamp) {
    return internal(w, "another body is being written");
  }
  begun(w);
  w->frames[++w->depth] = (hessian_frame){kind, 0, (uint32_t)promise};
  return 0;
}

static int put_list_head(hessian_writer *w, size_t count) {
  bool typed = w->typed;
  int rc = 0;
  w->t->number++;
  if (count == PERI_COUNT_UNKNOWN) {
    peri_buf_add_u8(w->out, typed ? 0x55 : 0x57);
  } else if (count <= 7) {
    peri_buf_add_u8(w->out, (uint8_t)((typed ? 0x70 : 0x78) + count));
  } else {
    peri_buf_add_u8(w->out, typed ? 0x56 : 0x58);
  }
  if (typed) {
    rc = peri_hessian_put_type(w);
  }
  if (count != PERI_COUNT_UNKNOWN && count > 7) {
    peri_hessian_put_int(w->out, (int32_t)count);
  }
  return rc;
}

static bool splices(const hessian_writer *w) {
  return w->splice && w->depth == 0 && !w->typed;
}

static int on_list_begin(void *sink, size_t count) {
  hessian_writer *w = sink;
  if (splices(w)) {
    return begin(w, SPLICED, 0);
  }
  bool known = count != PERI_COUNT_UNKNOWN;
  if (known && count > INT32_MAX) {
    return peri_fail(w->err, PERI_ETOO_BIG, "%zu elements are beyond a Java list", count);
  }
  int rc = begin(w, known ? LIST : OPEN_LIST, known ? count : 0);
  return rc != 0 ? rc : put_list_head(w, count);
}

static int on_list_end(void *sink) {
  hessian_writer *w = sink;
  const hessian_frame *f = &w->frames[w->depth];
  if (f->kind == SPLICED) {
    w->depth--;
    return 0;
  }
  if ((f->kind != LIST && f->kind != OPEN_LIST) || (f->kind == LIST && f->count != f->promise)) {
    return internal(w, "a list does not end as it began");
  }
  if (f->kind == OPEN_LIST) {
    peri_buf_add_u8(w->out, 'Z');
  }
  w->depth--;
  return 0;
}

static int put_map_head(hessian_writer *w) {
  w->t->number++;
  if (!w->typed) {
    peri_buf_add_u8(w->out, 'H');
    return 0;
  }
  peri_buf_add_u8(w->out, 'M');
  return peri_hessian_put_type(w);
}

static int on_map_begin(void *sink, size_t count) {
  hessian_writer *w = sink;
  if (splices(w)) {
    return begin(w, SPLICED, 0);
  }
  bool object = w->typed && !w->dictionary && (w->announced || count == 0);
  size_t fields = w->known != NULL ? w->next : w->t->field_count - w->field_mark;
  int rc = begin(w, object ? OBJECT : MAP, object ? fields : 0);
  if (rc != 0) {
    return rc;
  }
  return object ? peri_hessian_put_object(w) : put_map_head(w);
}

static int on_key(void *sink, const char *text, size_t len) {
  hessian_writer *w = sink;
  return w->frames[w->depth].kind == OBJECT ? 0 : on_string(sink, text, len);
}

static int on_any_key(void *sink) {
  hessian_writer *w = sink;
  return w->frames[w->depth].kind == OBJECT
             ? peri_fail(w->err, PERI_EBAD_REQUEST,
                         "the fields of an object are named by strings; use perilune.java.map")
             : 0;
}

static int on_map_end(void *sink) {
  hessian_writer *w = sink;
  const hessian_frame *f = &w->frames[w->depth];
  bool right = f->kind == OBJECT ? f->count == f->promise
                                 : (f->kind == MAP || f->kind == SPLICED) && (f->count & 1) == 0;
  if (!right) {
    return internal(w, "a map does not end as it began");
  }
  if (f->kind == MAP) {
    peri_buf_add_u8(w->out, 'Z');
  }
  w->depth--;
  return 0;
}

// 1: an object's fields must be known before its values.
static int on_type(void *sink, const char *name, size_t len) {
  hessian_writer *w = sink;
  if (w->stamp != w->t->stamp || w->typed) {
    return internal(w, "a class must be followed by a list or map");
  }
  if (!peri_utf8_valid((const uint8_t *)name, len) || len > UINT16_MAX / 3) {
    return peri_fail(w->err, PERI_EBAD_REQUEST, "the class is no text, or too long");
  }
  const char *handle = peri_hessian_handle(w->flavour, name, len);
  w->nano = false;
  if (handle != NULL) {
    w->nano = w->flavour == PERI_HESSIAN_JOYRPC &&
              (strstr(handle, "DurationHandle") != NULL || strstr(handle, "InstantHandle") != NULL);
    name = handle;
    len = strlen(handle);
  }
  peri_hessian_begin_class(w, name, len);
  w->dictionary = peri_hessian_is_map(name, len);
  return w->dictionary ? 0 : 1;
}

static int on_field(void *sink, const char *name, size_t len) {
  hessian_writer *w = sink;
  if (!peri_utf8_valid((const uint8_t *)name, len) || len > UINT16_MAX / 3) {
    return peri_fail(w->err, PERI_EBAD_REQUEST, "a name of a field is no text, or too long");
  }
  return w->nano && len == 5 && memcmp(name, "nanos", 5) == 0
             ? peri_hessian_add_class_field(w, "nano", 4)
             : peri_hessian_add_class_field(w, name, len);
}

static int announce(hessian_writer *w, const peri_shape *shape) {
  int rc = on_type(w, (const char *)shape->name.ptr, shape->name.len);
  for (uint32_t i = 0; i < shape->count && rc >= 0; i++) {
    rc = on_field(w, (const char *)shape->fields[i].ptr, shape->fields[i].len);
  }
  return rc < 0 ? rc : 0;
}

static int on_object(void *sink, const peri_shape *shape) {
  hessian_writer *w = sink;
  if (w->stamp != w->t->stamp || w->typed) {
    return internal(w, "a class must be followed by a list or map");
  }
  bool known = peri_hessian_begin_shape(w, shape);
  if (!known && peri_hessian_is_map((const char *)shape->name.ptr, shape->name.len)) {
    return 0;
  }
  int rc = known ? 0 : announce(w, shape);
  rc = rc != 0 ? rc : on_map_begin(sink, shape->count);
  if (rc == 0 && !known) {
    peri_hessian_keep_shape(w, shape);
  }
  return rc != 0 ? rc : 1;
}

static int on_dictionary(void *sink) {
  hessian_writer *w = sink;
  w->dictionary = true;
  return 0;
}

static int on_cast(void *sink, peri_cast cast) {
  hessian_writer *w = sink;
  w->cast = cast;
  return 0;
}

// ---- references -----------------------------------------------------------------------------------

static int put_ref(hessian_writer *w, uint32_t number) {
  peri_buf_add_u8(w->out, 'Q');
  peri_hessian_put_int(w->out, (int32_t)number);
  return begun(w);
}

static int on_seen(void *sink, const void *identity) {
  hessian_writer *w = sink;
  if (w->stamp != w->t->stamp) {
    return internal(w, "another body is being written");
  }
  uint32_t number = peri_hessian_number_of(w->t, identity, w->t->number);
  if (number == w->t->number) {
    return 0;
  }
  int rc = put_ref(w, number);
  return rc != 0 ? rc : 1;
}

static int on_label(void *sink, uint32_t label) {
  hessian_writer *w = sink;
  peri_hessian_set_label(w->t, label, w->t->number);
  return 0;
}

static int on_ref(void *sink, uint32_t label) {
  hessian_writer *w = sink;
  if (label >= w->t->label_count || w->t->labels[label] == UINT32_MAX) {
    return peri_fail(w->err, PERI_EBAD_REQUEST, "a reference to something that is no list or map");
  }
  return put_ref(w, w->t->labels[label]);
}

static const peri_sink_graph graph = {
    .object = on_object,
    .cast = on_cast,
    .dictionary = on_dictionary,
    .field = on_field,
    .seen = on_seen,
    .label = on_label,
    .ref = on_ref,
};

const peri_sink_ops peri_hessian_writer_ops = {
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

// ---- bodies ---------------------------------------------------------------------------------------

void peri_hessian_writer_init(void *memory, peri_buf *out, const peri_value_limits *limits,
                              peri_hessian_flavour flavour, peri_err *err, peri_sink *sink) {
  hessian_writer *w = memory;
  w->out = out;
  w->err = err;
  w->t = peri_hessian_writing();
  w->splice = false;
  if (w->t->kept == out && w->t->kept_at == out->len) {
    w->splice = w->t->kept_open;
    w->t->kept = NULL;
    w->t->stamp++;
  } else {
    peri_hessian_tables_begin(w->t);
  }
  w->stamp = w->t->stamp;
  w->flavour = flavour;
  w->cast = PERI_CAST_NONE;
  w->typed = false;
  w->known = NULL;
  w->field_mark = 0;
  w->depth = 0;
  w->max_depth = peri_value_depth(limits);
  w->frames[0] = (hessian_frame){.kind = BODY};
  *sink = (peri_sink){&peri_hessian_writer_ops, w};
}

int peri_hessian_write_object(void *memory, const char *name, const char *const *fields,
                              size_t count) {
  hessian_writer *w = memory;
  int rc = on_type(w, name, strlen(name));
  for (size_t i = 0; i < count && rc >= 0; i++) {
    rc = on_field(w, fields[i], strlen(fields[i]));
  }
  return rc < 0 ? rc : peri_hessian_put_object(w);
}

int peri_hessian_write_list(void *memory, const char *type, size_t count) {
  hessian_writer *w = memory;
  int rc = type != NULL ? on_type(w, type, strlen(type)) : 0;
  return rc < 0 ? rc : put_list_head(w, count);
}

int peri_hessian_write_map(void *memory) {
  return put_map_head(memory);
}

int peri_hessian_writer_finish(void *memory) {
  hessian_writer *w = memory;
  return w->depth == 0 && !w->typed && w->cast == PERI_CAST_NONE
             ? 0
             : internal(w, "a value is not complete");
}
