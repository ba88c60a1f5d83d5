// SPDX-License-Identifier: MIT
// Scalars behind their tags, into sinks.
#include <string.h>

#include "protocol/serializer/hessian2/bigint.h"
#include "protocol/serializer/protostuff/wire.h"
#include "protocol/serializer/utf8.h"

typedef peri_protostuff_reader reader;

static int cast(peri_sink *sink, peri_cast as) {
  const peri_sink_graph *graph = sink->ops->graph;
  return graph != NULL && graph->cast != NULL ? graph->cast(sink->self, as) : 0;
}

static int put_integer(peri_sink *sink, peri_cast as, int64_t value) {
  int rc = cast(sink, as);
  return rc != 0 ? rc : sink->ops->integer(sink->self, value);
}

static int put_text(reader *r, peri_sink *sink, peri_cast as, peri_bytes text) {
  if (!peri_utf8_valid(text.ptr, text.len)) {
    return peri_protostuff_bad(r, "a string that is not UTF-8");
  }
  int rc = as != PERI_CAST_NONE ? cast(sink, as) : 0;
  return rc != 0 ? rc : sink->ops->string(sink->self, (const char *)text.ptr, text.len);
}

static int put_bigint(reader *r, peri_sink *sink, peri_bytes bytes) {
  peri_bigint number = {.negative = bytes.len != 0 && (bytes.ptr[0] & 0x80) != 0};
  char text[PERI_BIGINT_DIGITS + 16];
  size_t words = (bytes.len + 3) / 4;
  if (words > PERI_BIGINT_WORDS || bytes.len == 0) {
    return peri_protostuff_bad(r, "an integer that is empty or too long");
  }
  number.count = (uint32_t)words;
  for (size_t i = 0; i < words * 4; i++) {  // from the lowest byte on
    uint8_t byte = i < bytes.len ? bytes.ptr[bytes.len - 1 - i] : number.negative ? 0xff : 0;
    number.words[words - 1 - i / 4] |= (uint32_t)byte << (8 * (i % 4));
  }
  uint64_t carry = 1;
  for (size_t i = words; number.negative && i-- > 0;) {
    carry += (uint32_t)~number.words[i];
    number.words[i] = (uint32_t)carry;
    carry >>= 32;
  }
  size_t len = peri_bigint_print(&number, text);
  int rc = cast(sink, PERI_CAST_BIGINT);
  return rc != 0 ? rc : sink->ops->string(sink->self, text, len);
}

static int fixed(reader *r, size_t size, uint64_t *bits) {
  if ((size_t)(r->end - r->at) < size) {
    r->at = r->end;
    return peri_protostuff_bad(r, "");
  }
  *bits = 0;
  for (size_t i = 0; i < size; i++) {
    *bits |= (uint64_t)r->at[i] << (8 * i);
  }
  r->at += size;
  return 0;
}

static int put_real(peri_sink *sink, peri_java_kind kind, uint64_t bits) {
  double value;
  if (kind == PERI_JAVA_DATE) {
    return put_integer(sink, PERI_CAST_DATE, (int64_t)bits);
  }
  if (kind == PERI_JAVA_DOUBLE) {
    memcpy(&value, &bits, sizeof value);
  } else {
    float small;
    uint32_t word = (uint32_t)bits;
    memcpy(&small, &word, sizeof small);
    value = (double)small;
  }
  int rc = cast(sink, kind == PERI_JAVA_DOUBLE ? PERI_CAST_DOUBLE : PERI_CAST_FLOAT);
  return rc != 0 ? rc : sink->ops->number(sink->self, value);
}

static int put_varint(peri_sink *sink, peri_java_kind kind, uint64_t bits) {
  uint8_t text[4];
  int rc;
  switch (kind) {
  case PERI_JAVA_BOOLEAN: return sink->ops->boolean(sink->self, bits != 0);
  case PERI_JAVA_BYTE: return put_integer(sink, PERI_CAST_BYTE, (int8_t)bits);
  case PERI_JAVA_SHORT: return put_integer(sink, PERI_CAST_SHORT, (int16_t)bits);
  case PERI_JAVA_INT: return put_integer(sink, PERI_CAST_INT, (int32_t)bits);
  case PERI_JAVA_LONG: return put_integer(sink, PERI_CAST_LONG, (int64_t)bits);
  default: break;
  }
  uint32_t unit = (uint16_t)bits;
  size_t len = peri_utf8_put(text, unit >= 0xd800 && unit < 0xe000 ? 0xfffd : unit);
  rc = cast(sink, PERI_CAST_CHAR);
  return rc != 0 ? rc : sink->ops->string(sink->self, (const char *)text, len);
}

int peri_protostuff_scalar(reader *r, peri_sink *sink, peri_java_kind kind, unsigned wire) {
  uint64_t bits = 0;
  peri_bytes bytes = {NULL, 0};
  if (wire != peri_protostuff_wire(kind)) {
    return peri_protostuff_bad(r, "a field of another type than declared");
  }
  int rc = wire == WIRE_VARINT  ? peri_protostuff_varint(r, &bits)
           : wire == WIRE_BYTES ? peri_protostuff_bytes(r, &bytes)
                                : fixed(r, wire == WIRE_FIXED64 ? 8 : 4, &bits);
  if (rc != 0) {
    return rc;
  }
  switch (kind) {
  case PERI_JAVA_STRING: return put_text(r, sink, PERI_CAST_NONE, bytes);
  case PERI_JAVA_DECIMAL: return put_text(r, sink, PERI_CAST_DECIMAL, bytes);
  case PERI_JAVA_BIGINT: return put_bigint(r, sink, bytes);
  case PERI_JAVA_BYTES:
  case PERI_JAVA_BYTE_STRING: return sink->ops->bytes(sink->self, bytes.ptr, bytes.len);
  case PERI_JAVA_DOUBLE:
  case PERI_JAVA_FLOAT:
  case PERI_JAVA_DATE: return put_real(sink, kind, bits);
  default: return put_varint(sink, kind, bits);
  }
}
