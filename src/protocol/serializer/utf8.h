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

// True when `text` is UTF-8; short ASCII, the common case, is settled without a call.
static inline int peri_utf8_valid(const uint8_t *text, size_t len) {
  uint64_t bits = 0;
  if (len >= 8 && len <= 16) {
    uint64_t tail;
    memcpy(&bits, text, 8);
    memcpy(&tail, text + len - 8, 8);
    bits |= tail;
  } else if (len < 8) {
    for (size_t i = 0; i < len; i++) {
      bits |= text[i];  // NOLINT(clang-analyzer-core.NullDereference): without bytes len is 0
    }
  } else {
    return peri_utf8_check(text, len) == len;
  }
  return (bits & 0x8080808080808080u) == 0 || peri_utf8_check(text, len) == len;
}
