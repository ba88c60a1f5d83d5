// SPDX-License-Identifier: MIT
// Strict UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// The offset of the first byte that is not part of a well-formed sequence; `len` when all is well.
size_t peri_utf8_check(const uint8_t *text, size_t len);
// Writes `code` (a scalar value) to `at`, which has room for 4 bytes. Returns the bytes written.
size_t peri_utf8_put(uint8_t *at, uint32_t code);

// True when eight bytes at `at` are all ASCII.
static inline int peri_utf8_ascii8(const uint8_t *at) {
  uint64_t word;
  memcpy(&word, at, 8);
  return (word & 0x8080808080808080u) == 0;
}
