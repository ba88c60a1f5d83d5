// SPDX-License-Identifier: MIT
// Scalars behind their tags.
#include <string.h>

#include "protocol/serializer/hessian2/bigint.h"
#include "protocol/serializer/protostuff/write.h"

static void put_fixed(peri_buf *out, uint64_t bits, size_t size) {
  uint8_t *at = peri_buf_reserve(out, size);
  for (size_t i = 0; i < size; i++) {
    at[i] = (uint8_t)(bits >> (8 * i));
  }
  out->len += size;
}

static bool put_bigint(encoder *e, peri_bytes text) {
  peri_bigint number;
  uint8_t bytes[4 * PERI_BIGINT_WORDS + 1] = {0};
  if (!peri_bigint_parse((const char *)text.ptr, text.len, &number)) {
    return false;
  }
  size_t size = 4 * (size_t)number.count + 1;
  for (size_t i = 0; i + 1 < size; i++) {
    bytes[1 + i] = (uint8_t)(number.words[i / 4] >> (24 - 8 * (i % 4)));
  }
  for (size_t i = size, carry = 1; number.negative && i-- > 0;) {
    carry += (uint8_t)~bytes[i];
    bytes[i] = (uint8_t)carry;
    carry >>= 8;
  }
  size_t at = 0;  // what only repeats the sign
  while (at + 1 < size && ((bytes[at] == 0 && bytes[at + 1] < 0x80) ||
                           (bytes[at] == 0xff && bytes[at + 1] >= 0x80))) {
    at++;
  }
  peri_protostuff_put_varint(e->out, size - at);
  peri_buf_add(e->out, bytes + at, size - at);
  return true;
}

static bool put_bytes(encoder *e, const scalar *s) {
  if (s->is != TEXT && s->is != BINARY) {
    return false;
  }
  peri_protostuff_put_varint(e->out, s->bytes.len);
  peri_buf_add(e->out, s->bytes.ptr, s->bytes.len);
  return true;
}

static bool put_char(encoder *e, const scalar *s) {
  const uint8_t *at = s->bytes.ptr;
  uint32_t unit = 0;
  if (s->is != TEXT || s->bytes.len == 0 || s->bytes.len > 3) {
    return false;
  }
  switch (s->bytes.len) {
  case 1: unit = at[0]; break;
  case 2: unit = (uint32_t)(at[0] & 0x1f) << 6 | (at[1] & 0x3f); break;
  default: unit = (uint32_t)(at[0] & 15) << 12 | (uint32_t)(at[1] & 0x3f) << 6 | (at[2] & 0x3f);
  }
  peri_protostuff_put_varint(e->out, unit);
  return true;
}

static bool put_real(encoder *e, peri_java_kind kind, const scalar *s) {
  double value = s->is == INTEGER ? (double)s->integer : s->number;
  if (s->is != INTEGER && s->is != NUMBER) {
    return false;
  }
  uint64_t bits = 0;
  if (kind == PERI_JAVA_DATE) {
    bits = s->is == INTEGER ? (uint64_t)s->integer : (uint64_t)(int64_t)value;
  } else if (kind == PERI_JAVA_DOUBLE) {
    memcpy(&bits, &value, sizeof value);
  } else {
    float small = (float)value;
    memcpy(&bits, &small, sizeof small);
  }
  put_fixed(e->out, bits, kind == PERI_JAVA_FLOAT ? 4 : 8);
  return true;
}

bool peri_protostuff_put_payload(encoder *e, peri_java_kind kind, const scalar *s) {
  int64_t limit = kind == PERI_JAVA_BYTE    ? 1 << 7
                  : kind == PERI_JAVA_SHORT ? 1 << 15
                                            : INT64_C(1) << 31;
  switch (kind) {
  case PERI_JAVA_BOOLEAN:
    peri_protostuff_put_varint(e->out, s->integer != 0);
    return s->is == BOOLEAN;
  case PERI_JAVA_BYTE:
  case PERI_JAVA_SHORT:
    peri_protostuff_put_varint(e->out, (uint32_t)s->integer);
    return s->is == INTEGER && s->integer >= -limit && s->integer < limit;
  case PERI_JAVA_INT:
    peri_protostuff_put_varint(e->out, (uint64_t)s->integer);
    return s->is == INTEGER && s->integer >= -limit && s->integer < limit;
  case PERI_JAVA_LONG:
    peri_protostuff_put_varint(e->out, (uint64_t)s->integer);
    return s->is == INTEGER;
  case PERI_JAVA_CHAR: return put_char(e, s);
  case PERI_JAVA_BIGINT: return s->is == TEXT && put_bigint(e, s->bytes);
  case PERI_JAVA_FLOAT:
  case PERI_JAVA_DOUBLE:
  case PERI_JAVA_DATE: return put_real(e, kind, s);
  default: return put_bytes(e, s);
  }
}
