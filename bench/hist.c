// SPDX-License-Identifier: MIT
#include "hist.h"

#include <string.h>

void bench_hist_init(bench_hist *hist) {
  memset(hist, 0, sizeof *hist);
}

static unsigned slot_of(uint64_t ns) {
  if (ns < 2 * BENCH_HIST_STEPS) {
    return (unsigned)ns;
  }
  unsigned shift = 57u - (unsigned)__builtin_clzll(ns);
  unsigned slot = shift * BENCH_HIST_STEPS + (unsigned)(ns >> shift);
  return slot < BENCH_HIST_SLOTS ? slot : BENCH_HIST_SLOTS - 1;
}

// The middle of the range a slot stands for.
static uint64_t value_of(unsigned slot) {
  if (slot < 2 * BENCH_HIST_STEPS) {
    return slot;
  }
  unsigned shift = slot / BENCH_HIST_STEPS - 1;
  uint64_t low = (uint64_t)(slot - shift * BENCH_HIST_STEPS) << shift;
  return low + ((1ull << shift) >> 1);
}

void bench_hist_add(bench_hist *hist, uint64_t ns) {
  hist->slots[slot_of(ns)]++;
  hist->count++;
  if (ns > hist->max) {
    hist->max = ns;
  }
}

uint64_t bench_hist_get(const bench_hist *hist, double share) {
  uint64_t wanted = (uint64_t)(share * (double)hist->count + 0.5);
  uint64_t seen = 0;
  for (unsigned i = 0; i < BENCH_HIST_SLOTS; i++) {
    seen += hist->slots[i];
    if (seen && seen >= wanted) {
      uint64_t value = value_of(i);
      return value < hist->max ? value : hist->max;
    }
  }
  return hist->max;
}
