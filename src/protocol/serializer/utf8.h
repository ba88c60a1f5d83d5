// SPDX-License-Identifier: MIT
// Strict UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"

// The offset of the first byte that is not part of a well-formed sequence; `len` when all is well.
size_t peri_utf8_check(const uint8_t *text, size_t len);
// The text, or one in `copy` (zeroed before; the caller's to fini) with '?' for each byte that is not part
// of one.
peri_bytes peri_utf8_mended(peri_bytes text, peri_buf *copy);
// Writes `code` (a scalar value) to `at`, which has room for 4 bytes. Returns the bytes written.
size_t peri_utf8_put(uint8_t *at, uint32_t code);

// True when eight bytes at `at` are all ASCII.
static inline int peri_utf8_ascii8(const uint8_t *at) {
  uint64_t word;
  memcpy(&word, at, 8);
  return (word & 0x8080808080808080u) == 0;
}

// True when all of `text` is ASCII. Words at both ends overlap, so that none is read byte by byte.
static inline int peri_utf8_is_ascii(const uint8_t *text, size_t len) {
  uint64_t bits = 0;
  uint64_t word;
  if (len >= 8) {
    for (size_t i = 0; i + 8 < len; i += 8) {
      memcpy(&word, text + i, 8);
      bits |= word;
    }
    memcpy(&word, text + len - 8, 8);
    bits |= word;
  } else if (len >= 4) {
    uint32_t ends[2];
    memcpy(&ends[0], text, 4);
    memcpy(&ends[1], text + len - 4, 4);
    bits = ends[0] | ends[1];
  } else if (len > 0) {
    bits = text[0] | text[len / 2] | text[len - 1];
  }
  return (bits & 0x8080808080808080u) == 0;
}

// True when `text` is UTF-8; short ASCII, the common case, is settled without a call.
static inline int peri_utf8_valid(const uint8_t *text, size_t len) {
  return (len <= 64 && peri_utf8_is_ascii(text, len)) || peri_utf8_check(text, len) == len;
}
