// SPDX-License-Identifier: MIT
#include <math.h>

#include "protocol/serializer/hessian2/write.h"
#include "protocol/serializer/utf8.h"

enum { CHUNK = 0x8000 };  // UTF-16 units, or bytes

static void put_tagged(peri_buf *out, uint8_t tag, uint32_t value, size_t extra) {
  uint8_t *at = peri_buf_reserve(out, 5);
  at[0] = tag;
  if (extra != 0) {
    peri_put_u32(at + 1, value << (32 - 8 * extra));
  }
  out->len += 1 + extra;
}

static void put_tagged64(peri_buf *out, uint8_t tag, uint64_t value) {
  uint8_t *at = peri_buf_reserve(out, 9);
  at[0] = tag;
  peri_put_u64(at + 1, value);
  out->len += 9;
}

void peri_hessian_put_int(peri_buf *out, int32_t value) {
  uint32_t bits = (uint32_t)value;
  if (value >= -0x10 && value <= 0x2F) {
    put_tagged(out, (uint8_t)(0x90 + value), 0, 0);
  } else if (value >= -0x800 && value <= 0x7FF) {
    put_tagged(out, (uint8_t)(0xC8 + (value >> 8)), bits & 0xFF, 1);
  } else if (value >= -0x40000 && value <= 0x3FFFF) {
    put_tagged(out, (uint8_t)(0xD4 + (value >> 16)), bits & 0xFFFF, 2);
  } else {
    put_tagged(out, 'I', bits, 4);
  }
}

void peri_hessian_put_long(peri_buf *out, int64_t value) {
  uint32_t bits = (uint32_t)value;
  if (value >= -0x08 && value <= 0x0F) {
    put_tagged(out, (uint8_t)(0xE0 + value), 0, 0);
  } else if (value >= -0x800 && value <= 0x7FF) {
    put_tagged(out, (uint8_t)(0xF8 + (value >> 8)), bits & 0xFF, 1);
  } else if (value >= -0x40000 && value <= 0x3FFFF) {
    put_tagged(out, (uint8_t)(0x3C + (value >> 16)), bits & 0xFFFF, 2);
  } else if (value >= INT32_MIN && value <= INT32_MAX) {
    put_tagged(out, 'Y', bits, 4);
  } else {
    put_tagged64(out, 'L', (uint64_t)value);
  }
}

void peri_hessian_put_double(peri_buf *out, double value) {
  bool small = value >= -2147483.0 && value <= 2147483.0 && !(value == 0 && signbit(value));
  int32_t whole = small ? (int32_t)value : 0;
  int32_t mills = small ? (int32_t)(value * 1000) : 0;
  if (small && whole == value && whole >= INT16_MIN && whole <= INT16_MAX) {
    if (whole == 0 || whole == 1) {
      put_tagged(out, (uint8_t)(0x5B + whole), 0, 0);
    } else if (whole >= INT8_MIN && whole <= INT8_MAX) {
      put_tagged(out, 0x5D, (uint32_t)whole & 0xFF, 1);
    } else {
      put_tagged(out, 0x5E, (uint32_t)whole & 0xFFFF, 2);
    }
  } else if (small && 0.001 * mills == value) {
    put_tagged(out, 0x5F, (uint32_t)mills, 4);
  } else {
    uint64_t bits;
    memcpy(&bits, &value, 8);
    put_tagged64(out, 'D', bits);
  }
}

void peri_hessian_put_date(peri_buf *out, int64_t ms) {
  int64_t minutes = ms / 60000;
  if (minutes * 60000 == ms && minutes >= INT32_MIN && minutes <= INT32_MAX) {
    put_tagged(out, 0x4B, (uint32_t)minutes, 4);
  } else {
    put_tagged64(out, 0x4A, (uint64_t)ms);
  }
}

void peri_hessian_put_bytes(peri_buf *out, const uint8_t *data, size_t len) {
  while (len > CHUNK) {
    put_tagged(out, 'A', CHUNK, 2);
    peri_buf_add(out, data, CHUNK);
    data += CHUNK;
    len -= CHUNK;
  }
  if (len <= 0x0F) {
    put_tagged(out, (uint8_t)(0x20 + len), 0, 0);
  } else if (len <= 0x3FF) {
    put_tagged(out, (uint8_t)(0x34 + (len >> 8)), (uint32_t)len & 0xFF, 1);
  } else {
    put_tagged(out, 'B', (uint32_t)len, 2);
  }
  peri_buf_add(out, data, len);
}

static void put_string_head(peri_buf *out, size_t units) {
  if (units <= 0x1F) {
    put_tagged(out, (uint8_t)units, 0, 0);
  } else if (units <= 0x3FF) {
    put_tagged(out, (uint8_t)(0x30 + (units >> 8)), (uint32_t)units & 0xFF, 1);
  } else {
    put_tagged(out, 'S', (uint32_t)units, 2);
  }
}

// The units of a chunk of at most `most`, and its end in `text`.
static size_t measure(const char *text, size_t len, size_t most, size_t *end) {
  size_t units = 0;
  size_t i = 0;
  while (i < len) {
    if (len - i >= 8 && most - units >= 8 && peri_utf8_ascii8((const uint8_t *)text + i)) {
      i += 8;
      units += 8;
      continue;
    }
    uint8_t c = (uint8_t)text[i];
    size_t width = c >= 0xF0 ? 2 : 1;
    if (units + width > most) {
      break;
    }
    units += width;
    i += c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
  }
  *end = i;
  return units;
}

static void put_unit(peri_buf *out, uint32_t unit) {
  out->len += peri_utf8_put(peri_buf_reserve(out, 4), unit);
}

// A character beyond U+FFFF is two units, each written like a character of its own.
static void put_text(peri_buf *out, const char *text, size_t len) {
  const char *plain = text;
  const char *end = text + len;
  for (const char *p = text; p < end; p++) {
    if ((uint8_t)*p < 0xF0) {
      continue;
    }
    uint32_t code = ((uint32_t)p[0] & 7) << 18 | ((uint32_t)p[1] & 63) << 12 |
                    ((uint32_t)p[2] & 63) << 6 | ((uint32_t)p[3] & 63);
    peri_buf_add(out, plain, (size_t)(p - plain));
    put_unit(out, 0xD800 + ((code - 0x10000) >> 10));
    put_unit(out, 0xDC00 + ((code - 0x10000) & 0x3FF));
    plain = p + 4;
    p += 3;
  }
  peri_buf_add(out, plain, (size_t)(end - plain));
}

// Short ASCII, which most strings are.
static bool put_plain(peri_buf *out, const char *text, size_t len) {
  if (len > 0x1F) {
    return false;
  }
  uint8_t *at = peri_buf_reserve(out, 0x20);
  uint8_t high = 0;
  at[0] = (uint8_t)len;
  for (size_t i = 0; i < len; i++) {
    at[1 + i] = (uint8_t)text[i];
    high |= (uint8_t)text[i];
  }
  if (high < 0x80) {
    out->len += 1 + len;
  }
  return high < 0x80;
}

void peri_hessian_put_string(peri_buf *out, const char *text, size_t len) {
  if (put_plain(out, text, len)) {
    return;
  }
  size_t end;
  size_t units = measure(text, len, CHUNK, &end);
  while (end < len) {
    put_tagged(out, 'R', (uint32_t)units, 2);
    put_text(out, text, end);
    text += end;
    len -= end;
    units = measure(text, len, CHUNK, &end);
  }
  put_string_head(out, units);
  if (units == len) {
    peri_buf_add(out, text, len);
  } else {
    put_text(out, text, len);
  }
}
