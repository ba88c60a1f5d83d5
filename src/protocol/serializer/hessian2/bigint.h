// SPDX-License-Identifier: MIT
// Java's BigInteger between decimal digits and what Java writes of it: a sign and a magnitude of
// 32-bit words, the highest first.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  PERI_BIGINT_WORDS = 256,
  PERI_BIGINT_DIGITS = 2470,  // with a sign and room for a whole last group
};

typedef struct peri_bigint {
  bool negative;
  uint32_t count;  // of words
  uint32_t words[PERI_BIGINT_WORDS];
} peri_bigint;

// False when `text` is no integer or larger than PERI_BIGINT_WORDS words.
bool peri_bigint_parse(const char *text, size_t len, peri_bigint *number);
// Writes the digits and returns their count. Spends the words.
size_t peri_bigint_print(peri_bigint *number, char text[static PERI_BIGINT_DIGITS + 16]);
