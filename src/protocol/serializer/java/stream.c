// SPDX-License-Identifier: MIT
#include "protocol/serializer/builtin.h"
#include "protocol/serializer/java/java.h"
#include "protocol/serializer/utf8.h"

enum {
  TC_NULL = 0x70,
  TC_REFERENCE = 0x71,
  TC_OBJECT = 0x73,
  TC_STRING = 0x74,
  TC_BLOCKDATA = 0x77,
  TC_END = 0x78,
  WRITE_METHOD = 1,  // of a class' flags
  SERIALIZABLE = 2,
};

static int value(java_stream *s);

static int ends(java_stream *s) {
  return java_bad(s, "the stream ends inside an object");
}

static int string(java_stream *s, peri_bytes text) {
  if (!peri_utf8_valid(text.ptr, text.len)) {
    return java_bad(s, "a string that is not UTF-8");
  }
  return s->sink->ops->string(s->sink->self, (const char *)text.ptr, text.len);
}

// ---- fields ---------------------------------------------------------------------------------------

static size_t width(char type) {
  switch (type) {
  case 'J':
  case 'D': return 8;
  case 'I':
  case 'F': return 4;
  case 'S':
  case 'C': return 2;
  default: return 1;
  }
}

static double real(char type, uint64_t bits) {
  if (type == 'D') {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
  }
  uint32_t half = (uint32_t)bits;
  float value;
  memcpy(&value, &half, sizeof value);
  return (double)value;
}

static int primitive(java_stream *s, char type, bool wanted) {
  size_t size = width(type);
  if (!java_has(s, size)) {
    return ends(s);
  }
  uint64_t bits = 0;
  for (size_t i = 0; i < size; i++) {
    bits = bits << 8 | s->at[i];
  }
  s->at += size;
  const peri_sink_ops *ops = s->sink->ops;
  if (!wanted) {
    return 0;
  }
  switch (type) {
  case 'Z': return ops->boolean(s->sink->self, bits != 0);
  case 'B': return ops->integer(s->sink->self, (int8_t)bits);
  case 'S': return ops->integer(s->sink->self, (int16_t)bits);
  case 'I': return ops->integer(s->sink->self, (int32_t)bits);
  case 'D':
  case 'F': return ops->number(s->sink->self, real(type, bits));
  default: return ops->integer(s->sink->self, (int64_t)bits);
  }
}

// The fields of one class; those of collections describe how they were built and are passed over.
static int fields(java_stream *s, const java_class *class) {
  bool wanted = class->kind == JAVA_PLAIN;
  int rc = 0;
  for (unsigned i = 0; i < class->count && rc == 0; i++) {
    const java_field *field = &s->fields[class->first + i];
    bool object = field->type == 'L' || field->type == '[';
    if (object && !wanted) {
      return java_bad(s, "a collection of an unknown shape");
    }
    if (wanted) {
      rc = s->sink->ops->key(s->sink->self, (const char *)field->name.ptr, field->name.len);
    }
    rc = rc != 0 ? rc : object ? value(s) : primitive(s, field->type, wanted);
  }
  return rc;
}

// ---- collections ----------------------------------------------------------------------------------

// Block data that holds `size` bytes, the last four of which are a number.
static int block(java_stream *s, size_t size, uint32_t *number) {
  *number = 0;
  if (!java_has(s, 2 + size) || s->at[0] != TC_BLOCKDATA || s->at[1] != size) {
    return java_bad(s, "a collection of an unknown shape");
  }
  *number = peri_get_u32(s->at + 2 + size - 4);
  s->at += 2 + size;
  return 0;
}

static int end_of_collection(java_stream *s) {
  return java_has(s, 1) && *s->at++ == TC_END ? 0 : java_bad(s, "a collection that does not end");
}

static int charge(java_stream *s, uint64_t count) {
  if (count > s->elements) {
    return peri_fail(s->err, PERI_ETOO_BIG, "java: more elements than value_elements");
  }
  s->elements -= (uint32_t)count;
  return java_has(s, count) ? 0 : ends(s);
}

// A string behind its tag: new, or one that was there before.
static int any_string(java_stream *s, uint8_t tag, peri_bytes *text) {
  if (tag == TC_STRING) {
    int rc = java_text(s, text);
    return rc != 0 ? rc : java_add_handle(s, (java_handle){.kind = JAVA_STRING, .text = *text});
  }
  const java_handle *handle = tag == TC_REFERENCE ? java_reference(s) : NULL;
  if (handle == NULL || handle->kind != JAVA_STRING) {
    return java_bad(s, "a string is expected");
  }
  *text = handle->text;
  return 0;
}

static int key(java_stream *s) {
  if (!java_has(s, 1)) {
    return ends(s);
  }
  peri_bytes text = {NULL, 0};
  int rc = any_string(s, *s->at++, &text);
  if (rc == 0 && !peri_utf8_valid(text.ptr, text.len)) {
    rc = java_bad(s, "a string that is not UTF-8");
  }
  return rc != 0 ? rc : s->sink->ops->key(s->sink->self, (const char *)text.ptr, text.len);
}

static int entries(java_stream *s) {
  uint32_t count;
  int rc = block(s, 8, &count);  // capacity, size
  rc = rc != 0 ? rc : charge(s, 2 * (uint64_t)count);
  for (uint32_t i = 0; i < count && rc == 0; i++) {
    rc = key(s);
    rc = rc != 0 ? rc : value(s);
  }
  return rc != 0 ? rc : end_of_collection(s);
}

static int elements(java_stream *s, uint32_t count) {
  uint32_t capacity;
  int rc = block(s, 4, &capacity);
  rc = rc != 0 ? rc : charge(s, count);
  for (uint32_t i = 0; i < count && rc == 0; i++) {
    rc = value(s);
  }
  return rc != 0 ? rc : end_of_collection(s);
}

static int list(java_stream *s, const java_class *class) {
  uint32_t count = 0;
  if (class->kind == JAVA_LIST) {
    if (class->count != 1 || s->fields[class->first].type != 'I' || !java_has(s, 4)) {
      return java_bad(s, "a collection of an unknown shape");
    }
    count = peri_get_u32(s->at);
    s->at += 4;
    if (count > s->elements) {
      return charge(s, count);
    }
  }
  int rc = s->sink->ops->list_begin(s->sink->self, count);
  rc = rc != 0 || class->kind == JAVA_EMPTY_LIST ? rc : elements(s, count);
  return rc != 0 ? rc : s->sink->ops->list_end(s->sink->self);
}

// ---- objects --------------------------------------------------------------------------------------

// Classes from the top one down, as they stand in the stream.
static int lineage(java_stream *s, int number, int *order, unsigned *count) {
  *count = 0;
  for (; number >= 0; number = s->classes[number].super) {
    if (*count == JAVA_CLASSES || (s->classes[number].flags & SERIALIZABLE) == 0) {
      return java_bad(s, "a class that cannot be read here");
    }
    order[(*count)++] = number;
  }
  return 0;
}

static int parts(java_stream *s, const int *order, unsigned count) {
  int rc = 0;
  while (count-- > 0 && rc == 0) {
    const java_class *class = &s->classes[order[count]];
    bool map = class->kind == JAVA_MAP;
    rc = fields(s, class);
    if (rc == 0 && (class->flags & WRITE_METHOD) != 0) {
      rc = map ? entries(s) : java_bad(s, "a class with a form of its own");
    }
  }
  return rc;
}

static int as_map(java_stream *s, const java_class *class, const int *order, unsigned count) {
  int rc = 0;
  if (class->kind == JAVA_PLAIN) {
    rc = s->sink->ops->type(s->sink->self, (const char *)class->name.ptr, class->name.len);
  }
  rc = rc < 0 ? rc : s->sink->ops->map_begin(s->sink->self, PERI_COUNT_UNKNOWN);
  rc = rc != 0 ? rc : parts(s, order, count);
  return rc != 0 ? rc : s->sink->ops->map_end(s->sink->self);
}

static int object(java_stream *s) {
  int number;
  int order[JAVA_CLASSES];
  unsigned count = 0;
  int rc = java_read_class(s, &number);
  rc = rc != 0 || number >= 0 ? rc : java_bad(s, "an object without a class");
  rc = rc != 0 ? rc : java_add_handle(s, (java_handle){.kind = JAVA_OBJECT});
  rc = rc != 0 ? rc : lineage(s, number, order, &count);
  if (rc != 0) {
    return rc;
  }
  if (s->depth == peri_value_depth(s->limits)) {
    return peri_fail(s->err, PERI_ETOO_BIG, "java: nested deeper than value_depth");
  }
  s->depth++;
  const java_class *class = &s->classes[number];
  bool listed = class->kind == JAVA_LIST || class->kind == JAVA_EMPTY_LIST;
  rc = listed ? list(s, class) : as_map(s, class, order, count);
  s->depth--;
  return rc;
}

static int value(java_stream *s) {
  if (!java_has(s, 1)) {
    return ends(s);
  }
  uint8_t tag = *s->at++;
  if (tag == TC_NULL) {
    return s->sink->ops->null(s->sink->self);
  }
  if (tag == TC_STRING || tag == TC_REFERENCE) {
    peri_bytes text = {NULL, 0};
    int rc = any_string(s, tag, &text);
    return rc != 0 ? rc : string(s, text);
  }
  return tag == TC_OBJECT ? object(s) : java_bad(s, "a value that cannot be read here");
}

static int decode(peri_bytes in, const peri_value_limits *limits, peri_sink *sink, size_t *used,
                  peri_err *err) {
  java_stream s;  // its tables are filled as far as their counts say
  s.at = s.start = in.ptr != NULL ? in.ptr : (const uint8_t *)"";
  s.end = s.start + in.len;
  s.limits = limits;
  s.sink = sink;
  s.err = err;
  s.elements = limits->elements;
  s.depth = 0;
  s.handle_count = s.class_count = s.field_count = 0;
  if (in.len < 4 || peri_get_u32(s.at) != 0xACED0005u) {
    return java_bad(&s, "no stream of version 5");
  }
  s.at += 4;
  int rc = value(&s);
  if (rc == 0 && used == NULL && s.at != s.end) {
    rc = java_bad(&s, "bytes after the value");
  }
  if (used != NULL) {
    *used = (size_t)(s.at - s.start);
  }
  return rc;
}

const peri_serializer peri_serializer_java = {
    .name = "java",
    .provider = "",
    .id = PERI_SER_JAVA,
    .decode = decode,
};
