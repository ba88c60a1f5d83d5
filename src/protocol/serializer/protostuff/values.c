// SPDX-License-Identifier: MIT
// Values into sinks.
#include <string.h>

#include "base/limit.h"
#include "protocol/serializer/protostuff/wire.h"
#include "protocol/serializer/utf8.h"

typedef peri_protostuff_reader reader;

// A value that says what it is, up to the end tag of `group` (0: to the end of the input).
static int any(reader *r, peri_sink *sink, uint32_t group);
static int message(reader *r, peri_sink *sink, const peri_class *class, uint32_t first,
                   uint32_t group);

static int enter(reader *r) {
  if (r->depth == r->max_depth) {
    peri_limit_hit(PERI_LIMIT_VALUE_DEPTH);
    return peri_fail(r->err, PERI_ETOO_BIG, "protostuff: nested deeper than value_depth");
  }
  r->depth++;
  return 0;
}

static int count_element(reader *r) {
  if (r->elements == 0) {
    peri_limit_hit(PERI_LIMIT_VALUE_ELEMENTS);
    return peri_fail(r->err, PERI_ETOO_BIG, "protostuff: more elements than value_elements");
  }
  r->elements--;
  return 0;
}

static int undeclared(reader *r, peri_bytes name, const char *what) {
  return peri_fail(r->err, PERI_EBAD_REQUEST,
                   "protostuff: %s of %.*s are not known here; declare the class in "
                   "perilune.interface, with its fields in order",
                   what, (int)(name.len < 200 ? name.len : 200), (const char *)name.ptr);
}

// The end tag of a message, or of the input.
static int expect_end(reader *r, uint32_t group) {
  uint32_t number;
  unsigned wire;
  if (group == 0) {
    return r->at == r->end ? 0 : peri_protostuff_bad(r, "bytes after the value");
  }
  int rc = peri_protostuff_tag(r, &number, &wire);
  return rc != 0 || (wire == WIRE_END && number == group)
             ? rc
             : peri_protostuff_bad(r, "expected the end of a message");
}

// The next tag; 1 at the end of the message.
static int next_field(reader *r, uint32_t group, uint32_t *number, unsigned *wire) {
  if (group == 0 && r->at == r->end) {
    return 1;
  }
  int rc = peri_protostuff_tag(r, number, wire);
  if (rc == 0 && *wire == WIRE_END) {
    return *number == group ? 1 : peri_protostuff_bad(r, "the end of another message");
  }
  return rc;
}

// ---- enums and objects --------------------------------------------------------------------------

// Names the class of the map that follows. Who wants the fields named before gets a map of the
// class.
static int name_class(peri_sink *sink, peri_bytes name) {
  int rc = sink->ops->type(sink->self, (const char *)name.ptr, name.len);
  if (rc == 1 && sink->ops->graph != NULL && sink->ops->graph->dictionary != NULL) {
    rc = sink->ops->graph->dictionary(sink->self);
  }
  return rc < 0 ? rc : 0;
}

static int constant(reader *r, peri_sink *sink, peri_bytes name, const peri_class *class) {
  uint64_t ordinal;
  int rc = peri_protostuff_varint(r, &ordinal);
  if (rc == 0 && (class == NULL || !class->is_enum || ordinal >= class->count)) {
    return undeclared(r, name, "the constants");
  }
  rc = rc != 0 ? rc : name_class(sink, name);
  rc = rc != 0 ? rc : sink->ops->map_begin(sink->self, 1);
  rc = rc != 0 ? rc : sink->ops->key(sink->self, "name", 4);
  if (rc == 0) {
    peri_bytes text = class->names[ordinal];
    rc = sink->ops->string(sink->self, (const char *)text.ptr, text.len);
  }
  return rc != 0 ? rc : sink->ops->map_end(sink->self);
}

static int typed(reader *r, peri_sink *sink, const peri_java_type *type, uint32_t number,
                 unsigned wire);

static int object(reader *r, peri_sink *sink, peri_bytes name, uint32_t first, uint32_t group) {
  const peri_class *class = peri_protostuff_class(name);
  if (first == 0 && (class == NULL || class->is_enum)) {
    return undeclared(r, name, "the fields");
  }
  int rc = name_class(sink, name);
  return rc != 0 ? rc : message(r, sink, class, first, group);
}

// Scalars, enums and objects one after another under number 2, runs of nulls as counts under 3.
static int elements(reader *r, peri_sink *sink, const peri_java_type *type, uint32_t group) {
  uint32_t number;
  unsigned wire;
  uint64_t count;
  int rc = peri_protostuff_tag(r, &number, &wire);
  rc = rc == 0 && (number != 1 || wire != WIRE_VARINT)
           ? peri_protostuff_bad(r, "expected the length of an array")
           : rc;
  rc = rc != 0 ? rc : peri_protostuff_varint(r, &count);
  rc = rc != 0 ? rc : sink->ops->list_begin(sink->self, PERI_COUNT_UNKNOWN);
  while (rc == 0 && (rc = next_field(r, group, &number, &wire)) == 0) {
    if (number == 2) {
      rc = count_element(r);
      rc = rc != 0 ? rc : typed(r, sink, type, number, wire);
      continue;
    }
    rc = number == 3 && wire == WIRE_VARINT ? peri_protostuff_varint(r, &count)
                                            : peri_protostuff_bad(r, "no element of an array");
    while (rc == 0 && count-- > 0) {
      rc = count_element(r);
      rc = rc != 0 ? rc : sink->ops->null(sink->self);
    }
  }
  return rc != 1 ? rc : sink->ops->list_end(sink->self);
}

// ---- collections --------------------------------------------------------------------------------

// Values that say what they are, under number 1; `least` where the rest of them are null.
static int items(reader *r, peri_sink *sink, uint64_t least, uint32_t group) {
  uint32_t number;
  unsigned wire;
  uint64_t count = 0;
  int rc = sink->ops->list_begin(sink->self, PERI_COUNT_UNKNOWN);
  while (rc == 0 && (rc = next_field(r, group, &number, &wire)) == 0) {
    rc = number == 1 && wire == WIRE_START ? count_element(r)
                                           : peri_protostuff_bad(r, "no element of a collection");
    rc = rc != 0 ? rc : any(r, sink, 1);
    count++;
  }
  for (; rc == 1 && count < least; count++) {
    int code = count_element(r);
    code = code != 0 ? code : sink->ops->null(sink->self);
    rc = code != 0 ? code : 1;
  }
  return rc != 1 ? rc : sink->ops->list_end(sink->self);
}

static int collection(reader *r, peri_sink *sink, uint32_t group) {
  peri_bytes name;
  char full[96] = "java.util.";
  int rc = peri_protostuff_bytes(r, &name);
  if (rc != 0) {
    return rc;
  }
  bool plain = peri_bytes_equal(name, peri_bytes_of("ArrayList")) ||
               peri_bytes_equal(name, peri_bytes_of("java.util.Arrays$ArrayList"));
  if (!plain && name.len != 0 && name.len < 64) {
    size_t at = memchr(name.ptr, '.', name.len) == NULL ? strlen(full) : 0;
    memcpy(full + at, name.ptr, name.len);
    rc = sink->ops->type(sink->self, full, at + name.len);
    rc = rc < 0 ? rc : 0;
  }
  return rc != 0 ? rc : items(r, sink, 0, group);
}

static int array(reader *r, peri_sink *sink, uint32_t group) {
  peri_bytes component;
  uint64_t size[2] = {0, 0};  // dimensions, length
  int rc = peri_protostuff_bytes(r, &component);
  for (uint32_t n = 3; rc == 0 && n >= 2; n--) {  // length, then dimensions
    uint32_t number;
    unsigned wire;
    rc = peri_protostuff_tag(r, &number, &wire);
    rc = rc == 0 && (number != n || wire != WIRE_VARINT)
             ? peri_protostuff_bad(r, "expected the size of an array")
             : rc;
    rc = rc != 0 ? rc : peri_protostuff_varint(r, &size[n - 2]);
  }
  return rc != 0 ? rc : items(r, sink, size[1], group);
}

// Names the class of the list that follows, as Hessian does: '[int', '[demo.Person'.
static int name_array(peri_sink *sink, const char *name, size_t len) {
  int rc = name != NULL ? sink->ops->type(sink->self, name, len) : 0;
  return rc < 0 ? rc : 0;
}

static int scalar_array(reader *r, peri_sink *sink, uint32_t group) {
  uint64_t id;
  int rc = peri_protostuff_varint(r, &id);
  peri_java_type type = {.kind = id < 16   ? (peri_java_kind)(1 + (id & 7))
                                 : id < 22 ? (peri_java_kind)(id - 7)
                                           : PERI_JAVA_ANY};
  if (rc == 0 && type.kind == PERI_JAVA_ANY) {
    return peri_protostuff_bad(r, "an array of an unknown type");
  }
  const char *name = peri_protostuff_array_name((uint32_t)id);
  rc = rc != 0 ? rc : name_array(sink, name, name != NULL ? strlen(name) : 0);
  return rc != 0 ? rc : elements(r, sink, &type, group);
}

static int class_array(reader *r, peri_sink *sink, uint32_t group) {
  peri_java_type type = {.kind = PERI_JAVA_CLASS};
  char name[256] = "[";
  int rc = peri_protostuff_bytes(r, &type.name);
  if (rc == 0 && type.name.len >= sizeof name - 1) {
    rc = peri_protostuff_bad(r, "the name of a class is too long");
  }
  if (rc == 0) {
    memcpy(name + 1, type.name.ptr, type.name.len);
    rc = name_array(sink, name, type.name.len + 1);
  }
  return rc != 0 ? rc : elements(r, sink, &type, group);
}

// A map's key: text where it is text.
static int key(reader *r, peri_sink *sink, const peri_java_type *type, uint32_t number,
               unsigned wire) {
  const uint8_t *at = r->at;
  uint32_t inner = 0;
  unsigned inner_wire = wire;
  peri_bytes text;
  bool open = type == NULL && wire == WIRE_START;
  int rc = open ? peri_protostuff_tag(r, &inner, &inner_wire) : 0;
  bool is_text = open ? inner == PERI_JAVA_STRING : type != NULL && type->kind == PERI_JAVA_STRING;
  if (rc == 0 && is_text && inner_wire == WIRE_BYTES) {
    rc = peri_protostuff_bytes(r, &text);
    rc = rc != 0 || peri_utf8_valid(text.ptr, text.len) ? rc : peri_protostuff_bad(r, "not UTF-8");
    rc = rc != 0 ? rc : sink->ops->key(sink->self, (const char *)text.ptr, text.len);
    return rc != 0 || !open ? rc : expect_end(r, number);
  }
  r->at = at;
  rc = rc != 0 ? rc : sink->ops->any_key(sink->self);
  return rc != 0 ? rc : typed(r, sink, type, number, wire);
}

static int entry(reader *r, peri_sink *sink, const peri_java_type *keys,
                 const peri_java_type *values) {
  uint32_t number;
  unsigned wire;
  int rc = peri_protostuff_tag(r, &number, &wire);
  rc = rc == 0 && number != 1 ? peri_protostuff_bad(r, "an entry without a key") : rc;
  rc = rc != 0 ? rc : count_element(r);
  rc = rc != 0 ? rc : key(r, sink, keys, number, wire);
  rc = rc != 0 ? rc : next_field(r, 1, &number, &wire);
  if (rc == 1) {
    return sink->ops->null(sink->self);
  }
  rc = rc == 0 && number != 2 ? peri_protostuff_bad(r, "no value of an entry") : rc;
  rc = rc != 0 ? rc : typed(r, sink, values, number, wire);
  return rc != 0 ? rc : expect_end(r, 1);
}

static int entries(reader *r, peri_sink *sink, const peri_java_type *keys,
                   const peri_java_type *values, uint32_t group) {
  uint32_t number;
  unsigned wire;
  int rc = sink->ops->map_begin(sink->self, PERI_COUNT_UNKNOWN);
  while (rc == 0 && (rc = next_field(r, group, &number, &wire)) == 0) {
    rc = number == 1 && wire == WIRE_START ? entry(r, sink, keys, values)
                                           : peri_protostuff_bad(r, "no entry of a map");
  }
  return rc != 1 ? rc : sink->ops->map_end(sink->self);
}

int peri_protostuff_attachments(reader *r, peri_sink *sink, uint32_t group) {
  static const peri_java_type text = {.kind = PERI_JAVA_STRING};
  int rc = enter(r);
  rc = rc != 0 ? rc : entries(r, sink, &text, NULL, group);
  r->depth--;
  return rc;
}

// ---- what says itself what it is ----------------------------------------------------------------

static int named(reader *r, peri_sink *sink, uint32_t first, uint32_t group) {
  peri_bytes name;
  int rc = peri_protostuff_bytes(r, &name);
  return rc != 0 ? rc : object(r, sink, name, first, group);
}

static int enum_value(reader *r, peri_sink *sink, uint32_t group) {
  peri_bytes name;
  uint32_t number;
  unsigned wire;
  int rc = peri_protostuff_bytes(r, &name);
  rc = rc != 0 ? rc : peri_protostuff_tag(r, &number, &wire);
  rc = rc == 0 && (number != 1 || wire != WIRE_VARINT) ? peri_protostuff_bad(r, "no constant") : rc;
  rc = rc != 0 ? rc : constant(r, sink, name, peri_protostuff_class(name));
  return rc != 0 ? rc : expect_end(r, group);
}

static int map_value(reader *r, peri_sink *sink, uint32_t group) {
  peri_bytes name;
  int rc = peri_protostuff_bytes(r, &name);
  return rc != 0 ? rc : entries(r, sink, NULL, NULL, group);
}

static int empty_object(reader *r, peri_sink *sink, uint32_t group) {
  uint64_t zero;
  int rc = peri_protostuff_varint(r, &zero);
  rc = rc != 0 ? rc : sink->ops->map_begin(sink->self, 0);
  rc = rc != 0 ? rc : sink->ops->map_end(sink->self);
  return rc != 0 ? rc : expect_end(r, group);
}

static int content(reader *r, peri_sink *sink, uint32_t id, unsigned wire, uint32_t group) {
  if (id <= PERI_JAVA_DATE) {
    int rc = peri_protostuff_scalar(r, sink, (peri_java_kind)id, wire);
    return rc != 0 ? rc : expect_end(r, group);
  }
  if (wire != (id == ID_OBJECT || id == ID_ARRAY_SCALAR ? WIRE_VARINT : WIRE_BYTES)) {
    return peri_protostuff_bad(r, "a value that does not say what it is");
  }
  switch (id) {
  case ID_ARRAY: return array(r, sink, group);
  case ID_OBJECT: return empty_object(r, sink, group);
  case ID_ENUM: return enum_value(r, sink, group);
  case ID_COLLECTION: return collection(r, sink, group);
  case ID_MAP: return map_value(r, sink, group);
  case ID_ARRAY_SCALAR: return scalar_array(r, sink, group);
  case ID_ARRAY_ENUM:
  case ID_ARRAY_POJO: return class_array(r, sink, group);
  case ID_THROWABLE: return named(r, sink, THROWABLE_FIELDS, group);
  case ID_POJO: return named(r, sink, 0, group);
  default:
    return peri_fail(r->err, PERI_EBAD_REQUEST, "protostuff: values of kind %u cannot be read here",
                     id);
  }
}

static int any(reader *r, peri_sink *sink, uint32_t group) {
  uint32_t id;
  unsigned wire;
  int rc = enter(r);
  rc = rc != 0 ? rc : peri_protostuff_tag(r, &id, &wire);
  rc = rc != 0 ? rc : content(r, sink, id, wire, group);
  r->depth--;
  return rc;
}

// ---- what is declared ---------------------------------------------------------------------------

static int class_value(reader *r, peri_sink *sink, peri_bytes name, uint32_t number,
                       unsigned wire) {
  const peri_class *class = peri_protostuff_class(name);
  if (wire == WIRE_VARINT) {
    return constant(r, sink, name, class);
  }
  if (wire != WIRE_START) {
    return peri_protostuff_bad(r, "a field of another type than declared");
  }
  if (class == NULL && name.len > 5 && memcmp(name.ptr, "java.", 5) == 0) {
    return any(r, sink, number);
  }
  int rc = enter(r);
  rc = rc != 0 ? rc : object(r, sink, name, 0, number);
  r->depth--;
  return rc;
}

static int declared_array(reader *r, peri_sink *sink, const peri_java_type *of, uint32_t number) {
  bool inlined = of != NULL && of->kind != PERI_JAVA_ANY && of->kind <= PERI_JAVA_CLASS;
  if (!inlined) {
    return any(r, sink, number);
  }
  int rc = enter(r);
  rc = rc != 0 ? rc : elements(r, sink, of, number);
  r->depth--;
  return rc;
}

static int declared_map(reader *r, peri_sink *sink, const peri_java_type *type, uint32_t number) {
  const peri_java_type *keys = type->first;
  int rc = enter(r);
  rc = rc != 0 ? rc
               : entries(r, sink, keys != NULL && keys->kind <= PERI_JAVA_CLASS ? keys : NULL,
                         type->second, number);
  r->depth--;
  return rc;
}

// A list or map says itself what it is, unless it is a field.
static int typed(reader *r, peri_sink *sink, const peri_java_type *type, uint32_t number,
                 unsigned wire) {
  peri_java_kind kind = type != NULL ? type->kind : PERI_JAVA_ANY;
  if (kind != PERI_JAVA_ANY && kind <= PERI_JAVA_DATE) {
    return peri_protostuff_scalar(r, sink, kind, wire);
  }
  if (kind == PERI_JAVA_CLASS) {
    return class_value(r, sink, type->name, number, wire);
  }
  if (wire != WIRE_START) {
    return peri_protostuff_bad(r, "a field of another type than declared");
  }
  return kind == PERI_JAVA_ARRAY ? declared_array(r, sink, type->first, number)
                                 : any(r, sink, number);
}

// A list in a class: its elements one after another under the field's number.
static int repeated(reader *r, peri_sink *sink, const peri_java_type *type, uint32_t number,
                    unsigned wire) {
  int rc = sink->ops->list_begin(sink->self, PERI_COUNT_UNKNOWN);
  bool more = true;
  while (rc == 0 && more) {
    rc = count_element(r);
    rc = rc != 0 ? rc : typed(r, sink, type->first, number, wire);
    const uint8_t *at = r->at;
    uint32_t next;
    more = rc == 0 && r->at < r->end && peri_protostuff_tag(r, &next, &wire) == 0 &&
           next == number && wire != WIRE_END;
    r->at = more ? r->at : at;
  }
  return rc != 0 ? rc : sink->ops->list_end(sink->self);
}

static int field(reader *r, peri_sink *sink, const peri_java_type *type, uint32_t number,
                 unsigned wire) {
  if (type->kind == PERI_JAVA_LIST) {
    return repeated(r, sink, type, number, wire);
  }
  return type->kind == PERI_JAVA_MAP && wire == WIRE_START ? declared_map(r, sink, type, number)
                                                           : typed(r, sink, type, number, wire);
}

static int throwable_field(reader *r, peri_sink *sink, uint32_t number, unsigned wire) {
  if (number == THROWABLE_MESSAGE && wire == WIRE_BYTES) {
    int rc = sink->ops->key(sink->self, "detailMessage", 13);
    return rc != 0 ? rc : peri_protostuff_scalar(r, sink, PERI_JAVA_STRING, wire);
  }
  if (number == THROWABLE_CAUSE && wire == WIRE_START) {
    int rc = sink->ops->key(sink->self, "cause", 5);
    return rc != 0 ? rc : any(r, sink, number);
  }
  return peri_protostuff_skip(r, number, wire);  // the stack trace
}

// The fields of a class, from `first` + 1 on; before are those of Throwable.
static int message(reader *r, peri_sink *sink, const peri_class *class, uint32_t first,
                   uint32_t group) {
  uint32_t number;
  unsigned wire;
  int rc = sink->ops->map_begin(sink->self, PERI_COUNT_UNKNOWN);
  while (rc == 0 && (rc = next_field(r, group, &number, &wire)) == 0) {
    uint32_t at = number - first - 1;
    if (number <= first) {
      rc = throwable_field(r, sink, number, wire);
    } else if (class == NULL || class->is_enum || at >= class->count) {
      rc = peri_protostuff_skip(r, number, wire);
    } else {
      const peri_java_type *type = &class->types[at];
      rc = count_element(r);
      rc = rc != 0 ? rc
                   : sink->ops->key(sink->self, (const char *)class->names[at].ptr,
                                    class->names[at].len);
      rc = rc != 0 ? rc : field(r, sink, type, number, wire);
    }
  }
  return rc != 1 ? rc : sink->ops->map_end(sink->self);
}

int peri_protostuff_decode_object(peri_bytes in, peri_bytes class_name,
                                  const peri_value_limits *limits, peri_sink *sink, peri_err *err) {
  reader r;
  peri_protostuff_reader_init(&r, in, limits, err);
  return object(&r, sink, class_name, 0, 0);
}

int peri_protostuff_decode(peri_bytes in, const peri_value_limits *limits, peri_sink *sink,
                           size_t *used, peri_err *err) {
  reader r;
  peri_protostuff_reader_init(&r, in, limits, err);
  int rc = any(&r, sink, 0);
  if (rc == 0 && used != NULL) {
    *used = (size_t)(r.at - r.start);
  }
  return rc;
}
