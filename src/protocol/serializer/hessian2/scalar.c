// SPDX-License-Identifier: MIT
// Numbers and dates: their compact and long forms, by the first byte.
#include "protocol/serializer/hessian2/read.h"

static int need(peri_hessian_reader *r, size_t len) {
  return peri_hessian_left(r) >= len ? 0 : peri_hessian_truncated(r);
}

// The first byte and `extra` more as one number, of which the first byte is the top.
static int32_t joined(peri_hessian_reader *r, uint8_t zero, size_t extra) {
  int32_t value = (int32_t)r->at[0] - zero;
  for (size_t i = 1; i <= extra; i++) {
    value = value * 256 + r->at[i];
  }
  r->at += 1 + extra;
  return value;
}

static int32_t wide(peri_hessian_reader *r) {
  int32_t value = (int32_t)peri_get_u32(r->at + 1);
  r->at += 5;
  return value;
}

int peri_hessian_take_int(peri_hessian_reader *r, int32_t *value) {
  uint8_t tag = *r->at;
  size_t extra = tag == 'I' ? 4 : tag < 0xC0 ? 0 : tag < 0xD0 ? 1 : 2;
  int rc = need(r, 1 + extra);
  if (rc == 0) {
    *value = tag == 'I' ? wide(r) : joined(r, tag < 0xC0 ? 0x90 : tag < 0xD0 ? 0xC8 : 0xD4, extra);
  }
  return rc;
}

int peri_hessian_take_long(peri_hessian_reader *r, int64_t *value) {
  uint8_t tag = *r->at;
  size_t extra = tag == 'L' ? 8 : tag == 'Y' ? 4 : tag < 0x40 ? 2 : tag < 0xF0 ? 0 : 1;
  int rc = need(r, 1 + extra);
  if (rc != 0) {
    return rc;
  }
  if (tag == 'L') {
    *value = (int64_t)peri_get_u64(r->at + 1);
    r->at += 9;
  } else {
    *value = tag == 'Y' ? wide(r) : joined(r, tag < 0x40 ? 0x3C : tag < 0xF0 ? 0xE0 : 0xF8, extra);
  }
  return 0;
}

int peri_hessian_take_double(peri_hessian_reader *r, double *value) {
  static const uint8_t extras[] = {0, 0, 1, 2, 4};  // 0x5B to 0x5F
  uint8_t tag = *r->at;
  size_t extra = tag == 'D' ? 8 : extras[tag - 0x5B];
  int rc = need(r, 1 + extra);
  if (rc != 0) {
    return rc;
  }
  const uint8_t *at = r->at + 1;
  uint64_t bits;
  switch (tag) {
  case 0x5B: *value = 0; break;
  case 0x5C: *value = 1; break;
  case 0x5D: *value = (int8_t)*at; break;
  case 0x5E: *value = (int16_t)peri_get_u16(at); break;
  case 0x5F:  // thousandths in every implementation, whatever the specification says
    *value = 0.001 * (int32_t)peri_get_u32(at);
    break;
  default: bits = peri_get_u64(at); memcpy(value, &bits, 8);
  }
  r->at += 1 + extra;
  return 0;
}

int peri_hessian_take_date(peri_hessian_reader *r, int64_t *ms) {
  bool minutes = *r->at == 0x4B;
  int rc = need(r, minutes ? 5 : 9);
  if (rc == 0 && minutes) {
    *ms = (int64_t)wide(r) * 60000;
  } else if (rc == 0) {
    *ms = (int64_t)peri_get_u64(r->at + 1);
    r->at += 9;
  }
  return rc;
}

int peri_hessian_take_count(peri_hessian_reader *r, uint32_t *count) {
  int32_t value = -1;
  if (r->at == r->end) {
    return peri_hessian_truncated(r);
  }
  if (peri_hessian_kind_of(*r->at) != PERI_HESSIAN_INT) {
    return peri_hessian_bad(r, "an int is expected");
  }
  int rc = peri_hessian_take_int(r, &value);
  if (rc == 0 && value < 0) {
    rc = peri_hessian_bad(r, "a count or number is negative");
  }
  *count = (uint32_t)value;
  return rc;
}
