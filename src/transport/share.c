// SPDX-License-Identifier: MIT
#include "transport/share.h"

#include <sched.h>
#include <stdatomic.h>

enum {
  CORES = 256,  // higher ones share a place, which makes a wrong hint
  LINE = 64,    // bytes that cores pass to each other; those of different cores must not meet
};

typedef struct core {
  _Alignas(LINE) _Atomic uintptr_t last;  // who asked last
  _Atomic uint64_t since;                 // when it was another one's turn before
} core;

static core cores[CORES];

bool peri_share_has_company(const void *who, uint64_t now_ns) {
  int number = sched_getcpu();
  core *here = &cores[number < 0 ? 0 : number % CORES];
  if (atomic_load_explicit(&here->last, memory_order_relaxed) != (uintptr_t)who) {
    atomic_store_explicit(&here->last, (uintptr_t)who, memory_order_relaxed);
    atomic_store_explicit(&here->since, now_ns, memory_order_relaxed);
  }
  uint64_t since = atomic_load_explicit(&here->since, memory_order_relaxed);
  return now_ns < since + PERI_SHARE_NS;
}
