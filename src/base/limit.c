// SPDX-License-Identifier: MIT
#include "base/limit.h"

#include <stdatomic.h>

static _Atomic uint64_t counts[PERI_LIMIT_LAST];

static const char *const names[] = {
#define X(name, text) text,
    PERI_LIMITS(X)
#undef X
};

void peri_limit_hit(peri_limit limit) {
  atomic_fetch_add_explicit(&counts[limit], 1, memory_order_relaxed);
}

uint64_t peri_limit_hits(peri_limit limit) {
  return atomic_load_explicit(&counts[limit], memory_order_relaxed);
}

const char *peri_limit_at(size_t n, uint64_t *hits) {
  if (n >= PERI_LIMIT_LAST) {
    return NULL;
  }
  *hits = peri_limit_hits((peri_limit)n);
  return names[n];
}
