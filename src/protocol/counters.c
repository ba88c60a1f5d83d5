// SPDX-License-Identifier: MIT
#include "protocol/counters.h"

#include <stdatomic.h>
#include <string.h>

#include "protocol/protocol.h"

#define CODES 64  // more than there are wire numbers
#define TAGS 96   // of all protocols; those beyond count as OTHER

static _Atomic uint64_t counts[PERI_COUNT_LAST + TAGS];
static _Atomic uint64_t closed[CODES];

static const char *const names[] = {
#define X(name, text) text,
    PERI_PROTOCOL_COUNTERS(X)
#undef X
};

static void count(size_t n) {
  atomic_fetch_add_explicit(&counts[n], 1, memory_order_relaxed);
}

void peri_protocol_count(peri_protocol_counter counter) {
  count(counter);
}

// The n-th tag of all protocols in turn; what is added comes last, so that each keeps its place.
static const char *tag_at(size_t n) {
  const peri_protocol *protocol;
  for (size_t p = 0; n < TAGS && (protocol = peri_protocol_at(p)) != NULL; p++) {
    for (const char *const *tag = protocol->tags; tag != NULL && *tag != NULL; tag++, n--) {
      if (n == 0) {
        return *tag;
      }
    }
  }
  return NULL;
}

static const char *name_at(size_t n) {
  return n < PERI_COUNT_LAST ? names[n] : tag_at(n - PERI_COUNT_LAST);
}

void peri_protocol_count_tag(const char *tag) {
  const char *name;
  for (size_t n = 0; (name = name_at(n)) != NULL; n++) {
    if (strcmp(name, tag) == 0) {
      count(n);
      return;
    }
  }
  count(PERI_COUNT_OTHER);
}

uint64_t peri_protocol_counter_get(peri_protocol_counter counter) {
  return atomic_load_explicit(&counts[counter], memory_order_relaxed);
}

const char *peri_protocol_counter_at(size_t n, uint64_t *value) {
  const char *name = name_at(n);
  if (name != NULL) {
    *value = atomic_load_explicit(&counts[n], memory_order_relaxed);
  }
  return name;
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
