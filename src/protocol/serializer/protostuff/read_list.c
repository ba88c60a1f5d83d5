// SPDX-License-Identifier: MIT
// Collections and arrays into sinks.
#include <string.h>

#include "protocol/serializer/protostuff/names.h"
#include "protocol/serializer/protostuff/read.h"

static int name_list(peri_sink *sink, const peri_protostuff_name *name) {
  int rc = sink->ops->type(sink->self, name->text, name->len);
  return rc < 0 ? rc : 0;
}

static int too_long(reader *r) {
  return peri_protostuff_bad(r, "the name of a class is too long");
}

// ---- arrays of one type -------------------------------------------------------------------------

static int nulls(reader *r, peri_sink *sink, uint64_t count) {
  int rc = 0;
  while (rc == 0 && count-- > 0) {
    rc = peri_protostuff_count_element(r);
    rc = rc != 0 ? rc : sink->ops->null(sink->self);
  }
  return rc;
}

// Scalars, enums and objects one after another under number 2, runs of nulls as counts under 3.
int peri_protostuff_elements(reader *r, peri_sink *sink, const peri_java_type *type,
                             uint32_t group) {
  uint32_t number;
  unsigned wire;
  uint64_t count;
  int rc = peri_protostuff_expect(r, 1, WIRE_VARINT, "expected the length of an array");
  rc = rc != 0 ? rc : peri_protostuff_varint(r, &count);
  rc = rc != 0 ? rc : sink->ops->list_begin(sink->self, PERI_COUNT_UNKNOWN);
  while (rc == 0 && (rc = peri_protostuff_next_field(r, group, &number, &wire)) == 0) {
    if (number == 2) {
      rc = peri_protostuff_count_element(r);
      rc = rc != 0 ? rc : peri_protostuff_typed(r, sink, type, number, wire);
      continue;
    }
    rc = number == 3 && wire == WIRE_VARINT ? peri_protostuff_varint(r, &count)
                                            : peri_protostuff_bad(r, "no element of an array");
    rc = rc != 0 ? rc : nulls(r, sink, count);
  }
  return rc != 1 ? rc : sink->ops->list_end(sink->self);
}

int peri_protostuff_scalar_array(reader *r, peri_sink *sink, uint32_t group) {
  uint64_t id;
  int rc = peri_protostuff_varint(r, &id);
  peri_java_type type = {.kind = id < 16   ? (peri_java_kind)(1 + (id & 7))
                                 : id < 22 ? (peri_java_kind)(id - 7)
                                           : PERI_JAVA_ANY};
  if (rc == 0 && type.kind == PERI_JAVA_ANY) {
    return peri_protostuff_bad(r, "an array of an unknown type");
  }
  peri_protostuff_name name;
  if (rc == 0 && peri_protostuff_inlined_name(id, &name)) {
    rc = name_list(sink, &name);
  }
  return rc != 0 ? rc : peri_protostuff_elements(r, sink, &type, group);
}

int peri_protostuff_class_array(reader *r, peri_sink *sink, uint32_t group) {
  peri_java_type type = {.kind = PERI_JAVA_CLASS};
  peri_protostuff_name name;
  int rc = peri_protostuff_bytes(r, &type.name);
  rc = rc != 0 || peri_protostuff_array_name(type.name, 1, &name) ? rc : too_long(r);
  rc = rc != 0 ? rc : name_list(sink, &name);
  return rc != 0 ? rc : peri_protostuff_elements(r, sink, &type, group);
}

// ---- values that say what they are --------------------------------------------------------------

// Under number 1; `least` where the rest of them are null.
static int items(reader *r, peri_sink *sink, uint64_t least, uint32_t group) {
  uint32_t number;
  unsigned wire;
  uint64_t count = 0;
  int rc = sink->ops->list_begin(sink->self, PERI_COUNT_UNKNOWN);
  while (rc == 0 && (rc = peri_protostuff_next_field(r, group, &number, &wire)) == 0) {
    rc = number == 1 && wire == WIRE_START ? peri_protostuff_count_element(r)
                                           : peri_protostuff_bad(r, "no element of a collection");
    rc = rc != 0 ? rc : peri_protostuff_any(r, sink, 1);
    count++;
  }
  if (rc == 1 && count < least) {
    int code = nulls(r, sink, least - count);
    rc = code != 0 ? code : 1;
  }
  return rc != 1 ? rc : sink->ops->list_end(sink->self);
}

int peri_protostuff_array(reader *r, peri_sink *sink, uint32_t group) {
  peri_bytes component;
  uint64_t length = 0;
  uint64_t dimensions = 0;
  peri_protostuff_name name;
  int rc = peri_protostuff_bytes(r, &component);
  rc = rc != 0 ? rc : peri_protostuff_expect(r, 3, WIRE_VARINT, "expected the size of an array");
  rc = rc != 0 ? rc : peri_protostuff_varint(r, &length);
  rc = rc != 0 ? rc : peri_protostuff_expect(r, 2, WIRE_VARINT, "expected the size of an array");
  rc = rc != 0 ? rc : peri_protostuff_varint(r, &dimensions);
  rc = rc != 0 || peri_protostuff_array_name(component, dimensions, &name) ? rc : too_long(r);
  rc = rc != 0 ? rc : name_list(sink, &name);
  return rc != 0 ? rc : items(r, sink, length, group);
}

static int name_collection(reader *r, peri_sink *sink, peri_bytes wire) {
  peri_protostuff_name name;
  wire = peri_protostuff_usual_name(wire, "ArrayList");
  if (wire.len == 0 || peri_bytes_equal(wire, peri_bytes_of("ArrayList"))) {
    return 0;
  }
  return peri_protostuff_full_name(wire, &name) ? name_list(sink, &name) : too_long(r);
}

int peri_protostuff_collection(reader *r, peri_sink *sink, uint32_t group) {
  peri_bytes name;
  int rc = peri_protostuff_bytes(r, &name);
  rc = rc != 0 ? rc : name_collection(r, sink, name);
  return rc != 0 ? rc : items(r, sink, 0, group);
}

// Its class is Java's own business: what is in it are constants that say themselves what they are.
int peri_protostuff_enum_set(reader *r, peri_sink *sink, uint32_t group) {
  peri_bytes name;
  int rc = peri_protostuff_bytes(r, &name);
  rc = rc != 0 ? rc : name_collection(r, sink, peri_bytes_of("LinkedHashSet"));
  return rc != 0 ? rc : items(r, sink, 0, group);
}

// ---- what java.util.Collections wraps -----------------------------------------------------------

enum {  // the field that says how
  EMPTY_SET = 1,
  EMPTY_LIST = 2,
  SINGLETON_SET = 3,
  SINGLETON_LIST = 4,
  COPIES_LIST = 6,  // not read: a few bytes might say a lot
  CHECKED_LAST = 21,
};

// The value under `number`, or null, up to the end of the group.
static int one(reader *r, peri_sink *sink, uint32_t number, uint32_t group) {
  uint32_t found;
  unsigned wire;
  int rc = peri_protostuff_next_field(r, group, &found, &wire);
  if (rc == 1) {
    return sink->ops->null(sink->self);
  }
  rc = rc == 0 && (found != number || wire != WIRE_START)
           ? peri_protostuff_bad(r, "no element of a collection")
           : rc;
  rc = rc != 0 ? rc : peri_protostuff_any(r, sink, number);
  return rc != 0 ? rc : peri_protostuff_expect_end(r, group);
}

static int few(reader *r, peri_sink *sink, uint32_t how, uint32_t group) {
  uint64_t zero;
  bool empty = how == EMPTY_SET || how == EMPTY_LIST;
  int rc = peri_protostuff_varint(r, &zero);
  if (rc == 0 && (how == EMPTY_SET || how == SINGLETON_SET)) {
    rc = name_collection(r, sink, peri_bytes_of("HashSet"));
  }
  rc = rc != 0 ? rc : sink->ops->list_begin(sink->self, empty ? 0 : 1);
  rc = rc != 0 ? rc : empty ? peri_protostuff_expect_end(r, group) : one(r, sink, 1, group);
  return rc != 0 ? rc : sink->ops->list_end(sink->self);
}

int peri_protostuff_wrapped(reader *r, peri_sink *sink, uint32_t number, uint32_t group) {
  uint32_t further;
  unsigned wire;
  int rc = peri_protostuff_any(r, sink, number);
  while (rc == 0 && (rc = peri_protostuff_next_field(r, group, &further, &wire)) == 0) {
    rc = peri_protostuff_skip(r, further, wire);
  }
  return rc < 0 ? rc : 0;
}

int peri_protostuff_collection_wrapper(reader *r, peri_sink *sink, uint32_t group) {
  uint64_t zero;
  uint32_t how;
  unsigned wire;
  int rc = peri_protostuff_varint(r, &zero);
  rc = rc != 0 ? rc : peri_protostuff_tag(r, &how, &wire);
  if (rc != 0) {
    return rc;
  }
  if (wire == WIRE_VARINT && how <= SINGLETON_LIST) {
    return few(r, sink, how, group);
  }
  return wire == WIRE_START && how > COPIES_LIST && how <= CHECKED_LAST
             ? peri_protostuff_wrapped(r, sink, how, group)
             : peri_protostuff_bad(r, "an unknown kind of collection");
}
