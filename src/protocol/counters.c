// SPDX-License-Identifier: MIT
#include "protocol/counters.h"

#include <stdatomic.h>
#include <string.h>

#define CODES 64  // more than there are wire numbers

static _Atomic uint64_t counts[PERI_COUNT_LAST];
static _Atomic uint64_t closed[CODES];

static const char *const names[] = {
#define X(name, text) text,
    PERI_PROTOCOL_COUNTERS(X)
#undef X
};

void peri_protocol_count(peri_protocol_counter counter) {
  atomic_fetch_add_explicit(&counts[counter], 1, memory_order_relaxed);
}

void peri_protocol_count_tag(const char *tag) {
  size_t n = 0;
  while (n < PERI_COUNT_OTHER && strcmp(names[n], tag) != 0) {
    n++;
  }
  peri_protocol_count((peri_protocol_counter)n);
}

uint64_t peri_protocol_counter_get(peri_protocol_counter counter) {
  return atomic_load_explicit(&counts[counter], memory_order_relaxed);
}

const char *peri_protocol_counter_at(size_t n, uint64_t *value) {
  if (n >= PERI_COUNT_LAST) {
    return NULL;
  }
  *value = peri_protocol_counter_get((peri_protocol_counter)n);
  return names[n];
}

static size_t code_slot(int code) {
  return code <= 0 && code > -CODES ? (size_t)-code : CODES - 1;
}

void peri_protocol_count_closed(int code) {
  peri_protocol_count(PERI_COUNT_CLOSED);
  atomic_fetch_add_explicit(&closed[code_slot(code)], 1, memory_order_relaxed);
}

uint64_t peri_protocol_closed_get(int code) {
  return atomic_load_explicit(&closed[code_slot(code)], memory_order_relaxed);
}
