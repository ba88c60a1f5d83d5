// SPDX-License-Identifier: MIT
// Maps into sinks.
#include "protocol/serializer/protostuff/names.h"
#include "protocol/serializer/protostuff/read.h"
#include "protocol/serializer/utf8.h"

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
    return rc != 0 || !open ? rc : peri_protostuff_expect_end(r, number);
  }
  r->at = at;
  rc = rc != 0 ? rc : sink->ops->any_key(sink->self);
  return rc != 0 ? rc : peri_protostuff_typed(r, sink, type, number, wire);
}

static int entry(reader *r, peri_sink *sink, const peri_java_type *keys,
                 const peri_java_type *values) {
  uint32_t number;
  unsigned wire;
  int rc = peri_protostuff_tag(r, &number, &wire);
  rc = rc == 0 && number != 1 ? peri_protostuff_bad(r, "an entry without a key") : rc;
  rc = rc != 0 ? rc : peri_protostuff_count_element(r);
  rc = rc != 0 ? rc : key(r, sink, keys, number, wire);
  rc = rc != 0 ? rc : peri_protostuff_next_field(r, 1, &number, &wire);
  if (rc == 1) {
    return sink->ops->null(sink->self);
  }
  rc = rc == 0 && number != 2 ? peri_protostuff_bad(r, "no value of an entry") : rc;
  rc = rc != 0 ? rc : peri_protostuff_typed(r, sink, values, number, wire);
  return rc != 0 ? rc : peri_protostuff_expect_end(r, 1);
}

int peri_protostuff_entries(reader *r, peri_sink *sink, const peri_java_type *keys,
                            const peri_java_type *values, uint32_t group) {
  uint32_t number;
  unsigned wire;
  int rc = sink->ops->map_begin(sink->self, PERI_COUNT_UNKNOWN);
  while (rc == 0 && (rc = peri_protostuff_next_field(r, group, &number, &wire)) == 0) {
    rc = number == 1 && wire == WIRE_START ? entry(r, sink, keys, values)
                                           : peri_protostuff_bad(r, "no entry of a map");
  }
  return rc != 1 ? rc : sink->ops->map_end(sink->self);
}

// ---- maps that say what they are ----------------------------------------------------------------

int peri_protostuff_name_map(peri_sink *sink, peri_bytes name) {
  int rc = sink->ops->type(sink->self, (const char *)name.ptr, name.len);
  if (rc == 1 && sink->ops->graph != NULL && sink->ops->graph->dictionary != NULL) {
    rc = sink->ops->graph->dictionary(sink->self);
  }
  return rc < 0 ? rc : 0;
}

static int name_dictionary(reader *r, peri_sink *sink, peri_bytes wire) {
  peri_protostuff_name name;
  wire = peri_protostuff_usual_name(wire, "HashMap");
  if (wire.len == 0 || peri_bytes_equal(wire, peri_bytes_of("HashMap"))) {
    return 0;
  }
  if (!peri_protostuff_full_name(wire, &name)) {
    return peri_protostuff_bad(r, "the name of a class is too long");
  }
  int rc = sink->ops->type(sink->self, name.text, name.len);
  if (rc >= 0 && sink->ops->graph != NULL && sink->ops->graph->dictionary != NULL) {
    rc = sink->ops->graph->dictionary(sink->self);
  }
  return rc < 0 ? rc : 0;
}

int peri_protostuff_map(reader *r, peri_sink *sink, uint32_t group) {
  peri_bytes name;
  int rc = peri_protostuff_bytes(r, &name);
  rc = rc != 0 ? rc : name_dictionary(r, sink, name);
  return rc != 0 ? rc : peri_protostuff_entries(r, sink, NULL, NULL, group);
}

// It has the order of its constants, and no form that could be written without their class.
int peri_protostuff_enum_map(reader *r, peri_sink *sink, uint32_t group) {
  peri_bytes name;
  int rc = peri_protostuff_bytes(r, &name);
  rc = rc != 0 ? rc : name_dictionary(r, sink, peri_bytes_of("LinkedHashMap"));
  return rc != 0 ? rc : peri_protostuff_entries(r, sink, NULL, NULL, group);
}

// ---- what java.util.Collections wraps -----------------------------------------------------------

enum {  // the field that says how
  EMPTY_MAP = 1,
  SINGLETON_MAP = 2,
  CHECKED_LAST = 8,
};

// The key under 1, the value under 3; what is null is left out.
static int singleton(reader *r, peri_sink *sink, uint32_t group) {
  uint32_t number;
  unsigned wire;
  int rc = peri_protostuff_expect(r, 1, WIRE_START, "an entry without a key");
  rc = rc != 0 ? rc : peri_protostuff_count_element(r);
  rc = rc != 0 ? rc : key(r, sink, NULL, 1, WIRE_START);
  rc = rc != 0 ? rc : peri_protostuff_next_field(r, group, &number, &wire);
  if (rc == 1) {
    return sink->ops->null(sink->self);
  }
  rc = rc == 0 && (number != 3 || wire != WIRE_START)
           ? peri_protostuff_bad(r, "no value of an entry")
           : rc;
  rc = rc != 0 ? rc : peri_protostuff_any(r, sink, number);
  return rc != 0 ? rc : peri_protostuff_expect_end(r, group);
}

static int few(reader *r, peri_sink *sink, uint32_t how, uint32_t group) {
  uint64_t zero;
  int rc = peri_protostuff_varint(r, &zero);
  rc = rc != 0 ? rc : sink->ops->map_begin(sink->self, how == EMPTY_MAP ? 0 : 1);
  rc = rc != 0            ? rc
       : how == EMPTY_MAP ? peri_protostuff_expect_end(r, group)
                          : singleton(r, sink, group);
  return rc != 0 ? rc : sink->ops->map_end(sink->self);
}

int peri_protostuff_map_wrapper(reader *r, peri_sink *sink, uint32_t group) {
  uint64_t zero;
  uint32_t how;
  unsigned wire;
  int rc = peri_protostuff_varint(r, &zero);
  rc = rc != 0 ? rc : peri_protostuff_tag(r, &how, &wire);
  if (rc != 0) {
    return rc;
  }
  if (wire == WIRE_VARINT && how <= SINGLETON_MAP) {
    return few(r, sink, how, group);
  }
  return wire == WIRE_START && how <= CHECKED_LAST
             ? peri_protostuff_wrapped(r, sink, how, group)
             : peri_protostuff_bad(r, "an unknown kind of map");
}
