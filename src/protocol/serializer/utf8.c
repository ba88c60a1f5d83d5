// SPDX-License-Identifier: MIT
#include "protocol/serializer/utf8.h"

static int cont(uint8_t byte) {
  return (byte & 0xC0) == 0x80;
}

// Length of the well-formed sequence that starts with the non-ASCII byte `p[0]`; 0 when there is
// none.
static size_t sequence(const uint8_t *p, size_t left) {
  uint8_t c = p[0];
  if (c >= 0xC2 && c <= 0xDF) {
    return left >= 2 && cont(p[1]) ? 2 : 0;
  }
  if (c >= 0xE0 && c <= 0xEF) {
    uint8_t low = c == 0xE0 ? 0xA0 : 0x80;
    uint8_t high = c == 0xED ? 0x9F : 0xBF;
    return left >= 3 && p[1] >= low && p[1] <= high && cont(p[2]) ? 3 : 0;
  }
  if (c >= 0xF0 && c <= 0xF4) {
    uint8_t low = c == 0xF0 ? 0x90 : 0x80;
    uint8_t high = c == 0xF4 ? 0x8F : 0xBF;
    return left >= 4 && p[1] >= low && p[1] <= high && cont(p[2]) && cont(p[3]) ? 4 : 0;
  }
  return 0;
}

size_t peri_utf8_check(const uint8_t *text, size_t len) {
  size_t i = 0;
  while (i < len) {
    if (len - i >= 8 && peri_utf8_ascii8(text + i)) {
      i += 8;
      continue;
    }
    if (text[i] < 0x80) {
      i++;
      continue;
    }
    size_t n = sequence(text + i, len - i);
    if (n == 0) {
      return i;
    }
    i += n;
  }
  return len;
}

size_t peri_utf8_put(uint8_t *at, uint32_t code) {
  if (code < 0x80) {
    at[0] = (uint8_t)code;
    return 1;
  }
  if (code < 0x800) {
    at[0] = (uint8_t)(0xC0 | code >> 6);
    at[1] = (uint8_t)(0x80 | (code & 0x3F));
    return 2;
  }
  if (code < 0x10000) {
    at[0] = (uint8_t)(0xE0 | code >> 12);
    at[1] = (uint8_t)(0x80 | (code >> 6 & 0x3F));
    at[2] = (uint8_t)(0x80 | (code & 0x3F));
    return 3;
  }
  at[0] = (uint8_t)(0xF0 | code >> 18);
  at[1] = (uint8_t)(0x80 | (code >> 12 & 0x3F));
  at[2] = (uint8_t)(0x80 | (code >> 6 & 0x3F));
  at[3] = (uint8_t)(0x80 | (code & 0x3F));
  return 4;
}

peri_bytes peri_utf8_mended(peri_bytes text, peri_buf *copy) {
  if (peri_utf8_valid(text.ptr, text.len)) {
    return text;
  }
  peri_buf_add(copy, text.ptr, text.len);
  size_t at = 0;
  while ((at += peri_utf8_check(copy->data + at, copy->len - at)) < copy->len) {
    copy->data[at] = '?';
  }
  return (peri_bytes){copy->data, copy->len};
}
