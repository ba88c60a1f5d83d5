// SPDX-License-Identifier: MIT
// Fields, whatever they mean.
#include "base/limit.h"
#include "protocol/serializer/protostuff/read.h"

void peri_protostuff_reader_init(peri_protostuff_reader *r, peri_bytes in,
                                 const peri_value_limits *limits, peri_err *err) {
  const uint8_t *start = in.ptr != NULL ? in.ptr : (const uint8_t *)"";
  *r = (peri_protostuff_reader){.at = start,
                                .start = start,
                                .end = start + in.len,
                                .err = err,
                                .max_depth = peri_value_depth(limits),
                                .elements = limits->elements,
                                .max_string = limits->string};
}

int peri_protostuff_bad(const peri_protostuff_reader *r, const char *what) {
  return peri_fail(r->err, PERI_EBAD_REQUEST, "protostuff: %s at offset %zu",
                   r->at == r->end ? "input ends early" : what, (size_t)(r->at - r->start));
}

int peri_protostuff_varint(peri_protostuff_reader *r, uint64_t *value) {
  *value = 0;
  for (unsigned shift = 0; shift < 70; shift += 7) {
    if (r->at == r->end) {
      return peri_protostuff_bad(r, "");
    }
    uint8_t byte = *r->at++;
    *value |= shift < 64 ? (uint64_t)(byte & 0x7f) << shift : 0;
    if ((byte & 0x80) == 0) {
      return 0;
    }
  }
  return peri_protostuff_bad(r, "a number of more than ten bytes");
}

int peri_protostuff_tag(peri_protostuff_reader *r, uint32_t *number, unsigned *wire) {
  uint64_t tag;
  int rc = peri_protostuff_varint(r, &tag);
  if (rc == 0 && (tag >> 3 == 0 || tag >> 3 > 0x1fffffff || (tag & 7) > WIRE_FIXED32)) {
    rc = peri_protostuff_bad(r, "no tag of a field");
  }
  *number = (uint32_t)(tag >> 3);
  *wire = (unsigned)(tag & 7);
  return rc;
}

int peri_protostuff_bytes(peri_protostuff_reader *r, peri_bytes *bytes) {
  uint64_t len;
  int rc = peri_protostuff_varint(r, &len);
  if (rc != 0) {
    return rc;
  }
  if (len > (uint64_t)(r->end - r->at)) {
    r->at = r->end;
    return peri_protostuff_bad(r, "");
  }
  if (len > r->max_string) {
    peri_limit_hit(PERI_LIMIT_VALUE_STRING);
    return peri_fail(r->err, PERI_ETOO_BIG, "protostuff: string over value_string at offset %zu",
                     (size_t)(r->at - r->start));
  }
  *bytes = (peri_bytes){r->at, (size_t)len};
  r->at += len;
  return 0;
}

static int skip_group(peri_protostuff_reader *r, uint32_t group) {
  if (r->depth == r->max_depth) {
    peri_limit_hit(PERI_LIMIT_VALUE_DEPTH);
    return peri_fail(r->err, PERI_ETOO_BIG, "protostuff: nested deeper than value_depth");
  }
  r->depth++;
  for (;;) {
    uint32_t number;
    unsigned wire;
    int rc = peri_protostuff_tag(r, &number, &wire);
    if (rc == 0 && wire == WIRE_END) {
      r->depth--;
      return number == group ? 0 : peri_protostuff_bad(r, "the end of another message");
    }
    rc = rc != 0 ? rc : peri_protostuff_skip(r, number, wire);
    if (rc != 0) {
      return rc;
    }
  }
}

int peri_protostuff_skip(peri_protostuff_reader *r, uint32_t number, unsigned wire) {
  uint64_t ignored;
  size_t size = wire == WIRE_FIXED64 ? 8 : 4;
  switch (wire) {
  case WIRE_VARINT: return peri_protostuff_varint(r, &ignored);
  case WIRE_START: return skip_group(r, number);
  case WIRE_END: return peri_protostuff_bad(r, "the end of a message that has not begun");
  case WIRE_BYTES:
    if (peri_protostuff_varint(r, &ignored) != 0 || ignored > (uint64_t)(r->end - r->at)) {
      r->at = r->end;
      return peri_protostuff_bad(r, "");
    }
    r->at += ignored;
    return 0;
  default:
    if ((size_t)(r->end - r->at) < size) {
      r->at = r->end;
      return peri_protostuff_bad(r, "");
    }
    r->at += size;
    return 0;
  }
}

int peri_protostuff_enter(peri_protostuff_reader *r) {
  if (r->depth == r->max_depth) {
    peri_limit_hit(PERI_LIMIT_VALUE_DEPTH);
    return peri_fail(r->err, PERI_ETOO_BIG, "protostuff: nested deeper than value_depth");
  }
  r->depth++;
  return 0;
}

int peri_protostuff_count_element(peri_protostuff_reader *r) {
  if (r->elements == 0) {
    peri_limit_hit(PERI_LIMIT_VALUE_ELEMENTS);
    return peri_fail(r->err, PERI_ETOO_BIG, "protostuff: more elements than value_elements");
  }
  r->elements--;
  return 0;
}

int peri_protostuff_expect_end(peri_protostuff_reader *r, uint32_t group) {
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

int peri_protostuff_next_field(peri_protostuff_reader *r, uint32_t group, uint32_t *number,
                               unsigned *wire) {
  if (group == 0 && r->at == r->end) {
    return 1;
  }
  int rc = peri_protostuff_tag(r, number, wire);
  if (rc == 0 && *wire == WIRE_END) {
    return *number == group ? 1 : peri_protostuff_bad(r, "the end of another message");
  }
  return rc;
}

int peri_protostuff_expect(peri_protostuff_reader *r, uint32_t number, unsigned wire,
                           const char *what) {
  uint32_t found;
  unsigned found_wire;
  int rc = peri_protostuff_tag(r, &found, &found_wire);
  return rc != 0 || (found == number && found_wire == wire) ? rc : peri_protostuff_bad(r, what);
}
