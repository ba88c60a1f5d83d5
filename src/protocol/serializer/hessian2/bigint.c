// SPDX-License-Identifier: MIT
#include "protocol/serializer/hessian2/bigint.h"

#include <string.h>

enum { GROUP = 9 };  // decimal digits that fit a word
#define GROUP_BASE 1000000000u

// words = words * factor + more; false when that does not fit.
static bool multiply_add(peri_bigint *n, uint32_t factor, uint32_t more) {
  uint64_t carry = more;
  for (uint32_t i = n->count; i-- > 0;) {
    carry += (uint64_t)n->words[i] * factor;
    n->words[i] = (uint32_t)carry;
    carry >>= 32;
  }
  if (carry == 0) {
    return true;
  }
  if (n->count == PERI_BIGINT_WORDS) {
    return false;
  }
  memmove(n->words + 1, n->words, n->count * sizeof *n->words);
  n->words[0] = (uint32_t)carry;
  n->count++;
  return true;
}

bool peri_bigint_parse(const char *text, size_t len, peri_bigint *n) {
  n->count = 0;
  n->negative = len > 0 && text[0] == '-';
  size_t i = len > 0 && (text[0] == '-' || text[0] == '+');
  if (i == len) {
    return false;
  }
  while (i < len) {
    uint32_t group = 0;
    uint32_t base = 1;
    for (int digits = 0; digits < GROUP && i < len; digits++, i++) {
      if (text[i] < '0' || text[i] > '9') {
        return false;
      }
      group = group * 10 + (uint32_t)(text[i] - '0');
      base *= 10;
    }
    if (!multiply_add(n, base, group)) {
      return false;
    }
  }
  return true;
}

static uint32_t divide(peri_bigint *n, uint32_t *first) {
  uint64_t rest = 0;
  for (uint32_t i = *first; i < n->count; i++) {
    rest = rest << 32 | n->words[i];
    n->words[i] = (uint32_t)(rest / GROUP_BASE);
    rest %= GROUP_BASE;
  }
  while (*first < n->count && n->words[*first] == 0) {
    (*first)++;
  }
  return (uint32_t)rest;
}

size_t peri_bigint_print(peri_bigint *n, char text[static PERI_BIGINT_DIGITS + 16]) {
  char *end = text + PERI_BIGINT_DIGITS + 16;
  char *at = end;
  uint32_t first = 0;
  do {
    uint32_t group = divide(n, &first);
    for (int digit = 0; digit < GROUP; digit++, group /= 10) {
      *--at = (char)('0' + group % 10);
    }
  } while (first < n->count);
  while (at + 1 < end && *at == '0') {
    at++;
  }
  if (n->negative && *at != '0') {
    *--at = '-';
  }
  size_t len = (size_t)(end - at);
  memmove(text, at, len);
  return len;
}
