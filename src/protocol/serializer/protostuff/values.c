// SPDX-License-Identifier: MIT
// Values into sinks.
#include "protocol/serializer/protostuff/read.h"

#include <string.h>

static int message(reader *r, peri_sink *sink, const peri_class *class, uint32_t first,
                   uint32_t group);

static int undeclared(reader *r, peri_bytes name, const char *what) {
  return peri_fail(r->err, PERI_EBAD_REQUEST,
                   "protostuff: %s of %.*s are not known here; declare the class in "
                   "perilune.interface, with its fields in order",
                   what, (int)(name.len < 200 ? name.len : 200), (const char *)name.ptr);
}

// ---- enums and objects --------------------------------------------------------------------------

static int constant(reader *r, peri_sink *sink, peri_bytes name, const peri_class *class) {
  uint64_t ordinal;
  int rc = peri_protostuff_varint(r, &ordinal);
  if (rc == 0 && (class == NULL || !class->is_enum || ordinal >= class->count)) {
    return undeclared(r, name, "the constants");
  }
  rc = rc != 0 ? rc : peri_protostuff_name_map(sink, name);
  rc = rc != 0 ? rc : sink->ops->map_begin(sink->self, 1);
  rc = rc != 0 ? rc : sink->ops->key(sink->self, "name", 4);
  if (rc == 0) {
    peri_bytes text = class->names[ordinal];
    rc = sink->ops->string(sink->self, (const char *)text.ptr, text.len);
  }
  return rc != 0 ? rc : sink->ops->map_end(sink->self);
}

static int object(reader *r, peri_sink *sink, peri_bytes name, uint32_t first, uint32_t group) {
  const peri_class *class = peri_protostuff_class(name);
  if (first == 0 && (class == NULL || class->is_enum)) {
    return undeclared(r, name, "the fields");
  }
  int rc = peri_protostuff_name_map(sink, name);
  return rc != 0 ? rc : message(r, sink, class, first, group);
}

int peri_protostuff_attachments(reader *r, peri_sink *sink, uint32_t group) {
  static const peri_java_type text = {.kind = PERI_JAVA_STRING};
  int rc = peri_protostuff_enter(r);
  rc = rc != 0 ? rc : peri_protostuff_entries(r, sink, &text, NULL, group);
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
  return rc != 0 ? rc : peri_protostuff_expect_end(r, group);
}

static int empty_object(reader *r, peri_sink *sink, uint32_t group) {
  uint64_t zero;
  int rc = peri_protostuff_varint(r, &zero);
  rc = rc != 0 ? rc : sink->ops->map_begin(sink->self, 0);
  rc = rc != 0 ? rc : sink->ops->map_end(sink->self);
  return rc != 0 ? rc : peri_protostuff_expect_end(r, group);
}

static int content(reader *r, peri_sink *sink, uint32_t id, unsigned wire, uint32_t group) {
  if (id <= PERI_JAVA_DATE) {
    int rc = peri_protostuff_scalar(r, sink, (peri_java_kind)id, wire);
    return rc != 0 ? rc : peri_protostuff_expect_end(r, group);
  }
  bool varint = id == ID_OBJECT || id == ID_ARRAY_SCALAR || id == ID_COLLECTION_WRAPPER ||
                id == ID_MAP_WRAPPER;
  if (wire != (varint ? WIRE_VARINT : WIRE_BYTES)) {
    return peri_protostuff_bad(r, "a value that does not say what it is");
  }
  switch (id) {
  case ID_ARRAY: return peri_protostuff_array(r, sink, group);
  case ID_OBJECT: return empty_object(r, sink, group);
  case ID_ENUM_SET: return peri_protostuff_enum_set(r, sink, group);
  case ID_ENUM_MAP: return peri_protostuff_enum_map(r, sink, group);
  case ID_ENUM: return enum_value(r, sink, group);
  case ID_COLLECTION: return peri_protostuff_collection(r, sink, group);
  case ID_MAP: return peri_protostuff_map(r, sink, group);
  case ID_COLLECTION_WRAPPER: return peri_protostuff_collection_wrapper(r, sink, group);
  case ID_MAP_WRAPPER: return peri_protostuff_map_wrapper(r, sink, group);
  case ID_ARRAY_SCALAR: return peri_protostuff_scalar_array(r, sink, group);
  case ID_ARRAY_ENUM:
  case ID_ARRAY_POJO: return peri_protostuff_class_array(r, sink, group);
  case ID_THROWABLE: return named(r, sink, THROWABLE_FIELDS, group);
  case ID_POJO: return named(r, sink, 0, group);
  default:
    return peri_fail(r->err, PERI_EBAD_REQUEST, "protostuff: values of kind %u cannot be read here",
                     id);
  }
}

int peri_protostuff_any(reader *r, peri_sink *sink, uint32_t group) {
  uint32_t id;
  unsigned wire;
  int rc = peri_protostuff_enter(r);
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
    return peri_protostuff_any(r, sink, number);
  }
  int rc = peri_protostuff_enter(r);
  rc = rc != 0 ? rc : object(r, sink, name, 0, number);
  r->depth--;
  return rc;
}

static int declared_array(reader *r, peri_sink *sink, const peri_java_type *of, uint32_t number) {
  bool inlined = of != NULL && of->kind != PERI_JAVA_ANY && of->kind <= PERI_JAVA_CLASS;
  if (!inlined) {
    return peri_protostuff_any(r, sink, number);
  }
  int rc = peri_protostuff_enter(r);
  rc = rc != 0 ? rc : peri_protostuff_elements(r, sink, of, number);
  r->depth--;
  return rc;
}

static int declared_map(reader *r, peri_sink *sink, const peri_java_type *type, uint32_t number) {
  const peri_java_type *keys = type->first;
  int rc = peri_protostuff_enter(r);
  rc = rc != 0
           ? rc
           : peri_protostuff_entries(r, sink,
                                     keys != NULL && keys->kind <= PERI_JAVA_CLASS ? keys : NULL,
                                     type->second, number);
  r->depth--;
  return rc;
}

// A list or map says itself what it is, unless it is a field.
int peri_protostuff_typed(reader *r, peri_sink *sink, const peri_java_type *type, uint32_t number,
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
                                 : peri_protostuff_any(r, sink, number);
}

// A list in a class: its elements one after another under the field's number.
static int repeated(reader *r, peri_sink *sink, const peri_java_type *type, uint32_t number,
                    unsigned wire) {
  int rc = sink->ops->list_begin(sink->self, PERI_COUNT_UNKNOWN);
  bool more = true;
  while (rc == 0 && more) {
    rc = peri_protostuff_count_element(r);
    rc = rc != 0 ? rc : peri_protostuff_typed(r, sink, type->first, number, wire);
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
  return type->kind == PERI_JAVA_MAP && wire == WIRE_START
             ? declared_map(r, sink, type, number)
             : peri_protostuff_typed(r, sink, type, number, wire);
}

static int throwable_field(reader *r, peri_sink *sink, uint32_t number, unsigned wire) {
  if (number == THROWABLE_MESSAGE && wire == WIRE_BYTES) {
    int rc = sink->ops->key(sink->self, "detailMessage", 13);
    return rc != 0 ? rc : peri_protostuff_scalar(r, sink, PERI_JAVA_STRING, wire);
  }
  if (number == THROWABLE_CAUSE && wire == WIRE_START) {
    int rc = sink->ops->key(sink->self, "cause", 5);
    return rc != 0 ? rc : peri_protostuff_any(r, sink, number);
  }
  return peri_protostuff_skip(r, number, wire);  // the stack trace
}

// The fields of a class, from `first` + 1 on; before are those of Throwable.
static int message(reader *r, peri_sink *sink, const peri_class *class, uint32_t first,
                   uint32_t group) {
  uint32_t number;
  unsigned wire;
  int rc = sink->ops->map_begin(sink->self, PERI_COUNT_UNKNOWN);
  while (rc == 0 && (rc = peri_protostuff_next_field(r, group, &number, &wire)) == 0) {
    uint32_t at = number - first - 1;
    if (number <= first) {
      rc = throwable_field(r, sink, number, wire);
    } else if (class == NULL || class->is_enum || at >= class->count) {
      rc = peri_protostuff_skip(r, number, wire);
    } else {
      const peri_java_type *type = &class->types[at];
      rc = peri_protostuff_count_element(r);
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
  int rc = peri_protostuff_any(&r, sink, 0);
  if (rc == 0 && used != NULL) {
    *used = (size_t)(r.at - r.start);
  }
  return rc;
}
