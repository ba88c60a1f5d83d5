// SPDX-License-Identifier: MIT
// Writes JSON. The state is one byte per open list or map: what it is and whether a comma is due.
#include "protocol/serializer/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "protocol/classes.h"
#include "protocol/serializer/json_time.h"

// CONSTANT is a map that is left out: it is an enum's, whose name stands alone. ANY is a map whose
// keys may be what is written as one. MOMENT is a map that becomes one text.
enum { LIST = 0, MAP = 1, FILLED = 2, KEYED = 4, CONSTANT = 8, ANY = 16, MOMENT = 32 };

typedef struct encoder {
  peri_buf *out;
  peri_err *err;
  uint32_t depth;
  uint32_t max_depth;
  bool is_enum;                              // the map that follows
  bool dictionary;                           // the map that follows
  bool key_next;                             // a scalar that is a key
  uint8_t moment;                            // the map that follows, see json_time.h
  peri_json_time time;                       // the moment that is written
  uint8_t frames[PERI_VALUE_DEPTH_MAX + 1];  // [0] is the root: a list of exactly one value
} encoder;

_Static_assert(sizeof(encoder) <= PERI_JSON_ENCODER_SIZE, "encoder state must fit");

static int misuse(encoder *e) {
  return peri_fail(e->err, PERI_EINTERNAL, "json: calls on the encoder do not nest");
}

// Writes what stands in front of a value.
static int before(encoder *e) {
  uint8_t *frame = &e->frames[e->depth];
  if ((*frame & MOMENT) != 0) {
    return peri_fail(e->err, PERI_EBAD_REQUEST, "the fields of a moment are whole numbers");
  }
  if ((*frame & MAP) != 0) {
    if ((*frame & KEYED) == 0) {
      return misuse(e);
    }
    *frame = (uint8_t)(MAP | FILLED | (*frame & (CONSTANT | ANY)));
    return 0;
  }
  if (*frame == (LIST | FILLED)) {
    if (e->depth == 0) {
      return misuse(e);
    }
    peri_buf_add_u8(e->out, ',');
  }
  *frame = LIST | FILLED;
  return 0;
}

static int write_key(encoder *e, const char *text, size_t len);

static int put(encoder *e, const char *text, size_t len) {
  if (e->key_next) {
    return write_key(e, text, len);
  }
  int rc = before(e);
  if (rc == 0) {
    peri_buf_add(e->out, text, len);
  }
  return rc;
}

static int on_null(void *sink) {
  return put(sink, "null", 4);
}

static int on_boolean(void *sink, bool value) {
  return value ? put(sink, "true", 4) : put(sink, "false", 5);
}

static int integer_key(encoder *e, bool negative, uint64_t size) {
  char text[24];
  int len = snprintf(text, sizeof text, "%s%" PRIu64, negative ? "-" : "", size);
  return write_key(e, text, (size_t)len);
}

// Whether the number is a part of a moment.
static bool time_value(encoder *e, int64_t value) {
  bool part = (e->frames[e->depth] & MOMENT) != 0;
  if (part) {
    peri_json_time_value(&e->time, value);
  }
  return part;
}

static int on_uinteger(void *sink, uint64_t value) {
  encoder *e = sink;
  if (e->key_next) {
    return integer_key(e, false, value);
  }
  if (time_value(e, value <= INT64_MAX ? (int64_t)value : INT64_MAX)) {
    return 0;
  }
  int rc = before(e);
  if (rc == 0) {
    peri_json_add_uint(e->out, value);
  }
  return rc;
}

static int on_integer(void *sink, int64_t value) {
  if (value >= 0) {
    return on_uinteger(sink, (uint64_t)value);
  }
  encoder *e = sink;
  if (e->key_next) {
    return integer_key(e, true, 0 - (uint64_t)value);
  }
  if (time_value(e, value)) {
    return 0;
  }
  int rc = before(e);
  if (rc == 0) {
    peri_buf_add_u8(e->out, '-');
    peri_json_add_uint(e->out, 0 - (uint64_t)value);
  }
  return rc;
}

static int on_number(void *sink, double value) {
  encoder *e = sink;
  if (!isfinite(value)) {
    return peri_fail(e->err, PERI_EBAD_REQUEST,
                     "%s cannot be written as JSON; use null or a string",
                     isnan(value) ? "NaN" : "an infinite number");
  }
  int rc = before(e);
  if (rc == 0) {
    peri_json_add_double(e->out, value);
  }
  return rc;
}

static int add_string(encoder *e, const char *text, size_t len) {
  if (peri_json_add_string(e->out, (peri_bytes){(const uint8_t *)text, len}) != 0) {
    return peri_fail(e->err, PERI_EBAD_REQUEST,
                     "string is not UTF-8; wrap binary data in perilune.bytes");
  }
  return 0;
}

static int on_string(void *sink, const char *text, size_t len) {
  if (((encoder *)sink)->key_next) {
    return write_key(sink, text, len);
  }
  int rc = before(sink);
  return rc != 0 ? rc : add_string(sink, text, len);
}

static int on_bytes(void *sink, const uint8_t *data, size_t len) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  encoder *e = sink;
  int rc = before(e);
  if (rc != 0) {
    return rc;
  }
  uint8_t *at = peri_buf_reserve(e->out, (len / 3 + 1) * 4 + 2);
  *at++ = '"';
  for (size_t i = 0; i < len; i += 3) {
    size_t left = len - i;
    uint32_t bits = (uint32_t)data[i] << 16 | (left > 1 ? (uint32_t)data[i + 1] << 8 : 0) |
                    (left > 2 ? (uint32_t)data[i + 2] : 0);
    *at++ = (uint8_t)digits[bits >> 18];
    *at++ = (uint8_t)digits[bits >> 12 & 63];
    *at++ = left > 1 ? (uint8_t)digits[bits >> 6 & 63] : '=';
    *at++ = left > 2 ? (uint8_t)digits[bits & 63] : '=';
  }
  *at++ = '"';
  e->out->len = (size_t)(at - e->out->data);
  return 0;
}

static int begin(encoder *e, uint8_t kind) {
  if (e->depth == e->max_depth) {
    return peri_fail(e->err, PERI_ETOO_BIG, "nested deeper than %u", e->max_depth);
  }
  int rc = before(e);
  if (rc == 0) {
    peri_buf_add_u8(e->out, kind == MAP ? '{' : '[');
    e->frames[++e->depth] = kind;
  }
  return rc;
}

// What stands in front of the value was written already.
static int begin_constant(encoder *e) {
  if (e->depth == e->max_depth) {
    return peri_fail(e->err, PERI_ETOO_BIG, "nested deeper than %u", e->max_depth);
  }
  int rc = before(e);
  if (rc == 0) {
    e->frames[++e->depth] = MAP | CONSTANT;
  }
  return rc;
}

static int end_constant(encoder *e) {
  if (e->frames[e->depth] != (MAP | CONSTANT | FILLED)) {
    return peri_fail(e->err, PERI_EBAD_REQUEST,
                     "a constant of an enum has a name and nothing else");
  }
  e->depth--;
  return 0;
}

// A part of a moment leaves what it tells to the whole.
static int begin_moment(encoder *e) {
  if (e->depth == e->max_depth) {
    return peri_fail(e->err, PERI_ETOO_BIG, "nested deeper than %u", e->max_depth);
  }
  int rc = 0;
  if ((e->frames[e->depth] & MOMENT) == 0) {
    rc = before(e);
    peri_json_time_begin(&e->time, e->moment);
  }
  if (rc == 0) {
    e->frames[++e->depth] = MAP | MOMENT;
  }
  return rc;
}

static int end_moment(encoder *e) {
  e->depth--;
  return (e->frames[e->depth] & MOMENT) != 0 ? 0 : peri_json_time_add(&e->time, e->out, e->err);
}

static int end(encoder *e, uint8_t kind) {
  if (e->depth == 0 || (e->frames[e->depth] & (MAP | KEYED)) != kind) {
    return misuse(e);
  }
  e->depth--;
  peri_buf_add_u8(e->out, kind == MAP ? '}' : ']');
  return 0;
}

static int on_list_begin(void *sink, size_t count) {
  (void)count;
  ((encoder *)sink)->dictionary = ((encoder *)sink)->is_enum = false;
  ((encoder *)sink)->moment = 0;
  return begin(sink, LIST);
}

static int on_list_end(void *sink) {
  return end(sink, LIST);
}

static int on_map_begin(void *sink, size_t count) {
  (void)count;
  encoder *e = sink;
  bool constant = e->is_enum && !e->dictionary;
  bool moment = e->moment != 0 || (e->frames[e->depth] & MOMENT) != 0;
  uint8_t more = e->dictionary ? ANY : 0;
  e->is_enum = e->dictionary = false;
  int rc = constant ? begin_constant(e) : (moment ? begin_moment(e) : begin(e, MAP));
  e->moment = 0;
  e->frames[e->depth] |= rc == 0 ? more : 0;
  return rc;
}

static int write_key(encoder *e, const char *text, size_t len) {
  uint8_t *frame = &e->frames[e->depth];
  e->key_next = false;
  if ((*frame & MOMENT) != 0) {
    return peri_json_time_key(&e->time, text, len, e->err);
  }
  if ((*frame & (MAP | KEYED)) != MAP) {
    return misuse(e);
  }
  if ((*frame & CONSTANT) != 0) {
    bool name = len == 4 && memcmp(text, "name", 4) == 0 && (*frame & FILLED) == 0;
    *frame |= KEYED;
    return name ? 0 : end_constant(e);
  }
  if ((*frame & FILLED) != 0) {
    peri_buf_add_u8(e->out, ',');
  }
  *frame = (uint8_t)(MAP | FILLED | KEYED | (*frame & ANY));
  int rc = add_string(e, text, len);
  peri_buf_add_u8(e->out, ':');
  return rc;
}

static int on_key(void *sink, const char *text, size_t len) {
  return write_key(sink, text, len);
}

static int on_any_key(void *sink) {
  encoder *e = sink;
  if ((e->frames[e->depth] & (MAP | ANY)) == (MAP | ANY)) {
    e->key_next = true;
    return 0;
  }
  return peri_fail(e->err, PERI_EBAD_REQUEST,
                   "keys of a JSON object are strings: use tostring(key), or perilune.null for "
                   "the holes of a list");
}

static int on_map_end(void *sink) {
  encoder *e = sink;
  if ((e->frames[e->depth] & MOMENT) != 0) {
    return end_moment(e);
  }
  return (e->frames[e->depth] & CONSTANT) != 0 ? end_constant(e) : end(e, MAP);
}

static int on_type(void *sink, const char *name, size_t len) {
  encoder *e = sink;
  const peri_class *class = peri_class_find((peri_bytes){(const uint8_t *)name, len});
  e->is_enum = class != NULL && class->is_enum;
  e->moment = peri_json_time_kind(name, len);
  return 0;
}

// Only who declared that the keys are numbers gets them as text.
static int on_dictionary(void *sink) {
  ((encoder *)sink)->dictionary = true;
  return 0;
}

static const peri_sink_graph graph = {.dictionary = on_dictionary};

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

void peri_json_encoder_init(void *memory, peri_buf *out, const peri_value_limits *limits,
                            peri_err *err, peri_sink *sink) {
  encoder *e = memory;
  e->out = out;
  e->err = err;
  e->depth = 0;
  e->max_depth = peri_value_depth(limits);
  e->is_enum = e->dictionary = e->key_next = false;
  e->moment = 0;
  e->frames[0] = LIST;
  *sink = (peri_sink){&ops, e};
}

int peri_json_encoder_finish(void *memory) {
  encoder *e = memory;
  return e->depth == 0 && e->frames[0] == (LIST | FILLED) ? 0 : misuse(e);
}
