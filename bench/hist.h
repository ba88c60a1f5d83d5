// SPDX-License-Identifier: MIT
// A histogram of durations: 64 steps per power of two, so a value read back is off by less than
// 1.6 %, whatever its size. Fixed memory, no allocation when adding. One thread.
#pragma once
#include <stdint.h>

enum { BENCH_HIST_STEPS = 64, BENCH_HIST_SLOTS = 40 * BENCH_HIST_STEPS };

typedef struct bench_hist {
  uint64_t count;
  uint64_t max;
  uint32_t slots[BENCH_HIST_SLOTS];
} bench_hist;

void bench_hist_init(bench_hist *hist);
void bench_hist_add(bench_hist *hist, uint64_t ns);
// The smallest value not exceeded by `share` (0..1) of those added, in ns; 0 when empty.
uint64_t bench_hist_get(const bench_hist *hist, double share);
